"""Firmware by content: FOLDER/images/<SHA-256>.img, checked before it is there, never changed after."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.errors import ToolError
from tools.image import images, signing, versions
from tools.server.store import Store

_NAME = re.compile(r"([0-9a-f]{64})\.img")

AGAIN = "sign it again"


def file_name(digest: str) -> str:
    return f"{digest}.img"


def path_of(folder: Path, name: str) -> Path | None:
    """The file of this name in FOLDER/images; None for every name that is not a digest's."""
    return folder / "images" / name if _NAME.fullmatch(name) else None


def is_intact(path: Path) -> bool:
    """Whether the content is what the name says."""
    return hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def add(store: Store, image: bytes, offer: dict[str, Any], keys: list[bytes]) -> str:
    """Check image and offer as a board would, and keep the image. Returns its digest.

    keys: who may sign, DER. Raises ToolError that says what is wrong.
    """
    described = _check(image, offer, keys)
    digest = hashlib.sha256(image).hexdigest()
    _write(store.folder / "images", file_name(digest), image)
    board = (described["trailer"] or {}).get("board", "")
    row = (digest, len(image), offer["version"], board, described["kind"], time.time())
    store.db.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?)", row)
    return digest


def _check(image: bytes, offer: dict[str, Any], keys: list[bytes]) -> dict[str, Any]:
    described = images.describe(image)
    if described["crc_ok"] is False:
        raise ToolError("the image is damaged or cut off: its header's checks fail")
    if offer.get("size") != len(image):
        raise ToolError(f"the offer is for {offer.get('size')} bytes, the image has {len(image)}: {AGAIN}")
    version = str(offer.get("version"))
    versions.check(version)
    if versions.is_version(described["version"]) and described["version"] != version:
        raise ToolError(f"the offer is of {version}, the image says {described['version']}: {AGAIN}")
    if not _is_signed(image, offer.get("sig-sha256-ecdsa"), keys):
        raise ToolError(f"the signature is not of this image by a key of this server: {AGAIN}")
    _check_offer_signature(image, offer, described["kind"], keys)
    return described


def _check_offer_signature(image: bytes, offer: dict[str, Any], kind: str, keys: list[bytes]) -> None:
    signed = offer.get("signed_offer")
    if signed is None:
        return
    try:
        text = signing.offer_text(image, offer["version"], kind, signed["expires"])
        good = _is_signed(text, signed["signature"], keys) and signed["kind"] == kind
        if "issued" in signed:
            text = signing.offer_text(image, offer["version"], kind, signed["expires"], signed["issued"])
            good = good and _is_signed(text, signed["issued_signature"], keys)
        left_s = signed["expires"] - time.time()
    except (KeyError, TypeError):
        good, left_s = False, 0
    if not good:
        raise ToolError(f"the offer's own signature is not right: {AGAIN}")
    if left_s <= 0:
        raise ToolError(f"the signed offer has expired: {AGAIN}")


def _is_signed(content: bytes, signature: object, keys: list[bytes]) -> bool:
    try:
        raw = base64.b64decode(str(signature), validate=True)
    except ValueError:
        return False
    for key in keys:
        public = serialization.load_der_public_key(key)
        try:
            public.verify(raw, content, ec.ECDSA(hashes.SHA256()))  # type: ignore[union-attr,call-arg]
            return True
        except InvalidSignature:
            continue
    return False


def _write(folder: Path, name: str, content: bytes) -> None:
    """All of it under its name or nothing, readable only."""
    path = folder / name
    folder.mkdir(exist_ok=True)
    if path.exists() and is_intact(path):
        return
    handle, draft = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(draft, 0o444)
    os.replace(draft, path)
