"""Judging an image where it lies: digest, CRC, signature and identity, read from flash.

What is judged is what would boot, not what came over the wire.
"""

import binascii
import hashlib

from . import errors, image, log


def digest(slot, size, header=None):
    """Generator, two blocks a step: returns (SHA-256 digest, CRC of the body of a wm image)."""
    sha = hashlib.sha256()
    crc = 0
    update = sha.update
    for number in range((size + slot.block_size - 1) // slot.block_size):
        slot.read_block(number)
        start = number * slot.block_size
        update(slot.block if start + slot.block_size <= size else slot.view[: size - start])
        if header and header.body_end:
            crc = _crc(crc, slot, start, header.body_end)
        if number & 1:
            yield
    return sha.digest(), image.wm_finish(crc)


def _crc(crc, slot, start, body_end):
    first = image.HEAD if start == 0 else 0
    end = min(body_end - start, slot.block_size)
    return binascii.crc32(slot.view[first:end], crc) if end > first else crc


def judge(slot, offer, header, keys, config):
    """Generator, two blocks a step, then the signature in one: returns the record of the image,
    {"version", "build_time", "size", "digest", "signer", "next_key"}, all str but for the size.

    keys: keyring.KeyRing. Raises OtaError: CRC_ERROR, SHA256_ECDSA, OFFER_SIGNATURE, and those of
    image.check_identity.
    """
    sha, crc = yield from digest(slot, offer.size, header)
    if header.body_end and crc != header.body_crc:
        raise errors.OtaError(errors.CRC_ERROR, "body of the image")
    signer = keys.signer(sha, offer.signature, slot.block)
    if signer is None:
        raise errors.OtaError(errors.SHA256_ECDSA, "not signed by the owner of this board")
    # From here on the bytes are the owner's.
    trailer, start = image.read_trailer(slot.read, offer.size)
    image.check_trailer_place(header, start)
    if image.check_identity(trailer, header, offer.version, config.board, config.accept_unversioned):
        log.warning("the image names no usable version: the offer's %s stands" % offer.version)
    if offer.seal and offer.seal.image_digest != sha.hex():
        raise errors.OtaError(errors.OFFER_SIGNATURE, "the offer is for another image")
    following = ""
    if trailer and "next_key" in trailer:
        following = trailer["next_key"]
        keys.decode(following)
    return {
        "version": offer.version,
        "build_time": trailer["build_time"] if trailer else "",
        "size": offer.size,
        "digest": sha.hex(),
        "signer": signer,
        "next_key": following,
    }
