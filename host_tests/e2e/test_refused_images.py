"""Images that must not be installed: each with its code, and the old version keeps running."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.image import firmware, images, signing
from tools.keys import certificates
from tools.testbed.testbed import BOARD


def _refused(testbed, image, offer, code):
    steps.online(testbed)
    steps.refuse(testbed, offer, code)
    assert checks.error_codes(testbed) == [code]
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.SHA256_ECDSA)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_signed_by_another_key(make_testbed, runtime):
    testbed = make_testbed(runtime=runtime)
    image, offer = steps.new_offer(testbed)
    offer["sig-sha256-ecdsa"] = signing.sign(image, certificates.new_key())
    _refused(testbed, image, offer, errors.SHA256_ECDSA)
    assert len(testbed.files.requests) == 1


@pytest.mark.code(errors.SHA256_ECDSA)
@pytest.mark.parametrize("place", [300, 20000, -300, -1])
def test_flipped_byte(make_testbed, place):
    testbed = make_testbed()
    image, offer = steps.new_offer(testbed)
    damaged = bytearray(image)
    damaged[place] ^= 1
    (testbed.images / "firmware-1.0.1.img").write_bytes(damaged)
    _refused(testbed, image, offer, errors.SHA256_ECDSA)


@pytest.mark.code(errors.SIZE_MISMATCH)
@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("difference", [-1, 1, 4096])
def test_wrong_size(make_testbed, transport, difference):
    testbed = make_testbed()
    image, offer = steps.new_offer(testbed, transport=transport)
    _refused(testbed, image, offer | {"size": len(image) + difference}, errors.SIZE_MISMATCH)
    assert not any(testbed.board.wear("ota_1"))


@pytest.mark.code(errors.FW_OVERFLOW)
def test_image_larger_than_the_slot(make_testbed, make_app):
    testbed = make_testbed()
    pad = bytes(testbed.board.partition("ota_1")[1])
    image = testbed.build("1.0.1", make_app("", **{"pad.bin": pad}))
    _refused(testbed, image, testbed.offer(image, "1.0.1"), errors.FW_OVERFLOW)
    assert not testbed.files.requests
    assert not any(testbed.board.wear("ota_1"))


@pytest.mark.code(errors.WRONG_BOARD)
def test_image_of_another_board(make_testbed):
    testbed = make_testbed()
    image = firmware.build_image("1.0.1", "esp32", "other board")
    _refused(testbed, image, testbed.offer(image, "1.0.1"), errors.WRONG_BOARD)


@pytest.mark.code(errors.HEADER_INVALID)
@pytest.mark.parametrize("inside", ["1.0.0", "0.9.0", "1.0.1"])
def test_another_version_inside(make_testbed, inside):
    """A signed image under a newer label: downgrade by the back door."""
    testbed = make_testbed()
    image = testbed.build(inside)
    _refused(testbed, image, testbed.offer(image, "99.99.99"), errors.HEADER_INVALID)


@pytest.mark.code(errors.HEADER_INVALID)
@pytest.mark.parametrize(("kind", "other"), [("esp32", "wm"), ("wm", "esp32"), ("esp32", "raw")])
def test_image_of_another_kind(make_testbed, kind, other):
    testbed = make_testbed(image=kind)
    image = firmware.build_image("1.0.1", other, BOARD)
    _refused(testbed, image, testbed.offer(image, "1.0.1"), errors.HEADER_INVALID)
    assert not any(testbed.board.wear("ota_1"))


@pytest.mark.code(errors.HEADER_INVALID)
def test_boot_loader_refuses(make_testbed):
    """Signed and named rightly, but set_boot() finds its checksum wrong."""
    testbed = make_testbed()
    image = bytearray(testbed.build("1.0.1"))
    image[1000] ^= 1
    _refused(testbed, b"", testbed.offer(bytes(image), "1.0.1"), errors.HEADER_INVALID)


@pytest.mark.code(errors.CRC_ERROR)
def test_body_crc(make_testbed):
    testbed = make_testbed(image="wm")
    image = bytearray(testbed.build("1.0.1"))
    image[1000] ^= 1
    _refused(testbed, image, testbed.offer(bytes(image), "1.0.1"), errors.CRC_ERROR)


@pytest.mark.code(errors.SIZE_MISMATCH)
@pytest.mark.parametrize("extra", [1, 600])
def test_bytes_after_the_image(make_testbed, extra):
    """A wm header says where its file ends; the trailer is no place to hide more."""
    testbed = make_testbed(image="wm")
    image = images.wm_image(b"body", "1.0.1") + bytes(extra)
    image = images.add_trailer(image, "1.0.1", BOARD, "")
    _refused(testbed, image, testbed.offer(image, "1.0.1"), errors.SIZE_MISMATCH)


def _vendor_like(testbed) -> bytes:
    """An image as vendors make them: no trailer, a version no offer can name."""
    image = testbed.build("2.0.5")
    body = image[images.WM_HEADER_SIZE : images.describe(image)["length"]]
    return images.wm_image(body, "2.0.5dev")


@pytest.mark.code(errors.VERSION_UNKNOWN)
def test_image_without_version(make_testbed):
    testbed = make_testbed(image="wm")
    image = _vendor_like(testbed)
    _refused(testbed, image, testbed.offer(image, "2.0.5"), errors.VERSION_UNKNOWN)


@pytest.mark.parametrize("boot_mode", ["idf", "w80x"])
def test_image_without_version_let_in(make_testbed, boot_mode):
    testbed = make_testbed(image="wm", boot_mode=boot_mode, config={"accept_unversioned": True})
    image = _vendor_like(testbed)
    steps.online(testbed)
    report = steps.update(testbed, testbed.offer(image, "2.0.5"))
    assert report.data["version"] == "2.0.5"
    testbed.board.wait_for("confirmed 2.0.5")
    checks.check_record(testbed, "run" if boot_mode == "w80x" else "ota_1", image, "2.0.5", min_version=None)
