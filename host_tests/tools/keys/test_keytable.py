"""tools.keys.keytable: its tables against slow arithmetic, and what it says of tables that do not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import forger
import pytest
import signer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device import ecdsa, keytable, p256_comb
from tools.errors import ToolError
from tools.keys import certificates, keyfiles
from tools.keys import keytable as maker


def test_the_base_points_comb_in_the_firmware() -> None:
    assert bytes(p256_comb.TABLE) == forger.comb(signer.G) == maker.comb(signer.G)


@pytest.mark.parametrize("d", [1, 2, signer.N - 1, 2**43, 2**215, signer.SECRET])
def test_a_table_is_what_slow_arithmetic_says(d: int) -> None:
    point = signer.multiply(d, signer.G)
    assert maker.build(signer.raw_key(point)) == forger.table_file(point)


def test_a_new_keys_table_is_taken_and_proven() -> None:
    key = certificates.new_key()
    public = keyfiles.public_bytes(key)
    table = maker.build(public)
    assert table == maker.build(public[-65:])
    maker.check(table, public)
    digest = hashlib.sha256(b"data").digest()
    signature = key.sign(b"data", ec.ECDSA(hashes.SHA256()))
    loaded = keytable.load(table, public)
    assert ecdsa.verify(public, digest, signature, loaded) is True
    assert ecdsa.verify(public, digest[::-1], signature, loaded) is False


def test_a_table_that_does_not_fit() -> None:
    table = maker.build(signer.KEY)
    maker.check(table, signer.KEY)
    other = maker.build(signer.raw_key(signer.G))
    content = bytearray(table[:-32])
    content[1000] ^= 1
    forged = bytes(content) + hashlib.sha256(content).digest()
    assert keytable.load(forged, signer.KEY), "a board cannot tell"
    for bad in (b"", table[:-1], table + b"\0", other, forged):
        with pytest.raises(ToolError, match="delete it and run `keys` again"):
            maker.check(bad, signer.KEY)


def test_keys_that_have_no_table() -> None:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    der = serialization.Encoding.DER
    strange = ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(der, spki)
    for bad in (b"", b"\x04" + bytes(64), signer.KEY[:-1], strange):
        with pytest.raises(ToolError, match="is not a public key on curve P-256"):
            maker.build(bad)


def test_the_tool_needs_no_board_code() -> None:
    assert "from device" not in Path(maker.__file__).read_text(encoding="utf-8")
