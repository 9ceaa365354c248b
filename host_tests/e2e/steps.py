"""What the end-to-end tests do to a stage: bring it online, offer, wait, refuse."""

from __future__ import annotations

import time

import pace
from pace import until

from tools.errors import ToolError
from tools.testbed.operator import Message
from tools.testbed.stage import MAC, Stage

__all__ = ["until"]
PATIENCE_S = pace.HANG_S
STILL_S = 0.1  # a board that writes nothing for so long waits for somebody; on an idle machine


def online(stage: Stage) -> None:
    """Power on, and wait until an offer would reach the board."""
    stage.board.power_on()
    stage.wait_report("INIT", PATIENCE_S)
    wait_subscribed(stage)


def wait_subscribed(stage: Stage) -> None:
    line = f"{MAC} 1 wm_iot/{MAC}/ota/response"
    until(lambda: line in stage.broker.log.read_text(errors="replace"), "subscriptions")


def new_offer(stage: Stage, version: str = "1.0.1", transport: str = "https", **changes):
    """A fresh image on the file server: (image, its offer)."""
    image = stage.build(version)
    return image, stage.offer(image, version, transport, **changes)


def spoilt_offer(stage: Stage) -> tuple[bytes, dict]:
    """(the right image, its offer), while another one lies on the file server."""
    image, offer = new_offer(stage)
    spoil(stage, image)
    return image, offer


def spoil(stage: Stage, image: bytes) -> None:
    """Serve the image with a bit of it changed."""
    changed = bytearray(image)
    changed[-700] ^= 1
    (stage.images / "firmware-1.0.1.img").write_bytes(changed)


def update(stage: Stage, offer: dict) -> Message:
    """Push an offer and wait until the board runs it and has said so. Returns its report."""
    since = len(stage.operator.messages)
    stage.push(offer)
    return stage.wait_report("UPDATE", PATIENCE_S, since)


def refuse(stage: Stage, offer: dict, code: int) -> None:
    """Push an offer and wait for the board's refusal with this code."""
    since = len(stage.operator.messages)
    stage.push(offer)
    stage.wait_error(code, PATIENCE_S, since)


def wait_sent(stage: Stage, count: int = 1) -> None:
    """Until the file server has had `count` requests and sent bytes of the last of them."""
    requests = stage.files.requests
    until(lambda: len(requests) >= count and requests[count - 1].sent, f"request {count}")


def wait_written(stage: Stage, blocks: int) -> None:
    """Until the board has put so many blocks into its spare slot, and what it notes about them."""
    until(lambda: sum(stage.board.wear("ota_1")) >= blocks, f"{blocks} blocks in the slot")
    until(lambda: _is_still(stage), "the board waits")


def _is_still(stage: Stage) -> bool:
    before = stage.board.operations()
    time.sleep(STILL_S * pace.slowness())
    return stage.board.operations() == before


def wait_lines(stage: Stage, text: str, count: int) -> None:
    """Until this many console lines contain the text."""
    until(lambda: lines_with(stage, text) >= count, f"{count} lines with {text!r}")


def lines_with(stage: Stage, text: str) -> int:
    return sum(text in line for line in list(stage.board.lines))


def record(stage: Stage) -> dict:
    """Of a board that runs: it may not be there yet, or be half replaced."""
    try:
        return stage.board.state()
    except (ToolError, ValueError):
        return {}
