"""What a board has done when broker, file server or Wi-Fi were away for a while."""

from __future__ import annotations

import checks
import steps

from tools.simboard.board import BLOCK

HELD_AT = 5 * BLOCK + 100
WINDOW_S = 3  # retry_window_s where it is to be over


def check_updated(testbed, image) -> None:
    """Not by what the operator has heard: it may come back later than the board."""
    checks.check_confirmed(testbed, image)
    assert steps.lines_with(testbed, '"UPDATE"') >= 1


def check_story(testbed, image, fetches=1) -> None:
    """One update, one boot of the new image, nothing to complain about."""
    assert testbed.board.boots == 2
    assert steps.lines_with(testbed, '"errorCode"') == 0
    assert sum(request.sent for request in testbed.files.requests) < len(image) + BLOCK
    assert len(testbed.files.requests) == fetches
    checks.check_erased_once(testbed, "ota_1", len(image))
