"""Signs an image and words the update offer that names it."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from device import errors, strict
from tools.errors import ToolError
from tools.image import images, versions

SMALLEST = 65
SEAL_MARK = b"ota-offer-1\n"  # with a digest shorter than any image, so it can pass for none


class Signer(Protocol):
    """A private key of the library, or signer.Command: whatever signs as one does."""

    def sign(self, data: bytes, signature_algorithm: ec.ECDSA) -> bytes: ...


def sign(image: bytes, key: Signer) -> str:
    """The base64 text of a DER ECDSA signature over the SHA-256 of the whole image file."""
    return base64.b64encode(key.sign(image, ec.ECDSA(hashes.SHA256()))).decode()


def offer(
    image: bytes,
    key: Signer,
    *,
    version: str,
    http_url: str | None = None,
    https_url: str | None = None,
    upgrade_delay: int = 0,
    expires: int | None = None,
    for_push: bool = False,
) -> dict[str, Any]:
    """The `data` of an `update` or `response` message; for_push: the server puts in its own URLs.

    upgrade_delay: Unix time, s or ms, before which boards must not start; 0 = at once. expires: Unix
    time in s from which on boards must not take the offer; it is then signed itself. Raises ToolError
    for what a board would refuse.
    """
    if len(image) < SMALLEST:
        raise ToolError(f"the image has {len(image)} bytes, boards want {SMALLEST}: build it again")
    if upgrade_delay < 0:
        raise ToolError("--delay is a Unix time: give 0 or a positive number")
    made = {
        "version": versions.check(version),
        **({} if for_push else _urls({"http_url": http_url, "https_url": https_url})),
        "size": len(image),
        "sig-sha256-ecdsa": sign(image, key),
        "upgrade_delay": upgrade_delay,
    }
    if expires is not None:
        made["signed_offer"] = sign_offer(image, key, version, images.describe(image)["kind"], expires)
    return made


def sign_offer(
    image: bytes, key: Signer, version: str, kind: str, expires: int
) -> dict[str, Any]:
    """The field `signed_offer`: a signature over version, size, digest, kind and expiry (Unix s), for boards
    of before; and another one, over the time at which it is issued too."""
    issued = int(time.time())
    return {
        "sha256": hashlib.sha256(image).hexdigest(),
        "kind": kind,
        "expires": expires,
        "signature": sign(offer_text(image, version, kind, expires), key),
        "issued": issued,
        "issued_signature": sign(offer_text(image, version, kind, expires, issued), key),
    }


def offer_text(image: bytes, version: str, kind: str, expires: int, issued: int | None = None) -> bytes:
    """What a signature of a signed offer is over."""
    text = f"{version} {len(image)} {hashlib.sha256(image).hexdigest()} {kind} {expires}"
    if issued is not None:
        text += f" {issued}"
    return SEAL_MARK + hashlib.sha256(text.encode()).digest()


def _urls(given: dict[str, str | None]) -> dict[str, str]:
    chosen = {name: url for name, url in given.items() if url is not None}
    if not chosen:
        raise ToolError("no URL: give --https-url, --http-url or both")
    for name, url in chosen.items():
        _check_url(url, name.split("_")[0])
    return chosen


def _check_url(url: str, scheme: str) -> None:
    """As boards will."""
    try:
        strict.split_url(url, scheme)
    except errors.OtaError as error:
        raise ToolError(f"{url!r} is not an absolute {scheme}:// URL: {error.detail}") from None
