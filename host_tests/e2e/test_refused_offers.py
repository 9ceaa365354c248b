"""Offers that must not start an update: malformed, stale, unasked, a second one, no way back."""

from __future__ import annotations

import json

import checks
import pytest
import steps

from device import errors
from tools.server.files import Fault
from tools.testbed.testbed import MAC

PATIENT = {"http_timeout_s": 3600, "retry_window_s": 3600}  # a download hangs until it is released


def _raw(data, **changes) -> bytes:
    return json.dumps({"msg_sequence": 7, "time": 1795440040, "data": data} | changes).encode()


def _malformed(good: dict) -> dict[str, tuple[bytes, str]]:
    """By what is wrong with it: the payload, and the field that the board names."""
    needed = ("version", "size", "sig-sha256-ecdsa")
    without = {key: _raw({k: v for k, v in good.items() if k != key}) for key in needed}
    changed = {
        "short version": {"version": "1.1"},
        "version of text": {"version": "a.b.c"},
        "version with a v": {"version": "v1.0.1"},
        "version too large": {"version": "1.100.0"},
        "version is a number": {"version": 2},
        "size 0": {"size": 0},
        "size negative": {"size": -1},
        "size as text": {"size": "4096"},
        "size as float": {"size": 4096.5},
        "size beyond 32 bits": {"size": (1 << 32) + 5000},
        "signature no base64": {"sig-sha256-ecdsa": "@@@@@@@@@@@@"},
        "signature huge": {"sig-sha256-ecdsa": "A" * 400},
        "url of another scheme": {"https_url": "ftp://127.0.0.1/x"},
        "url with a new line": {"https_url": "https://127.0.0.1/x\r\nHost: y"},
        "url with a user": {"https_url": "https://me:secret@127.0.0.1/x"},
        "url of IPv6": {"https_url": "https://[::1]/x"},
        "delay negative": {"upgrade_delay": -1},
        "delay as float": {"upgrade_delay": 1.5},
        "delay as text": {"upgrade_delay": "now"},
    }
    payloads = {f"no {key}": (payload, key) for key, payload in without.items()}
    payloads |= {what: (_raw(good | change), *change) for what, change in changed.items()}
    whole = _raw(good)
    wholes = {
        "no JSON": b"update yourself",
        "binary": bytes(range(128, 256)),
        "cut off": whole[:-1],
        "trailing bytes": whole + b"}",
        "very deep": b'{"data":' + b"[" * 500 + b"]" * 500 + b"}",
    }
    payloads |= {what: (payload, "message") for what, payload in wholes.items()}
    return payloads | {
        "no URL": (_raw({k: v for k, v in good.items() if "url" not in k}), "http_url"),
        "nothing": (b"{}", "data"),
        "data is a list": (_raw([good]), "data"),
        "no data": (_raw(None), "data"),
        "too long": (whole[:-1] + b" " * 4096 + b"}", "length"),
    }


@pytest.mark.code(errors.BAD_MESSAGE)
@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_malformed(make_testbed, runtime):
    """Each is answered once, with the field that is wrong; then the board still takes a good one, with what
    it does not know."""
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    image, good = steps.new_offer(testbed)
    for what, (payload, field) in _malformed(good).items():
        since = len(testbed.operator.messages)
        testbed.operator.publish(MAC, "update", payload)
        try:
            error = testbed.wait_error(errors.BAD_MESSAGE, since=since)
        except TimeoutError as late:
            raise AssertionError(f"{what}: {late}") from None
        assert error.data["field"] == field, what
    assert set(checks.error_codes(testbed)) == {errors.BAD_MESSAGE}
    assert len(checks.error_codes(testbed)) == len(_malformed(good))
    assert not testbed.files.requests
    assert testbed.board.boots == 1
    steps.update(testbed, good | {"unknown": {"field": [1, None]}})
    assert testbed.board.slot("ota_1", len(image)) == image


def test_huge_payload(make_testbed):
    """64 KB do not fit the heap of a board: dropped without a word to it, and nothing breaks."""
    testbed = make_testbed(heap_kib=160)
    steps.online(testbed)
    testbed.operator.publish(MAC, "update", b'{"data": "' + b"x" * 65536 + b'"}')
    steps.update(testbed, steps.new_offer(testbed)[1])
    assert testbed.board.boots == 2


