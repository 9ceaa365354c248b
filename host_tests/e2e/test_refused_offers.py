"""Offers that must not start an update: malformed, stale, unasked, a second one, no way back."""

from __future__ import annotations

import json

import checks
import pytest
import steps

from device import errors
from tools.server.files import Fault
from tools.testbed.stage import MAC

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
def test_malformed(make_stage, runtime):
    """Each is answered once, with the field that is wrong; then the board still takes a good one, with what
    it does not know."""
    stage = make_stage(runtime=runtime)
    steps.online(stage)
    image, good = steps.new_offer(stage)
    for what, (payload, field) in _malformed(good).items():
        since = len(stage.operator.messages)
        stage.operator.publish(MAC, "update", payload)
        try:
            error = stage.wait_error(errors.BAD_MESSAGE, since=since)
        except TimeoutError as late:
            raise AssertionError(f"{what}: {late}") from None
        assert error.data["field"] == field, what
    assert set(checks.error_codes(stage)) == {errors.BAD_MESSAGE}
    assert len(checks.error_codes(stage)) == len(_malformed(good))
    assert not stage.files.requests
    assert stage.board.boots == 1
    steps.update(stage, good | {"unknown": {"field": [1, None]}})
    assert stage.board.slot("ota_1", len(image)) == image


def test_huge_payload(make_stage):
    """64 KB do not fit the heap of a board: dropped without a word to it, and nothing breaks."""
    stage = make_stage(heap_kib=160)
    steps.online(stage)
    stage.operator.publish(MAC, "update", b'{"data": "' + b"x" * 65536 + b'"}')
    steps.update(stage, steps.new_offer(stage)[1])
    assert stage.board.boots == 2


@pytest.mark.code(errors.SAME_VERSION)
def test_same_version(make_stage):
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage, "1.0.0")
    steps.refuse(stage, offer, errors.SAME_VERSION)
    assert not stage.files.requests
    checks.check_old_runs(stage, image)


@pytest.mark.code(errors.DOWNGRADE)
@pytest.mark.parametrize("version", ["0.9.9", "0.99.0", "0.0.0"])
def test_downgrade(make_stage, version):
    stage = make_stage()
    steps.online(stage)
    image, offer = steps.new_offer(stage, version)
    steps.refuse(stage, offer, errors.DOWNGRADE)
    assert not stage.files.requests
    checks.check_old_runs(stage, image)


@pytest.mark.code(errors.NO_SLOT)
def test_no_way_back(make_stage):
    stage = make_stage(image="wm", boot_mode="w80x", config={"require_rollback": True})
    steps.online(stage)
    image, offer = steps.new_offer(stage)
    steps.refuse(stage, offer, errors.NO_SLOT)
    assert not stage.files.requests
    stage.board.cut_power()
    assert set(stage.board.slot("upgrade")) == {0xFF}


@pytest.mark.code(errors.ALREADY_RUNNING)
def test_second_offer_during_an_update(make_stage):
    """It is refused at once, and the first goes on as if nothing had been."""
    stage = make_stage(config=PATIENT)
    steps.online(stage)
    image, first = steps.new_offer(stage, "1.0.1")
    _, second = steps.new_offer(stage, "1.0.2")
    stage.files.fail(Fault(stall_after=10000))
    stage.push(first)
    steps.wait_sent(stage)
    steps.refuse(stage, second, errors.ALREADY_RUNNING)
    stage.files.release()
    assert stage.wait_report("UPDATE").data["version"] == "1.0.1"
    assert {request.path for request in stage.files.requests} == {"/firmware-1.0.1.img"}
    assert checks.error_codes(stage) == [errors.ALREADY_RUNNING]


def test_same_offer_during_its_update(make_stage):
    stage = make_stage(config=PATIENT)
    steps.online(stage)
    _, offer = steps.new_offer(stage)
    stage.files.fail(Fault(stall_after=10000))
    stage.push(offer)
    steps.wait_sent(stage)
    stage.push(offer)
    stage.board.wait_for("offer of 1.0.1 is known")
    stage.files.release()
    stage.wait_report("UPDATE")
    assert checks.error_codes(stage) == []
    assert len(stage.files.requests) == 2


def test_response_nobody_asked_for(make_stage):
    stage = make_stage()
    steps.online(stage)
    _, offer = steps.new_offer(stage)
    stage.operator.publish(MAC, "response", _raw(offer))
    stage.board.wait_for("response 7 ignored: nobody asked")
    steps.refuse(stage, offer | {"version": "1.0.0"}, errors.SAME_VERSION)  # it went on to the next message
    assert not stage.files.requests
    checks.check_old_runs(stage)


def test_response_with_another_sequence(make_stage):
    """A stale or replayed answer, while a question is open."""
    stage = make_stage(config={"check_interval_s": 1})
    steps.online(stage)
    _, offer = steps.new_offer(stage)
    get = stage.operator.wait_for(lambda m: m.name == "get", steps.PATIENCE_S)
    stage.operator.publish(MAC, "response", _raw(offer, msg_sequence=get.sequence - 1))
    stage.board.wait_for(f"response {get.sequence - 1} ignored")
    assert not stage.files.requests


def test_response_is_taken_once(make_stage):
    """The second copy of an answer is one that nobody asked for."""
    stage = make_stage(config={"check_interval_s": 2})
    steps.online(stage)
    get = stage.operator.wait_for(lambda m: m.name == "get", steps.PATIENCE_S)
    _, same = steps.new_offer(stage, "1.0.0")
    for _ in range(2):
        stage.operator.publish(MAC, "response", _raw(same, msg_sequence=get.sequence))
    stage.board.wait_for("nothing newer than 1.0.0")
    stage.board.wait_for(f"response {get.sequence} ignored")
    assert checks.error_codes(stage) == []
