"""doctor's view of files that hold several certificates, as boards have them while authorities follow each
other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tools.keys import certificates, keyfiles, pki
from tools.keys.certificates import Validity
from tools.realboard import checks_identity
from tools.realboard.examination import Facts
from tools.realboard.findings import BAD, OK, WARN

MAC = "AABBCCDDEEFF"
DAYS = {"ended": (-9, -1), "ends soon": (-1, 30), "good": (-1, 999), "not yet": (1, 9)}


def _authority(state: str) -> bytes:
    begin, end = (certificates.now() + days * certificates.DAY for days in DAYS[state])
    pair = certificates.make_ca(f"CA that is {state}", Validity(begin, end))
    return pair.certificate.public_bytes(keyfiles.ENCODINGS["der"])


def _facts(**files: bytes) -> Facts:
    settings = {key: f"certs/{key}.der" for key in files}
    return Facts(mac=MAC, config={"ok": settings}, files=dict(files))


@pytest.mark.parametrize(
    ("states", "level"),
    [
        (["good"], OK), (["good", "good"], OK), (["ended", "good"], OK), (["good", "ended"], OK),
        (["ends soon", "good"], WARN), (["good", "ends soon"], WARN), (["good", "not yet"], OK),
        (["ended"], BAD), (["ended", "ended"], BAD), (["not yet"], BAD), (["ends soon"], WARN),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["broker_ca", "file_ca"])
def test_all_authorities_of_a_file_are_looked_at(key: str, states: list[str], level: str) -> None:
    content = b"".join(map(_authority, states))
    finding = getattr(checks_identity, key)(_facts(**{key: content}))
    assert finding.level == level, finding
    assert "damaged" not in finding.text and "provision" not in finding.cure
    if level != BAD:
        assert all(f"CA that is {state}" in finding.text for state in states)


@pytest.mark.parametrize("cut", [0, 1, 3, 100, -1, -400])
def test_a_file_that_is_cut_off_is_damaged(cut: int) -> None:
    content = (_authority("good") + _authority("good"))[:cut]
    finding = checks_identity.broker_ca(_facts(broker_ca=content))
    assert finding.level == BAD and "damaged" in finding.text


def _public(key: Any, form: str = "SubjectPublicKeyInfo") -> bytes:
    encoding = "DER" if form == "SubjectPublicKeyInfo" else "X962"
    how = getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form)
    return key.public_key().public_bytes(*how)


P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())


KEYS = {  # name: (content of the file, what doctor says)
    "P-256": (_public(P256), OK),
    "point": (_public(P256, "UncompressedPoint"), OK),
    "P-384": (_public(P384), BAD),
    "Ed25519": (_public(ed25519.Ed25519PrivateKey.generate()), BAD),
    "private": (keyfiles.key_bytes(P256, "der"), BAD),
    "compressed point": (_public(P256, "CompressedPoint"), BAD),
    "point off the curve": (b"\x04" + bytes(64), BAD),
    "cut": (_public(P256)[:-1], BAD),
    "unknown algorithm": (_public(P256).replace(b"\x2a\x86\x48", b"\x2a\x86\x49"), BAD),
    "empty": (b"", BAD),
    "zeros": (bytes(65), BAD),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_signing_key_is_one_that_boards_take(name: str) -> None:
    content, level = KEYS[name]
    finding = checks_identity.signing_key(_facts(signing_key=content))
    assert finding.level == level and (level == OK or "damaged" in finding.text), finding


def test_what_the_rotation_puts_on_a_board_is_all_green(tmp_path: Path) -> None:
    pki.make_all(tmp_path / "keys", [MAC], next_ca=True, next_key=True)
    names = {
        "broker_ca": "broker_ca.der", "file_ca": "file_ca.der", "client_cert": "client.crt.der",
        "client_key": "client.key.der", "signing_key": "sign_pub.der",
    }  # fmt: skip
    files = {key: (tmp_path / "keys" / "devices" / MAC / name).read_bytes() for key, name in names.items()}
    for name, check in checks_identity.IDENTITY[1:]:
        assert check(_facts(**files)).level == OK, name
    assert len(certificates.parse(files["broker_ca"])) == len(certificates.parse(files["file_ca"])) == 2
