"""tools.keys.rotation and `keys`: what follows is made in advance and put in place by one word."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from tools.__main__ import main
from tools.errors import ToolError
from tools.keys import certificates, keyfiles, keytable, pki

NAMES = ["broker.example", "10.0.0.7"]
MACS = ["AABBCCDDEEFF", "112233445566"]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    pki.make_all(tmp_path / "keys", MACS, NAMES)
    return tmp_path / "keys"


def _run(keys: Path, *words: str) -> int:
    return main(["keys", str(keys), *words])


def _secrets(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*.key.*")}


def _board_keys(keys: Path, name: str) -> set[bytes]:
    return {path.read_bytes() for path in keys.glob(f"devices/*/{name}")}


def test_a_next_key_goes_to_every_board_and_becomes_the_current_one(keys: Path) -> None:
    before = _secrets(keys)
    first = keyfiles.public_bytes(keyfiles.read_key(keys / "sign.key.pem"))
    assert _run(keys, "--next-key") == 0
    second = keyfiles.public_bytes(keyfiles.read_key(keys / "sign-next.key.pem"))
    assert _board_keys(keys, "sign_pub.der") == {first} != {second}
    assert _board_keys(keys, "sign_next.der") == {second}
    for table in _board_keys(keys, "sign_next.tab"):
        keytable.check(table, second)
    assert _run(keys, "--next-key") == 0  # there is one, so it stays
    assert _board_keys(keys, "sign_next.der") == {second}
    assert _run(keys, "--rotate-key", "--next-key") == 0
    third = keyfiles.public_bytes(keyfiles.read_key(keys / "sign-next.key.pem"))
    assert _board_keys(keys, "sign_pub.der") == {second} != {third}
    assert _board_keys(keys, "sign_next.der") == {third}
    for table in _board_keys(keys, "sign_pub.tab"):
        keytable.check(table, second)
    assert before <= _secrets(keys)


def test_after_the_last_next_key_boards_need_none(keys: Path) -> None:
    _run(keys, "--next-key")
    assert _run(keys, "--rotate-key") == 0
    assert len(_board_keys(keys, "sign_pub.der")) == 1
    assert _board_keys(keys, "sign_next.der") == set()


@pytest.mark.parametrize("word", ["--rotate-key", "--rotate-ca"])
def test_nothing_to_rotate_to(keys: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in keys.rglob("*.pem")}
    assert _run(keys, word) != 0
    assert "long before" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in keys.rglob("*.pem")} == before


def test_next_authorities_stand_beside_the_current_ones(keys: Path) -> None:
    assert _run(keys, "--next-ca") == 0
    for name in ("broker", "file"):
        ca, following = (keyfiles.read_certificate(keys / f"{name}-ca{end}.crt.pem") for end in ("", "-next"))
        der = [one.public_bytes(keyfiles.ENCODINGS["der"]) for one in (ca, following)]
        assert _board_keys(keys, f"{name}_ca.der") == {b"".join(der)}


def test_rotated_authorities_issue_for_servers_and_boards_keep_theirs(keys: Path) -> None:
    _run(keys, "--next-ca")
    following = (keys / "broker-ca-next.crt.pem").read_bytes()
    boards, before = _board_keys(keys, "client.crt.der"), _secrets(keys)
    assert _run(keys, "--rotate-ca", "--device", "0123456789AB") == 0
    assert (keys / "broker-ca.crt.pem").read_bytes() == following
    ca, boards_ca = (keyfiles.read_pair(keys, f"{name}-ca") for name in ("broker", "device"))
    for stem in ("broker", "ota-server"):
        keyfiles.read_pair(keys, stem, ca)
    keyfiles.read_pair(keys, "files", keyfiles.read_pair(keys, "file-ca"))
    for stem in ("broker", "files"):
        hosts = certificates.hosts_of(keyfiles.read_certificate(keys / f"{stem}.crt.pem"))
        assert hosts == {*NAMES, *pki.LOCAL_HOSTS}
    assert boards < _board_keys(keys, "client.crt.der")
    new = keys / "devices" / "0123456789AB"
    assert certificates.issued_by(keyfiles.read_certificate(new / "client.crt.der"), boards_ca.certificate)
    trusted = x509.load_pem_x509_certificates((keys / "broker-trust.crt.pem").read_bytes())
    assert len(trusted) == 2 and trusted[0] == boards_ca.certificate
    for path in keys.glob("devices/*/client.crt.der"):
        assert any(certificates.issued_by(keyfiles.read_certificate(path), one) for one in trusted)
    assert before <= _secrets(keys)
    pki.make_all(keys, MACS, NAMES)  # all fits together


def test_the_private_half_of_the_next_key_may_be_kept_elsewhere(keys: Path, tmp_path: Path) -> None:
    _run(keys, "--next-key")
    public = (keys / "sign-next.pub.der").read_bytes()
    away = (keys / "sign-next.key.pem").rename(tmp_path / "in-the-safe.pem")
    assert _run(keys, "--next-key", "--device", "0123456789AB") == 0  # no other one is made
    assert len(list(keys.glob("devices/*"))) == 3 and _board_keys(keys, "sign_next.der") == {public}
    assert keyfiles.read_public(keys / "sign-next.pub.der") == keyfiles.read_public(away) == public
    assert _run(keys, "--rotate-key") == 1
    away.rename(keys / "sign-next.key.pem")
    assert _run(keys, "--rotate-key") == 0
    assert _board_keys(keys, "sign_pub.der") == {public} and not _board_keys(keys, "sign_next.der")


def test_what_is_no_public_key(keys: Path, tmp_path: Path) -> None:
    for content in (b"", b"nonsense"):
        (tmp_path / "key").write_bytes(content)
        (tmp_path / "key").chmod(0o600)
        with pytest.raises(ToolError):
            keyfiles.read_public(tmp_path / "key")


def test_a_folder_of_something_else_is_left_alone(keys: Path) -> None:
    (keys / "devices" / "old-backup").mkdir()
    _run(keys, "--next-key")
    assert _run(keys, "--rotate-key") == 0
    assert not list((keys / "devices" / "old-backup").iterdir())


def test_a_changed_key_without_being_asked_to_is_an_error(keys: Path) -> None:
    pki.make_all(keys, MACS, next_key=True, renew=True)
    (keys / "sign-next.key.pem").write_bytes(keyfiles.key_bytes(certificates.new_key()))
    with pytest.raises(ToolError, match="sign-next.key.pem is not the key of sign-next.pub.der"):
        pki.make_all(keys, MACS)


def test_only_the_key_that_boards_know_becomes_the_current_one(keys: Path) -> None:
    _run(keys, "--next-key")
    before = (keys / "sign.pub.der").read_bytes()
    (keys / "sign-next.key.pem").write_bytes(keyfiles.key_bytes(certificates.new_key()))
    assert _run(keys, "--rotate-key") == 1
    assert (keys / "sign.pub.der").read_bytes() == before and (keys / "sign-next.pub.der").exists()


def _trusted(keys: Path) -> list[x509.Certificate]:
    """By the broker, on the port for boards."""
    return keyfiles.read_certificates(keys / "server" / "broker-trust.crt.pem")


def test_a_retired_authority_of_servers_never_counts_for_boards(keys: Path) -> None:
    """Also where that of boards beside it was deleted, so that its boards come in no more."""
    _run(keys, "--next-ca")
    _run(keys, "--rotate-ca")
    (old,) = keys.glob("retired/*/device-ca.crt.pem")
    for path in [old, *keys.glob("devices/*/client.*"), *keys.glob("server/devices/*")]:
        path.unlink()
    assert _run(keys) == 0
    assert _trusted(keys) == [keyfiles.read_certificate(keys / "device-ca.crt.pem")]


def test_the_servers_that_there_are_all_get_certificates_of_the_new_authority(keys: Path) -> None:
    assert _run(keys, "--servers", "4") == 0
    _run(keys, "--next-ca")
    assert _run(keys, "--rotate-ca") == 0
    ca = keyfiles.read_certificate(keys / "broker-ca.crt.pem")
    found = sorted((keys / "server").glob("ota-server*.crt.pem"))
    assert len(found) == 5
    assert all(certificates.issued_by(keyfiles.read_certificate(path), ca) for path in found)


def test_a_damaged_copy_for_the_server_is_named(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy, *_) = sorted((keys / "server" / "devices").iterdir())
    copy.write_bytes(b"")
    assert _run(keys, "--revoke", copy.name.split(".")[0]) == 1
    assert str(copy) in capsys.readouterr().err
