"""Signing keys that follow each other: each is trusted before it is needed, and retired by its successor."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.keys import certificates, keyfiles, pki
from tools.testbed.testbed import MAC


@pytest.fixture
def testbed(make_testbed, testbed_folder):
    """Online, with a current and a next key."""
    pki.make_all(testbed_folder / "keys", [MAC], next_key=True)
    testbed = make_testbed()
    steps.online(testbed)
    return testbed


def _next_key(testbed):
    return keyfiles.read_key(testbed.keys / "sign-next.key.pem")


def _offer(testbed, version, key, following=None):
    """An image signed by this key, which brings the public half of another."""
    testbed.signing_key = key
    brought = keyfiles.public_bytes(following) if following else None
    return testbed.offer(testbed.build(version, next_key=brought), version)


def _install(testbed, version, key, following=None):
    steps.update(testbed, _offer(testbed, version, key, following))
    testbed.board.wait_for(f"confirmed {version}")
    steps.wait_subscribed(testbed)


@pytest.mark.code(errors.SHA256_ECDSA)
def test_the_next_key_retires_the_current_one(testbed):
    first, second = testbed.signing_key, _next_key(testbed)
    _install(testbed, "1.0.1", first)
    steps.refuse(testbed, _offer(testbed, "1.0.2", certificates.new_key()), errors.SHA256_ECDSA)
    _install(testbed, "1.0.2", second)
    steps.refuse(testbed, _offer(testbed, "1.0.3", first), errors.SHA256_ECDSA)
    _install(testbed, "1.0.3", second)


def test_an_image_brings_the_key_that_follows(testbed):
    first, second, third = testbed.signing_key, _next_key(testbed), certificates.new_key()
    _install(testbed, "1.0.1", second, following=third)
    steps.refuse(testbed, _offer(testbed, "1.0.2", first), errors.SHA256_ECDSA)
    _install(testbed, "1.0.2", third)
    steps.refuse(testbed, _offer(testbed, "1.0.3", second), errors.SHA256_ECDSA)
    _install(testbed, "1.0.3", third)


def test_an_image_that_does_not_confirm_retires_nothing(testbed, make_app):
    """Its trial ends, and the old one, under the old key, goes on as if nothing had been."""
    first = testbed.signing_key
    app = make_app("import machine\nmachine.reset()\n")
    testbed.signing_key = _next_key(testbed)
    testbed.push(testbed.offer(testbed.build("1.0.1", app), "1.0.1"))
    testbed.wait_error(errors.ROLLED_BACK)
    steps.wait_subscribed(testbed)
    _install(testbed, "1.0.2", first)
    assert checks.reports(testbed)[-1] == ("UPDATE", "1.0.2")


def test_a_key_in_the_trailer_that_is_none(testbed):
    """Else the owner would lock himself out."""
    testbed.push(testbed.offer(testbed.build("1.0.1", next_key=b"\x04" + bytes(64)), "1.0.1"))
    testbed.wait_error(errors.HEADER_INVALID)


def test_a_damaged_table_is_told_and_not_needed(testbed):
    """The table makes a check faster; without it the key itself serves."""
    path = testbed.board.folder / "fs" / "certs" / "sign_pub.tab"
    testbed.board.cut_power()
    table = bytearray(path.read_bytes())
    table[1000] ^= 1
    path.write_bytes(table)
    testbed.board.provision()
    since = len(testbed.operator.messages)
    testbed.board.power_on()
    testbed.wait_report("INIT", since=since)
    steps.wait_subscribed(testbed)
    _install(testbed, "1.0.1", testbed.signing_key)
    assert errors.NO_INIT in checks.error_codes(testbed)
