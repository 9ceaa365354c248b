"""A signing key is made once; private keys may be kept elsewhere; whatever needs one says so by its name."""

from __future__ import annotations

from pathlib import Path

import oldkeys
import pytest

from tools.__main__ import main
from tools.keys import certificates, keyfiles, pki

MACS = ["AABBCCDDEEFF", "112233445566"]
NEW = "0123456789AB"
COMMANDS = {
    "again": [],
    "device": ["--device", NEW],
    "next key": ["--next-key"],
    "next ca": ["--next-ca"],
    "name": ["--server-name", "new.example"],
    "revoke": ["--revoke", MACS[1]],
    "servers": ["--servers", "4"],
}


@pytest.fixture(params=["today", "before"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Made by this release, or by one of before; each was used once by this one."""
    folder = tmp_path / "keys"
    if request.param == "before":
        oldkeys.make(folder, MACS)
    pki.make_all(folder, MACS)
    return folder


def _public_keys(keys: Path, pattern: str) -> set[bytes]:
    return {path.read_bytes() for path in keys.glob(pattern)}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_second_signing_key_is_ever_made(command: str, keys: Path) -> None:
    first = (keys / "sign.pub.der").read_bytes()
    (keys / "sign.key.pem").unlink()
    assert main(["keys", str(keys), *COMMANDS[command]]) == 0
    assert not (keys / "sign.key.pem").exists()
    assert {first} == _public_keys(keys, "sign.pub.der") == _public_keys(keys, "devices/*/sign_pub.der")
    assert _public_keys(keys, "server/sign_pub.der") == {first}


def test_without_both_halves_it_is_named(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, and a folder of before gives its public half from what the server has."""
    for name in ("sign.key.pem", "sign.pub.der"):
        (keys / name).unlink()
    assert main(["keys", str(keys)]) == 0
    for name in ("sign.pub.der", "server/sign_pub.der"):
        (keys / name).unlink()
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["keys", str(keys), "--device", NEW]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{keys / 'sign.key.pem'} is missing: restore it" in line and "sign.pub.der" in line
    assert {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()} == before


def test_a_folder_of_before_whose_signing_key_is_elsewhere(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    oldkeys.make(keys, MACS)
    first = keyfiles.public_bytes(keyfiles.read_key(keys / "sign.key.pem"))
    (keys / "sign.key.pem").rename(tmp_path / "in-the-safe.pem")
    assert main(["keys", str(keys), "--device", NEW]) == 0
    assert _public_keys(keys, "devices/*/sign_pub.der") == {first} == _public_keys(keys, "sign.pub.der")
    (tmp_path / "in-the-safe.pem").rename(keys / "sign.key.pem")
    assert main(["keys", str(keys)]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_boards_private_keys_are_needed_by_nothing(command: str, keys: Path) -> None:
    for path in keys.glob("devices/*/client.key.der"):
        path.unlink()
    before = _public_keys(keys, f"devices/{MACS[0]}/client.crt.der")
    assert main(["keys", str(keys), *COMMANDS[command]]) == 0
    assert _public_keys(keys, f"devices/{MACS[0]}/client.crt.der") == before
    if command == "next key":
        assert main(["keys", str(keys), "--rotate-key"]) == 0
    if command == "next ca":
        assert main(["keys", str(keys), "--rotate-ca"]) == 0
    assert not (keys / "devices" / MACS[0] / "client.key.der").exists()


NEEDS = {
    "device": "device-ca.key.pem", "name": "broker-ca.key.pem", "servers": "broker-ca.key.pem",
    "revoke": "private key of 'OTA device CA",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_an_authority_that_is_needed_is_named(command: str, tmp_path: Path, capsys) -> None:
    """All that issue are in a safe: what issues nothing goes on."""
    keys = tmp_path / "keys"
    pki.make_all(keys, MACS)
    for path in keys.glob("*-ca.key.pem"):
        path.unlink()
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    capsys.readouterr()
    code = main(["keys", str(keys), *COMMANDS[command]])
    said = capsys.readouterr().err
    assert code == (1 if command in NEEDS else 0), said
    if command in NEEDS:
        assert NEEDS[command] in said and len(said.strip().splitlines()) == 1
        assert {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()} == before


def test_a_key_of_another_fleet_is_noticed(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (keys / "sign.key.pem").write_bytes(keyfiles.key_bytes(certificates.new_key()))
    assert main(["keys", str(keys)]) == 1
    assert "sign.key.pem is not the key of sign.pub.der: restore the one that is" in capsys.readouterr().err
