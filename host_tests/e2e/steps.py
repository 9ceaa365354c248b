"""What the end-to-end tests do to a testbed: bring it online, offer, wait, refuse."""

from __future__ import annotations

import time

import pace
from pace import until

from tools.errors import ToolError
from tools.testbed.operator import Message
from tools.testbed.testbed import MAC, Testbed

__all__ = ["until"]
PATIENCE_S = pace.HANG_S
STILL_S = 0.1  # a board that writes nothing for so long waits for somebody; on an idle machine


def online(testbed: Testbed) -> None:
    """Power on, and wait until an offer would reach the board."""
    testbed.board.power_on()
    testbed.wait_report("INIT", PATIENCE_S)
    wait_subscribed(testbed)


def wait_subscribed(testbed: Testbed) -> None:
    line = f"{MAC} 1 wm_iot/{MAC}/ota/response"
    until(lambda: line in testbed.broker.log.read_text(errors="replace"), "subscriptions")


def new_offer(testbed: Testbed, version: str = "1.0.1", transport: str = "https", **changes):
    """A fresh image on the file server: (image, its offer)."""
    image = testbed.build(version)
    return image, testbed.offer(image, version, transport, **changes)


def spoilt_offer(testbed: Testbed) -> tuple[bytes, dict]:
    """(the right image, its offer), while another one lies on the file server."""
    image, offer = new_offer(testbed)
    spoil(testbed, image)
    return image, offer


def spoil(testbed: Testbed, image: bytes) -> None:
    """Serve the image with a bit of it changed."""
    changed = bytearray(image)
    changed[-700] ^= 1
    (testbed.images / "firmware-1.0.1.img").write_bytes(changed)


def update(testbed: Testbed, offer: dict) -> Message:
    """Push an offer and wait until the board runs it and has said so. Returns its report."""
    since = len(testbed.operator.messages)
    testbed.push(offer)
    return testbed.wait_report("UPDATE", PATIENCE_S, since)


def refuse(testbed: Testbed, offer: dict, code: int) -> None:
    """Push an offer and wait for the board's refusal with this code."""
    since = len(testbed.operator.messages)
    testbed.push(offer)
    testbed.wait_error(code, PATIENCE_S, since)


def wait_sent(testbed: Testbed, count: int = 1) -> None:
    """Until the file server has had `count` requests and sent bytes of the last of them."""
    requests = testbed.files.requests
    until(lambda: len(requests) >= count and requests[count - 1].sent, f"request {count}")


def wait_written(testbed: Testbed, blocks: int) -> None:
    """Until the board has put so many blocks into its spare slot, and what it notes about them."""
    until(lambda: sum(testbed.board.wear("ota_1")) >= blocks, f"{blocks} blocks in the slot")
    until(lambda: _is_still(testbed), "the board waits")


def _is_still(testbed: Testbed) -> bool:
    before = testbed.board.operations()
    time.sleep(STILL_S * pace.slowness())
    return testbed.board.operations() == before


def wait_lines(testbed: Testbed, text: str, count: int) -> None:
    """Until this many console lines contain the text."""
    until(lambda: lines_with(testbed, text) >= count, f"{count} lines with {text!r}")


def lines_with(testbed: Testbed, text: str) -> int:
    return sum(text in line for line in list(testbed.board.lines))


def record(testbed: Testbed) -> dict:
    """Of a board that runs: it may not be there yet, or be half replaced."""
    try:
        return testbed.board.state()
    except (ToolError, ValueError):
        return {}
