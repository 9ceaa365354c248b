"""Troubles on the way of a connection, and an update that came through them."""

from __future__ import annotations

import checks

KINDS = ["cut", "reset", "stall", "trickle", "garbage"]
PATIENT = {"http_timeout_s": 3600, "retry_window_s": 3600}  # a download hangs until it is released, or cut


def check_updated(testbed, image) -> None:
    """In two boots, and without a word of an error."""
    testbed.board.wait_for("confirmed 1.0.1")
    assert testbed.board.boots == 2
    assert checks.error_codes(testbed) == []
    checks.check_confirmed(testbed, image)
