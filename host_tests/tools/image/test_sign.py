"""Offers and their signatures, and what `sign` makes of an image, or refuses."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tools.commands import build, sign
from tools.errors import ToolError
from tools.image import images, signing
from tools.keys import certificates, keyfiles

URL = "https://updates.example/fw.img"


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return certificates.new_key()


def test_an_offer_has_the_fields_of_the_protocol(key: ec.EllipticCurvePrivateKey) -> None:
    image = b"image" * 13
    offer = signing.offer(image, key, version="1.2.3", https_url=URL, upgrade_delay=7)
    signature = base64.b64decode(offer["sig-sha256-ecdsa"], validate=True)
    key.public_key().verify(signature, image, ec.ECDSA(hashes.SHA256()))
    del offer["sig-sha256-ecdsa"]
    assert offer == {"version": "1.2.3", "https_url": URL, "size": 65, "upgrade_delay": 7}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"https_url": None}, "no URL"),
        ({"https_url": "http://a/b"}, "https:// URL"),
        ({"https_url": "https:///b"}, "https:// URL"),
        ({"https_url": "https://user@a/b"}, "https:// URL"),
        ({"https_url": "https://a/b c"}, "https:// URL"),
        ({"http_url": URL}, "http:// URL"),
        ({"version": "1.2"}, "MAJOR"),
        ({"upgrade_delay": -1}, "--delay"),
        ({"image": b"i" * 64}, "64 bytes"),
    ],
)
def test_offers_that_a_board_would_refuse(
    key: ec.EllipticCurvePrivateKey, changes: dict, message: str
) -> None:
    with pytest.raises(ToolError, match=message):
        signing.offer(**{"image": b"image" * 13, "key": key, "version": "1.2.3", "https_url": URL, **changes})


def test_a_signed_offer(key: ec.EllipticCurvePrivateKey) -> None:
    """As PROTOCOL.md words it."""
    image = images.wrap("wm", b"body" * 20, "1.2.3")
    signed = signing.offer(image, key, version="1.2.3", https_url=URL, expires=1800000000)["signed_offer"]
    signature = base64.b64decode(signed.pop("signature"), validate=True)
    digest = hashlib.sha256(image).hexdigest()
    issued, proof = signed.pop("issued"), base64.b64decode(signed.pop("issued_signature"), validate=True)
    assert signed == {"sha256": digest, "kind": "wm", "expires": 1800000000}
    text = f"1.2.3 {len(image)} {digest} wm 1800000000".encode()
    signed = b"ota-offer-1\n" + hashlib.sha256(text).digest()
    key.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    text += f" {issued}".encode()
    signed = b"ota-offer-1\n" + hashlib.sha256(text).digest()
    key.public_key().verify(proof, signed, ec.ECDSA(hashes.SHA256()))
    assert len(signed) < signing.SMALLEST  # so it can be passed off for no image


def _arguments(command, *words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def key_file(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    path = tmp_path / "sign.key.pem"
    path.touch(0o600)
    path.write_bytes(keyfiles.key_bytes(key))
    return path


def test_build_then_sign_on_the_command_line(
    app: Path, tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "fw.img"
    words = ("--version", "1.2.3", "--kind", "wm", "--board", "b", "--output", image, "--app", app)
    assert build.run(_arguments(build, *words)) == 0
    capsys.readouterr()
    assert sign.run(_arguments(sign, image, "--key", key_file, "--https-url", URL)) == 0
    offer = json.loads(capsys.readouterr().out)
    assert (offer["version"], offer["size"]) == ("1.2.3", image.stat().st_size)


def test_sign_adds_a_trailer_to_a_foreign_image(
    tmp_path: Path, key_file: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    image, output, offer_file = tmp_path / "in.img", tmp_path / "out.img", tmp_path / "offer"
    image.write_bytes(images.esp32_image(b"body"))
    words = ["--key", key_file, "--https-url", URL, "--version", "2.0.0", "--board", "b"]
    words += ["--output", output, "--output-offer", offer_file]
    assert sign.run(_arguments(sign, image, *words)) == 0
    offer = json.loads(offer_file.read_text())
    signed = output.read_bytes()
    assert images.describe(signed)["version"] == offer["version"] == "2.0.0"
    signature = base64.b64decode(offer["sig-sha256-ecdsa"])
    key.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))


def test_sign_refuses_what_would_fail_on_every_board(tmp_path: Path, key_file: Path) -> None:
    image = tmp_path / "image"
    words = ("--key", key_file, "--https-url", URL)
    image.write_bytes(images.wm_image(b"body", "1.2.3"))
    with pytest.raises(ToolError, match="says it is 1.2.3"):
        sign.run(_arguments(sign, image, *words, "--offer-version", "1.2.4"))
    with pytest.raises(ToolError, match="needs --board"):
        sign.run(_arguments(sign, image, *words, "--version", "1.2.3"))
    image.write_bytes(images.wm_image(b"body", "2.0.5dev"))
    with pytest.raises(ToolError, match="2.0.5dev.*--version"):
        sign.run(_arguments(sign, image, *words))
    image.write_bytes(images.wm_image(b"body", "1.2.3")[:-1])
    with pytest.raises(ToolError, match="damaged"):
        sign.run(_arguments(sign, image, *words))


def test_sign_warns_of_an_image_without_usable_version(
    tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "image"
    image.write_bytes(images.wm_image(b"body", "2.0.5dev"))
    words = ("--key", key_file, "--https-url", URL, "--offer-version", "2.0.5")
    assert sign.run(_arguments(sign, image, *words)) == 0
    output = capsys.readouterr()
    assert "accept_unversioned" in output.err and json.loads(output.out)["version"] == "2.0.5"


def _pem(key, encryption) -> bytes:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, form, encryption)


def test_keys_that_boards_cannot_check_are_refused(tmp_path: Path) -> None:
    plain = serialization.NoEncryption()
    secret = serialization.BestAvailableEncryption(b"secret")
    wrong = {
        "password": _pem(certificates.new_key(), secret),
        "curve P-256": _pem(ec.generate_private_key(ec.SECP384R1()), plain),
        "EC key": _pem(rsa.generate_private_key(65537, 2048), plain),
        "not a private key": b"nonsense",
    }
    path = tmp_path / "key.pem"
    path.touch(0o600)
    for message, content in wrong.items():
        path.write_bytes(content)
        with pytest.raises(ToolError, match=message):
            keyfiles.read_key(path)
