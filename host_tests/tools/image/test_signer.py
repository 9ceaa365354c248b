"""sign --signer: the private key stays with another program, and nothing but its good signature is taken."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.__main__ import parse
from tools.commands import sign
from tools.errors import ToolError
from tools.image import images, signer
from tools.keys import certificates, keyfiles, pki
from tools.testbed.testbed import MAC

IMAGE = images.add_trailer(images.esp32_image(b"code" * 300), "1.0.0", "lamp", "May 24 2024 10:33:41")
PROGRAM = """
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
digest = sys.stdin.buffer.read()
assert len(digest) == 32 and len(sys.argv) == 2
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
sys.stdout.buffer.write(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet's folder whose private signing key is kept elsewhere: safe/ stands for a smart card."""
    folder = tmp_path_factory.mktemp("fleet")
    pki.make_all(folder / "keys", [MAC])
    (folder / "safe").mkdir()
    (folder / "keys/sign.key.pem").rename(folder / "safe/sign.key.pem")
    (folder / "safe/sign").write_text(PROGRAM)
    (folder / "image").write_bytes(IMAGE)
    return folder / "keys"


def _sign(keys: Path, command: str, *words: str, public: str = "server/sign_pub.der") -> int:
    arguments = [str(keys.parent / "image"), "--key", str(keys / public), "--signer", command, *words]
    return sign.run(parse(sign, "sign", arguments))


def _check(offer: dict, keys: Path) -> None:
    public = serialization.load_der_public_key((keys / "server/sign_pub.der").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(offer["sig-sha256-ecdsa"])
    public.verify(signature, IMAGE, ec.ECDSA(hashes.SHA256()))


def _script(keys: Path, key: str = "sign.key.pem") -> str:
    safe = keys.parent / "safe"
    return shlex.join([sys.executable, str(safe / "sign"), str(safe / key)])


def test_a_program_signs_image_and_offer(keys: Path, capsys) -> None:
    assert _sign(keys, _script(keys), "--expires", "7") == 0
    offer = json.loads(capsys.readouterr().out)
    _check(offer, keys)
    assert offer["signed_offer"]["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    assert not list(keys.glob("*sign*.pem"))  # no private key was made, either


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
@pytest.mark.parametrize("shell", [False, True], ids=["itself", "in a shell"])
def test_openssl_signs(shell: bool, keys: Path, capsys) -> None:
    command = f"openssl pkeyutl -sign -inkey {keys.parent}/safe/sign.key.pem"
    assert _sign(keys, shlex.join(["sh", "-c", f"{command} | cat"]) if shell else command) == 0
    _check(json.loads(capsys.readouterr().out), keys)


def _other(keys: Path) -> str:
    """Signs well, with a key of another fleet."""
    path = keys.parent / "safe/other.pem"
    if not path.exists():
        path.write_bytes(keyfiles.key_bytes(certificates.new_key()))
    return _script(keys, "other.pem")


FAILURES = {  # (command, words of the error)
    "another key": (_other, "signed with another key: no signature by the key of .*sign_pub.der"),
    "not there": ("no-such-signer --slot 0", "'no-such-signer' cannot be started: No such file"),
    "no program": ("/", "cannot be started: "),
    "fails": ("sh -c 'echo trying >&2; echo PIN is locked >&2; exit 3'", "'sh' ended with 3: PIN is locked$"),
    "fails, silent": ("false", "'false' ended with 1$"),
    "killed": ("sh -c 'kill -9 $$'", "'sh' ended with -9$"),
    "says nothing": ("true", "wrote 0 bytes that are not DER"),
    "base64": ("sh -c 'head -c 72 /dev/zero | base64'", "bytes that are not DER"),
    "r and s side by side": ("sh -c 'head -c 64 /dev/zero'", "wrote 64 bytes that are not DER"),
    "zeros in DER": (r"sh -c 'printf \\060\\006\\002\\001\\000\\002\\001\\000'", "no signature by the key"),
    "without end": ("yes", "'yes' writes without end"),
    "escape sequence": (r"sh -c 'printf \\033]0\;hello\\007\\033[31m >&2; exit 1'", "ended with 1: "),
    "quote": ("sh -c 'x", "--signer sh -c 'x: No closing quotation"),
    "empty": ("", "--signer is empty"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_a_line(name: str, keys: Path, capsys) -> None:
    command, words = FAILURES[name]
    with pytest.raises(ToolError, match=words) as told:
        _sign(keys, command(keys) if callable(command) else command)
    assert str(told.value).isprintable()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "command", ["sleep 1000", "sh -c 'sleep 20 & true'", "sh -c 'exec >&- 2>&-; sleep 1000'"]
)
def test_a_signer_that_does_not_answer(command: str, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one whose child holds its output open."""
    monkeypatch.setattr(signer, "LIMIT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"has not answered within 0.5 s"):
        _sign(keys, command)
    assert time.monotonic() - began < 15


def test_a_key_that_the_boards_of_the_folder_do_not_know(keys: Path, tmp_path: Path) -> None:
    for command, public in ((None, "broker-ca.key.pem"), ("true", "broker-ca.key.pem")):
        with pytest.raises(ToolError, match="not the signing key of the boards"):
            signer.choose(keys / public, command)
    assert signer.choose(keys.parent / "safe/sign.key.pem", None)  # nothing beside it says who knows it
    path = keys.parent / "safe/sign.key.pem"
    stray = shutil.copy(path, keys / "mine.pem")
    assert signer.choose(Path(stray), None)  # by what it is, whatever its name
    Path(stray).unlink()


def test_a_public_half_alone_signs_nothing(keys: Path, tmp_path: Path) -> None:
    der = (keys / "server/sign_pub.der").read_bytes()
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    pem = serialization.load_der_public_key(der).public_bytes(encoding, form)
    for content in (der, pem):
        (tmp_path / "public").write_bytes(content)  # which anybody may read
        with pytest.raises(ToolError, match="is a public key: give the private one, or --signer"):
            signer.choose(tmp_path / "public", None)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\n"])
def test_a_public_half_that_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "public").write_bytes(content)
    (tmp_path / "public").chmod(0o600)
    with pytest.raises(ToolError, match="is not a private key|public"):
        signer.choose(tmp_path / "public", "true")
