"""Signing keys that follow each other: each is trusted before it is needed, and retired by its successor."""

from __future__ import annotations

import checks
import pytest
import steps

from device import errors
from tools.keys import certificates, keyfiles, pki
from tools.testbed.stage import MAC


@pytest.fixture
def stage(make_stage, stage_folder):
    """Online, with a current and a next key."""
    pki.make_all(stage_folder / "keys", [MAC], next_key=True)
    stage = make_stage()
    steps.online(stage)
    return stage


def _next_key(stage):
    return keyfiles.read_key(stage.keys / "sign-next.key.pem")


def _offer(stage, version, key, following=None):
    """An image signed by this key, which brings the public half of another."""
    stage.signing_key = key
    brought = keyfiles.public_bytes(following) if following else None
    return stage.offer(stage.build(version, next_key=brought), version)


def _install(stage, version, key, following=None):
    steps.update(stage, _offer(stage, version, key, following))
    stage.board.wait_for(f"confirmed {version}")
    steps.wait_subscribed(stage)


@pytest.mark.code(errors.SHA256_ECDSA)
def test_the_next_key_retires_the_current_one(stage):
    first, second = stage.signing_key, _next_key(stage)
    _install(stage, "1.0.1", first)
    steps.refuse(stage, _offer(stage, "1.0.2", certificates.new_key()), errors.SHA256_ECDSA)
    _install(stage, "1.0.2", second)
    steps.refuse(stage, _offer(stage, "1.0.3", first), errors.SHA256_ECDSA)
    _install(stage, "1.0.3", second)


def test_an_image_brings_the_key_that_follows(stage):
    first, second, third = stage.signing_key, _next_key(stage), certificates.new_key()
    _install(stage, "1.0.1", second, following=third)
    steps.refuse(stage, _offer(stage, "1.0.2", first), errors.SHA256_ECDSA)
    _install(stage, "1.0.2", third)
    steps.refuse(stage, _offer(stage, "1.0.3", second), errors.SHA256_ECDSA)
    _install(stage, "1.0.3", third)


def test_an_image_that_does_not_confirm_retires_nothing(stage, make_app):
    """Its trial ends, and the old one, under the old key, goes on as if nothing had been."""
    first = stage.signing_key
    app = make_app("import machine\nmachine.reset()\n")
    stage.signing_key = _next_key(stage)
    stage.push(stage.offer(stage.build("1.0.1", app), "1.0.1"))
    stage.wait_error(errors.ROLLED_BACK)
    steps.wait_subscribed(stage)
    _install(stage, "1.0.2", first)
    assert checks.reports(stage)[-1] == ("UPDATE", "1.0.2")


def test_a_key_in_the_trailer_that_is_none(stage):
    """Else the owner would lock himself out."""
    stage.push(stage.offer(stage.build("1.0.1", next_key=b"\x04" + bytes(64)), "1.0.1"))
    stage.wait_error(errors.HEADER_INVALID)


def test_a_damaged_table_is_told_and_not_needed(stage):
    """The table makes a check faster; without it the key itself serves."""
    path = stage.board.folder / "fs" / "certs" / "sign_pub.tab"
    stage.board.cut_power()
    table = bytearray(path.read_bytes())
    table[1000] ^= 1
    path.write_bytes(table)
    stage.board.provision()
    since = len(stage.operator.messages)
    stage.board.power_on()
    stage.wait_report("INIT", since=since)
    steps.wait_subscribed(stage)
    _install(stage, "1.0.1", stage.signing_key)
    assert errors.NO_INIT in checks.error_codes(stage)