@pytest.mark.code(errors.SAME_VERSION)
def test_same_version(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, "1.0.0")
    steps.refuse(testbed, offer, errors.SAME_VERSION)
    assert not testbed.files.requests
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.DOWNGRADE)
@pytest.mark.parametrize("version", ["0.9.9", "0.99.0", "0.0.0"])
def test_downgrade(make_testbed, version):
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, version)
    steps.refuse(testbed, offer, errors.DOWNGRADE)
    assert not testbed.files.requests
    checks.check_old_runs(testbed, image)


@pytest.mark.code(errors.NO_SLOT)
def test_no_way_back(make_testbed):
    testbed = make_testbed(image="wm", boot_mode="w80x", config={"require_rollback": True})
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    steps.refuse(testbed, offer, errors.NO_SLOT)
    assert not testbed.files.requests
    testbed.board.cut_power()
    assert set(testbed.board.slot("upgrade")) == {0xFF}


@pytest.mark.code(errors.ALREADY_RUNNING)
def test_second_offer_during_an_update(make_testbed):
    """It is refused at once, and the first goes on as if nothing had been."""
    testbed = make_testbed(config=PATIENT)
    steps.online(testbed)
    image, first = steps.new_offer(testbed, "1.0.1")
    _, second = steps.new_offer(testbed, "1.0.2")
    testbed.files.fail(Fault(stall_after=10000))
    testbed.push(first)
    steps.wait_sent(testbed)
    steps.refuse(testbed, second, errors.ALREADY_RUNNING)
    testbed.files.release()
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
    assert {request.path for request in testbed.files.requests} == {"/firmware-1.0.1.img"}
    assert checks.error_codes(testbed) == [errors.ALREADY_RUNNING]


def test_same_offer_during_its_update(make_testbed):
    testbed = make_testbed(config=PATIENT)
    steps.online(testbed)
    _, offer = steps.new_offer(testbed)
    testbed.files.fail(Fault(stall_after=10000))
    testbed.push(offer)
    steps.wait_sent(testbed)
    testbed.push(offer)
    testbed.board.wait_for("offer of 1.0.1 is known")
    testbed.files.release()
    testbed.wait_report("UPDATE")
    assert checks.error_codes(testbed) == []
    assert len(testbed.files.requests) == 2


def test_response_nobody_asked_for(make_testbed):
    testbed = make_testbed()
    steps.online(testbed)
    _, offer = steps.new_offer(testbed)
    testbed.operator.publish(MAC, "response", _raw(offer))
    testbed.board.wait_for("response 7 ignored: nobody asked")
    steps.refuse(testbed, offer | {"version": "1.0.0"}, errors.SAME_VERSION)  # it went on to the next message
    assert not testbed.files.requests
    checks.check_old_runs(testbed)


def test_response_with_another_sequence(make_testbed):
    """A stale or replayed answer, while a question is open."""
    testbed = make_testbed(config={"check_interval_s": 1})
    steps.online(testbed)
    _, offer = steps.new_offer(testbed)
    get = testbed.operator.wait_for(lambda m: m.name == "get", steps.PATIENCE_S)
    testbed.operator.publish(MAC, "response", _raw(offer, msg_sequence=get.sequence - 1))
    testbed.board.wait_for(f"response {get.sequence - 1} ignored")
    assert not testbed.files.requests


def test_response_is_taken_once(make_testbed):
    """The second copy of an answer is one that nobody asked for."""
    testbed = make_testbed(config={"check_interval_s": 2})
    steps.online(testbed)
    get = testbed.operator.wait_for(lambda m: m.name == "get", steps.PATIENCE_S)
    _, same = steps.new_offer(testbed, "1.0.0")
    for _ in range(2):
        testbed.operator.publish(MAC, "response", _raw(same, msg_sequence=get.sequence))
    testbed.board.wait_for("nothing newer than 1.0.0")
    testbed.board.wait_for(f"response {get.sequence} ignored")
    assert checks.error_codes(testbed) == []
