"""Offers that are signed themselves: until when, for which image, and whether it must be so."""

from __future__ import annotations

import time

import checks
import pace
import pytest
import steps

from device import errors
from tools.image import signing
from tools.keys import certificates

DAY_S = 86400


def _in_a_day() -> int:
    return int(time.time()) + DAY_S


@pytest.mark.parametrize("required", [False, True])
def test_a_signed_offer(make_testbed, required):
    testbed = make_testbed(config={"require_signed_offer": required})
    steps.online(testbed)
    image = testbed.build("1.0.1")
    steps.update(testbed, testbed.offer(image, "1.0.1", expires=_in_a_day()))
    testbed.board.wait_for("confirmed 1.0.1")
    checks.check_record(testbed, "ota_1", image, "1.0.1")


@pytest.mark.code(errors.OFFER_SIGNATURE)
def test_an_offer_must_be_signed_where_that_is_required(make_testbed):
    testbed = make_testbed(config={"require_signed_offer": True})
    steps.online(testbed)
    steps.refuse(testbed, steps.new_offer(testbed)[1], errors.OFFER_SIGNATURE)
    assert not testbed.files.requests
    checks.check_old_runs(testbed)


def _expired(testbed, image, offer):
    return testbed.offer(image, "1.0.1", expires=int(time.time()) - 1)


def _other_key(testbed, image, offer):
    signed = signing.sign_offer(image, certificates.new_key(), "1.0.1", "esp32", _in_a_day())
    return offer | {"signed_offer": signed}


def _other_kind(testbed, image, offer):
    signed = signing.sign_offer(image, testbed.signing_key, "1.0.1", "wm", _in_a_day())
    return offer | {"signed_offer": signed}


def _later(testbed, image, offer):
    """An offer of yesterday that somebody wants to be good for longer."""
    signed = offer["signed_offer"]
    return offer | {"signed_offer": signed | {"expires": signed["expires"] + DAY_S}}


def _newer(testbed, image, offer):
    return offer | {"version": "1.0.2"}


def _image_signature(testbed, image, offer):
    """The signature of the image is none of the offer."""
    signed = offer["signed_offer"] | {"signature": offer["sig-sha256-ecdsa"]}
    return offer | {"signed_offer": signed}


BAD = [_expired, _other_key, _other_kind, _later, _newer, _image_signature]


@pytest.mark.code(errors.OFFER_SIGNATURE)
@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__.strip("_"))
def test_what_an_offer_signature_does_not_cover(make_testbed, spoil):
    """Also where it is not required: what claims to be signed must be."""
    testbed = make_testbed()
    steps.online(testbed)
    image = testbed.build("1.0.1")
    offer = testbed.offer(image, "1.0.1", expires=_in_a_day())
    steps.refuse(testbed, spoil(testbed, image, offer), errors.OFFER_SIGNATURE)
    assert not testbed.files.requests
    checks.check_old_runs(testbed)


@pytest.mark.code(errors.OFFER_SIGNATURE)
def test_another_signed_image_under_a_signed_offer(make_testbed):
    """Both are the owner's, but they do not belong together."""
    testbed = make_testbed()
    steps.online(testbed)
    offered, other = testbed.build("1.0.1"), bytearray(testbed.build("1.0.1"))
    other[-700] ^= 1
    offer = testbed.offer(offered, "1.0.1", expires=_in_a_day())
    (testbed.images / "firmware-1.0.1.img").write_bytes(other)
    offer["sig-sha256-ecdsa"] = signing.sign(bytes(other), testbed.signing_key)
    steps.refuse(testbed, offer, errors.OFFER_SIGNATURE)
    checks.check_old_runs(testbed, offered)


@pytest.mark.code(errors.OFFER_SIGNATURE)
def test_an_offer_that_expires_while_it_waits(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    now = int(time.time())
    ends = now + pace.seconds(4)
    offer = testbed.offer(testbed.build("1.0.1"), "1.0.1", expires=ends, upgrade_delay=ends + 3600)
    testbed.push(offer)
    testbed.board.wait_for("update waits until")
    steps.until(lambda: time.time() > ends, "the expiry")
    testbed.board.cut_power()
    since = len(testbed.operator.messages)
    testbed.board.power_on()
    testbed.wait_report("INIT", since=since)
    testbed.wait_error(errors.OFFER_SIGNATURE, since=since)
    steps.until(lambda: steps.record(testbed).get("waiting", "") is None, "the offer is forgotten")


@pytest.mark.code(errors.OFFER_SIGNATURE)
def test_an_offer_that_is_put_off_until_it_has_expired(make_testbed):
    """The delay is not the owner's word, the expiry is."""
    testbed = make_testbed()
    steps.online(testbed)
    now = int(time.time())
    offer = testbed.offer(testbed.build("1.0.1"), "1.0.1", expires=now + 3, upgrade_delay=now + 4)
    steps.refuse(testbed, offer, errors.OFFER_SIGNATURE)
    assert not testbed.files.requests
    checks.check_old_runs(testbed)
