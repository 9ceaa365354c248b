"""device.verify and device.keys in an update: CRC and signature of an image, and who it is for."""

import gc
import hashlib

import fakekeys
import makeoffer
import signer
from check import patched, raises_code, run
from fakeagent import FakeAgent
from makeimage import content, esp32, raw_trailer, trailer, wm
from nor import Nor

from device import clock, errors, keys, offers, slot, update, verify

PROVES = {
    errors.CRC_ERROR: "test_a_body_that_is_not_the_crcs",
    errors.SHA256_ECDSA: "test_bits_flipped_in_flash_after_writing",
    errors.OFFER_SIGNATURE: "test_the_image_of_another_offer",
    errors.REFUSED_IMAGE: "test_an_image_that_failed_its_trials_under_another_signature",
}

BLOCK = 1024
_NOR = Nor(3, BLOCK)  # once: the heap is small


def _in_flash(data):
    """A partition that holds data but for the first 64 bytes."""
    gc.collect()
    _NOR.data[: len(data)] = data
    _NOR.data[:64] = b"\xff" * 64
    return _NOR


def _verify(kind, data, nor=None, signed=None, refused=(), own=makeoffer.ABSENT, version="1.2.3", **changes):
    """The record of data, offered with a signature over `signed` (default: data). own: the offer's own."""
    signature = makeoffer.base64(signer.sign(data if signed is None else signed))
    agent = FakeAgent(image=kind, signing_key=fakekeys.put(), **changes)
    agent.offer = makeoffer.offer(
        size=len(data), version=version, signature=signature, signed_offer=own
    )  # fmt: skip
    agent.state["refused"] = list(refused)
    transfer = update.Transfer(agent)
    transfer.partition, transfer.block, transfer.head = nor or _in_flash(data), bytearray(BLOCK), data[:64]
    transfer.header = slot.read_header(kind, data, len(data), None)
    sha, tail = run(verify.digest(transfer))
    found = keys.signer(agent, sha, agent.offer.signature, errors.SHA256_ECDSA)
    record = verify.record(transfer, sha, tail, found)
    record["attempts"] = offers.check_refused(agent, transfer.offer, record["digest"])
    return record


def test_a_signed_image_of_each_kind_is_accepted():
    tail = trailer()
    for kind, make in (
        ("wm", lambda: wm(content(2300))),
        ("wm", lambda: wm(content(2300)) + tail),
        ("wm", lambda: wm(content(960)) + tail),
        ("wm", lambda: wm(content(928)) + tail),
        ("raw", lambda: content(2300) + tail),
        ("esp32", lambda: esp32(content(2300)) + tail),
    ):
        data = make()
        record = _verify(kind, data)
        assert record == {
            "version": "1.2.3",
            "unversioned": False,
            "build_time": "May 24 2024 10:33:41" if data.endswith(tail) else "",
            "size": len(data),
            "digest": "".join("%02x" % byte for byte in hashlib.sha256(data).digest()),
            "signer": fakekeys.FINGERPRINT,
            "next_key": "",
            "attempts": 0,
        }, kind


def test_bits_flipped_in_flash_after_writing():
    data = esp32(content(2300)) + trailer()
    for position in (64, 500, 1023, 1024, 2047, 2048, len(data) - 1):
        nor = _in_flash(data)
        nor.data[position] ^= 1
        raises_code(errors.SHA256_ECDSA, _verify, "esp32", data, nor)


def test_a_body_that_is_not_the_crcs():
    data = wm(content(2300))
    for position in (64, 1023, 1024, len(data) - 1):
        nor = _in_flash(data)
        nor.data[position] ^= 0x80
        raises_code(errors.CRC_ERROR, _verify, "wm", data, nor)


def test_a_signature_over_something_else():
    data = wm(content(2300))
    for other in (b"", data[:-1], data + b"\0", wm(content(2300, 2))):
        raises_code(errors.SHA256_ECDSA, _verify, "wm", data, None, other)


def test_the_signature_is_checked_before_the_identity():
    data = wm(content(500)) + trailer(board="other")
    raises_code(errors.SHA256_ECDSA, _verify, "wm", data, None, b"")
    raises_code(errors.WRONG_BOARD, _verify, "wm", data)


def test_identities_inside_signed_images():
    body = esp32(content(1300))
    raises_code(errors.HEADER_INVALID, _verify, "esp32", body + trailer("1.2.4"))
    raises_code(errors.HEADER_INVALID, _verify, "esp32", body + raw_trailer(b"{}"))
    for version in (b"", b"1.2.3"):
        raises_code(errors.WRONG_BOARD, _verify, "esp32", esp32(content(1300), version))
    record = _verify("esp32", esp32(content(1300), b"1.2.3"), accept_unversioned=True)
    assert record["version"] == "1.2.3" and not record["unversioned"]
    raises_code(errors.SIZE_MISMATCH, _verify, "wm", wm(content(1300)) + b"\0" + trailer())
    raises_code(errors.SIZE_MISMATCH, _verify, "wm", wm(content(1300)) + b"\0")
    data = wm(content(1300), version=b"2.0.5dev")
    raises_code(errors.VERSION_UNKNOWN, _verify, "wm", data)
    record = _verify("wm", data, accept_unversioned=True)
    assert record["version"] == "1.2.3" and record["unversioned"]


def test_a_trailer_across_two_blocks():
    tail = trailer()
    for missing in range(0, len(tail), 7):
        data = content(BLOCK - len(tail) + missing) + tail
        assert _verify("raw", data)["build_time"] == "May 24 2024 10:33:41", missing


def test_the_image_of_another_offer():
    data = content(500) + trailer()
    digest = hashlib.sha256(data).digest().hex()
    assert _verify("raw", data, own=makeoffer.signed(sha256=digest))["digest"] == digest
    raises_code(errors.OFFER_SIGNATURE, lambda: _verify("raw", data, own=makeoffer.signed()))


def test_an_image_that_failed_its_trials_under_another_signature():
    data = content(500) + trailer()
    others = [makeoffer.refused("ab" * 32)]
    assert _verify("raw", data, refused=others)
    others.append(makeoffer.refused(hashlib.sha256(data).digest().hex()))
    raises_code(errors.REFUSED_IMAGE, lambda: _verify("raw", data, refused=others))
    others[1]["at"] = 1
    with patched(clock, "now", lambda: 1 << 40):
        assert _verify("raw", data, refused=others, trial_attempts=5)["attempts"] == 4


def _bringing(key):
    """An image whose trailer brings this as the next key, JSON."""
    record = '{"version": "1.2.3", "board": "test-board", "build_time": "", "next_key": %s}' % key
    return content(500) + raw_trailer(record.encode())


def test_the_key_that_an_image_brings():
    text = makeoffer.base64(signer.KEY)
    assert _verify("raw", _bringing('"%s"' % text))["next_key"] == text
    for bad in ('""', '"AAAA"', "null", "1", '"%s"' % makeoffer.base64(signer.KEY[:-1])):
        raises_code(errors.HEADER_INVALID, _verify, "raw", _bringing(bad))
