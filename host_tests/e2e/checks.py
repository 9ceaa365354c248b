"""What the end-to-end tests look at afterwards: messages, flash, wear, state, and who still runs."""

from __future__ import annotations

import hashlib
import time

from steps import PATIENCE_S

from tools.simboard.board import BLOCK
from tools.testbed.operator import Message
from tools.testbed.testbed import Testbed


def boots(testbed: Testbed) -> list[list[Message]]:
    """What the board published, boot by boot: its msg_sequence starts at 0 each time."""
    result: list[list[Message]] = []
    for message in testbed.operator.messages:
        if message.sequence == 0:
            result.append([])
        result[-1].append(message)
    return result


def error_codes(testbed: Testbed) -> list[int]:
    return [m.data["errorCode"] for m in testbed.operator.messages if "errorCode" in m.data]


def reports(testbed: Testbed) -> list[tuple[str, str]]:
    """(type, version) of each firmware/report."""
    found = [m.data for m in testbed.operator.messages if m.name == "firmware/report"]
    return [(data["type"], data["version"]) for data in found]


def check_envelopes(testbed: Testbed) -> None:
    for messages in boots(testbed):
        assert [m.sequence for m in messages] == list(range(len(messages)))
        for message in messages:
            assert message.envelope is not None
            sent_ms = message.envelope["time"]
            assert len(str(sent_ms)) == 13
            assert abs(sent_ms / 1000 - time.time()) < 300


def check_progress(messages: list[Message]) -> None:
    """From 0 to 100, each ten per cent once at most."""
    values = [m.data["progress"] for m in messages if "progress" in m.data]
    assert values[0] == 0
    assert values[-1] == 100
    tens = [value // 10 for value in values]
    assert tens == sorted(set(tens))
    assert len(tens) >= 8


def check_erased_once(testbed: Testbed, label: str, size: int) -> None:
    """Each block that holds a part of the image exactly once, the others never."""
    used = -(-size // BLOCK)
    wear = testbed.board.wear(label)
    assert wear == [1] * used + [0] * (len(wear) - used)


def check_record(
    testbed: Testbed, label: str, image: bytes, version: str, min_version: str | None = ""
) -> None:
    """The state of a board that has installed and confirmed this. min_version: the lowest that it takes from
    then on, if not this one. Switches it off."""
    testbed.board.cut_power()
    state = testbed.board.state()
    record = state["slots"][label]
    assert record["version"] == version
    assert record["size"] == len(image)
    assert record["digest"] == hashlib.sha256(image).hexdigest()
    assert state["floor"] == (version if min_version == "" else min_version)
    assert not state["trial"]
    assert not state["waiting"]
    assert state["refused"] == []


def check_confirmed(testbed: Testbed, image: bytes) -> None:
    """Wait until the board has confirmed 1.0.1: this image is in its slot, and in its record."""
    testbed.board.wait_for("confirmed 1.0.1")
    check_record(testbed, "ota_1", image, "1.0.1")
    assert testbed.board.slot("ota_1", len(image)) == image


def check_old_runs(testbed: Testbed, image: bytes = b"") -> None:
    """The board never restarted, nothing of the new image could boot, the old one starts again.

    image: what was offered, to see that its head is not in the spare slot.
    """
    board = testbed.board
    assert board.boots == 1
    assert board.ended is None
    since = len(testbed.operator.messages)
    board.cut_power()
    spare = "upgrade" if board.facts["boot_mode"] == "w80x" else "ota_1"
    assert board.slot(spare, 64) == b"\xff" * 64 != image[:64]
    start, size = board.partition("otadata")
    assert board.flash(start, size) == b"\xff" * size
    assert not (board.state().get("trial"))
    board.power_on()
    report = testbed.wait_report("INIT", PATIENCE_S, since)
    assert report.data["version"] == "1.0.0"
