"""device.ecdsa against NIST's published vectors for P-256, with and without a table.

They also come for other hashes than SHA-256; as a number on the curve a shorter digest has zeros before it,
of a longer one the first 32 bytes count (FIPS 186-4, 6.4).
"""

from __future__ import annotations

import hashlib
import re

import cryptography_vectors
import pytest
import signer

from device import ecdsa, keytable
from tools.keys import keytable as maker

FOLDER = "asymmetric/ECDSA/"
Record = dict[str, str]


def _records(path: str, section: str) -> list[Record]:
    """The records below the heading [section], up to the next curve's."""
    with cryptography_vectors.open_vector_file(FOLDER + path, "r") as file:
        text = file.read()
    rest = text.split(f"\n[{section}]\n", 1)[1]
    body = re.split(r"\n\[(?=[PKB]-\d)", rest, maxsplit=1)[0]
    found = [dict(re.findall(r"^(\w+) = (.*?)\s*$", part, re.MULTILINE)) for part in body.split("\n\n")]
    return [record for record in found if "Qx" in record]


def _key(record: Record) -> bytes:
    """Uncompressed; longer than a key can be where a number is too large."""
    return b"\x04" + b"".join(_wide(record[name]) for name in ("Qx", "Qy"))


def _wide(text: str) -> bytes:
    value = int(text, 16)
    return value.to_bytes(max(32, (value.bit_length() + 7) // 8), "big")


def _verdicts(record: Record, hash_name: str) -> list[bool]:
    digest = hashlib.new(hash_name, bytes.fromhex(record["Msg"])).digest()[:32].rjust(32, b"\0")
    key = _key(record)
    signature = signer.der(int(record["R"], 16), int(record["S"], 16))
    table = keytable.load(maker.build(key), key)
    return [ecdsa.verify(key, digest, signature), ecdsa.verify(key, digest, signature, table)]


@pytest.mark.parametrize(
    ("path", "section", "hash_name"),
    [
        ("FIPS_186-3/SigVer.rsp", "P-256,SHA-1", "sha1"),
        ("FIPS_186-3/SigVer.rsp", "P-256,SHA-224", "sha224"),
        ("FIPS_186-3/SigVer.rsp", "P-256,SHA-256", "sha256"),
        ("FIPS_186-3/SigVer.rsp", "P-256,SHA-384", "sha384"),
        ("FIPS_186-3/SigVer.rsp", "P-256,SHA-512", "sha512"),
        ("FIPS_186-2/SigVer.rsp", "P-256", "sha1"),
    ],
)
def test_signatures_are_judged_as_published(path: str, section: str, hash_name: str) -> None:
    records = _records(path, section)
    expected = [record["Result"].startswith("P") for record in records]
    assert len(records) == 15 and {*expected} == {True, False}
    for record, good in zip(records, expected, strict=True):
        assert _verdicts(record, hash_name) == [good, good], record


@pytest.mark.parametrize("hash_name", ["sha224", "sha256", "sha384", "sha512"])
def test_generated_signatures_are_accepted(hash_name: str) -> None:
    section = f"P-256,{hash_name.upper().replace('SHA', 'SHA-')}"
    records = _records("FIPS_186-3/SigGen.txt", section)
    assert len(records) == 15
    for record in records:
        assert _verdicts(record, hash_name) == [True, True], record


@pytest.mark.parametrize("folder", ["FIPS_186-2", "FIPS_186-3"])
def test_public_keys_are_judged_as_published(folder: str) -> None:
    records = _records(f"{folder}/PKV.rsp", "P-256")
    expected = [record["Result"].startswith("P") for record in records]
    assert len(records) == 12 and {*expected} == {True, False}
    for record, good in zip(records, expected, strict=True):
        assert (ecdsa.public_point(_key(record)) is not None) == good, record


@pytest.mark.parametrize("folder", ["FIPS_186-2", "FIPS_186-3"])
def test_key_pairs_are_keys(folder: str) -> None:
    records = _records(f"{folder}/KeyPair.rsp", "P-256")
    assert len(records) >= 10
    for record in records:
        point = ecdsa.public_point(_key(record))
        assert point == signer.multiply(int(record["d"], 16), signer.G), record
