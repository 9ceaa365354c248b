"""Keys and certificates: what is made is right, what is there is kept and checked."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tools.errors import ToolError
from tools.keys import certificates, keyfiles, keytable, pki
from tools.keys.certificates import Validity

MAC = "AABBCCDDEEFF"
BOARD_FILES = {
    "broker_ca.der",
    "file_ca.der",
    "client.crt.der",
    "client.key.der",
    "sign_pub.der",
    "sign_pub.tab",
}


@pytest.fixture
def keys(original: Path, tmp_path: Path) -> Path:
    """A folder of keys that a test may damage."""
    return Path(shutil.copytree(original, tmp_path / "pki"))


def _extension(certificate: x509.Certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


def test_a_board_gets_exactly_what_it_needs(original: Path) -> None:
    board = original / "devices" / MAC
    assert {path.name for path in board.iterdir()} == BOARD_FILES
    client = keyfiles.read_pair(board, "client", form="der")
    assert certificates.common_name(client.certificate) == MAC
    usage = _extension(client.certificate, x509.ExtendedKeyUsage)
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    sign = keyfiles.read_key(original / "sign.key.pem")
    assert (board / "sign_pub.der").read_bytes() == keyfiles.public_bytes(sign)
    assert len(keyfiles.public_bytes(sign)) == 91
    keytable.check((board / "sign_pub.tab").read_bytes(), keyfiles.public_bytes(sign))


def test_only_their_owner_reads_the_files(original: Path) -> None:
    for path in [original, *original.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o610])
@pytest.mark.parametrize("name", ["sign.key.pem", "broker-ca.key.pem", f"devices/{MAC}/client.key.der"])
def test_a_private_key_for_others_is_refused(keys: Path, name: str, mode: int) -> None:
    """By each command that reads it, with the way out in one line; then it is as good as before."""
    path = keys / name
    path.chmod(mode)
    for read in (lambda: keyfiles.read_key(path), lambda: pki.make_all(keys, [MAC])):
        with pytest.raises(ToolError) as caught:
            read()
        assert str(caught.value).endswith(f": chmod 600 {path}")
        assert "\n" not in str(caught.value)
    for mode in (0o600, 0o400):
        path.chmod(mode)
        keyfiles.read_key(path)
        pki.make_all(keys, [MAC])


def test_certificates_may_be_read_by_all(keys: Path) -> None:
    for path in keys.rglob("*.crt.*"):
        path.chmod(0o644)
    pki.make_all(keys, [MAC])


def test_server_certificates(original: Path) -> None:
    for stem, ca_stem in (("broker", "broker-ca"), ("files", "file-ca")):
        ca = keyfiles.read_pair(original, ca_stem)
        pair = keyfiles.read_pair(original, stem, ca)
        hosts = {"localhost", "127.0.0.1", "10.0.0.7", "ota.example"}
        assert certificates.hosts_of(pair.certificate) == hosts
        usage = _extension(pair.certificate, x509.ExtendedKeyUsage)
        assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
        assert _extension(ca.certificate, x509.BasicConstraints).ca
        assert not _extension(pair.certificate, x509.BasicConstraints).ca
        lag = certificates.now() - pair.certificate.not_valid_before_utc
        assert datetime.timedelta(days=1) <= lag < datetime.timedelta(days=1, minutes=10)
    with pytest.raises(ToolError, match="another CA"):
        keyfiles.read_pair(original, "broker", keyfiles.read_pair(original, "file-ca"))


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_changes_nothing_and_a_new_board_is_added(keys: Path) -> None:
    before = _contents(keys)
    made = pki.make_all(keys, [MAC, "112233445566"])
    assert all(path.read_bytes() == content for path, content in before.items())
    assert made[0].made == made[1].made == []
    assert len(made[0].kept) == 20 and set(made[1].kept) == BOARD_FILES
    assert set(made[2].made) == BOARD_FILES and made[2].kept == []


@pytest.mark.parametrize("lost", ["broker-ca.crt.pem", "broker.crt.pem", f"devices/{MAC}/client.crt.der"])
def test_half_a_pair_is_named(keys: Path, lost: str) -> None:
    """And left as it is: the other half is not made anew over it."""
    (keys / lost).unlink()
    before = _contents(keys)
    with pytest.raises(ToolError, match=f"{lost} is missing"):
        pki.make_all(keys, [MAC])
    assert _contents(keys) == before


def test_a_pair_is_not_written_over(keys: Path) -> None:
    before = _contents(keys)
    other = certificates.make_ca("OTA broker CA", certificates.valid_for(9))
    with pytest.raises(ToolError, match="exists already"):
        keyfiles.write_pair(keys, "broker-ca", other)
    (keys / "broker-ca.crt.pem").unlink()
    with pytest.raises(ToolError, match="broker-ca.crt.pem is missing"):
        keyfiles.write_pair(keys, "broker-ca", other)
    before.pop(keys / "broker-ca.crt.pem")
    assert _contents(keys) == before


def test_a_key_of_another_certificate_is_named(keys: Path) -> None:
    shutil.copy(keys / "files.key.pem", keys / "broker.key.pem")
    with pytest.raises(ToolError, match="broker.key.pem is not the key of broker.crt.pem"):
        pki.make_all(keys, [])


def test_a_cut_off_file_is_named(keys: Path) -> None:
    path = keys / "files.crt.pem"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ToolError, match="files.crt.pem"):
        pki.make_all(keys, [])


@pytest.mark.parametrize("ca", ["broker-ca", "file-ca", "device-ca"])
def test_a_replaced_authority_is_noticed(keys: Path, ca: str) -> None:
    (keys / f"{ca}.key.pem").unlink()
    (keys / f"{ca}.crt.pem").unlink()
    keyfiles.write_pair(keys, ca, certificates.make_ca("another", certificates.valid_for(9)))
    with pytest.raises(ToolError, match="issued by another CA"):
        pki.make_all(keys, [MAC])


def test_a_replaced_signing_key_is_noticed(keys: Path) -> None:
    path = keys / "sign.key.pem"
    path.write_bytes(keyfiles.key_bytes(certificates.new_key()))
    with pytest.raises(ToolError, match="sign.key.pem is not the key of sign.pub.der"):
        pki.make_all(keys, [MAC])
    (keys / "sign.pub.der").unlink()
    with pytest.raises(ToolError, match="sign_pub.der belongs to other keys"):
        pki.make_all(keys, [MAC])


def test_a_board_folder_of_another_board_is_noticed(keys: Path) -> None:
    shutil.copytree(keys / "devices" / MAC, keys / "devices" / "112233445566")
    with pytest.raises(ToolError, match="not for 112233445566"):
        pki.make_all(keys, ["112233445566"])


def test_a_name_the_old_certificate_lacks_makes_a_new_one(keys: Path) -> None:
    """For all names, by the same authority, so that no name is lost."""
    pki.make_all(keys, [], ["new.example"])
    for stem, ca in (("broker", "broker-ca"), ("files", "file-ca")):
        for folder in (keys, keys / "server"):
            pair = keyfiles.read_pair(folder, stem)
            names = certificates.hosts_of(pair.certificate)
            assert names == {"localhost", "127.0.0.1", "10.0.0.7", "ota.example", "new.example"}
            assert certificates.issued_by(pair.certificate, keyfiles.read_certificate(keys / f"{ca}.crt.pem"))
    before = _contents(keys)
    pki.make_all(keys, [MAC], ["10.0.0.7"])
    assert _contents(keys) == before


@pytest.mark.parametrize("mac", ["AABBCCDDEEF", "AABBCCDDEEFG", "", "AABBCCDDEEFF00"])
def test_bad_macs_and_names_make_nothing(tmp_path: Path, mac: str) -> None:
    with pytest.raises(ToolError, match="MAC"):
        pki.make_all(tmp_path / "new", [mac])
    assert not (tmp_path / "new").exists()
    with pytest.raises(ToolError, match="host name"):
        pki.make_all(tmp_path / "new", [], ["bad name"])


def test_servers_can_be_made_expired(tmp_path: Path) -> None:
    day = certificates.DAY
    past = Validity(certificates.now() - 9 * day, certificates.now() - day)
    pki.make_all(tmp_path / "new", [], server_validity=past)
    pair = keyfiles.read_pair(tmp_path / "new", "files")
    assert pair.certificate.not_valid_after_utc < certificates.now()


def test_a_certificate_ends_with_its_authority() -> None:
    ca = certificates.make_ca("CA", certificates.valid_for(10))
    pair = certificates.issue(ca, "late", "client", certificates.valid_for(1000))
    assert pair.certificate.not_valid_after_utc == ca.certificate.not_valid_after_utc
