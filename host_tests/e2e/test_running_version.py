"""What a board runs that was flashed by cable: `--version` says it, and yesterday's images stay out."""

from __future__ import annotations

import pytest
import steps

from device import errors
from tools.realboard.session import Session

DELETE_RECORD = "import os\nfor name in os.listdir():\n    if name.startswith('ota_state'): os.remove(name)"


def _refuse_older(testbed, version: str) -> None:
    """A signed image of this version is answered as a downgrade."""
    _, offer = steps.new_offer(testbed, version)
    testbed.push(offer)
    testbed.wait_error(errors.DOWNGRADE, steps.PATIENCE_S)


@pytest.mark.code(errors.DOWNGRADE)
def test_what_was_flashed_by_cable(make_unprovisioned):
    testbed = make_unprovisioned()
    assert "It takes nothing older than 1.2.0" in testbed.provision("--version", "1.2.0")
    assert testbed.wait_report("INIT").data["version"] == "1.2.0"
    steps.wait_subscribed(testbed)
    _refuse_older(testbed, "1.1.9")


@pytest.mark.code(errors.DOWNGRADE)
def test_the_lowest_version_outlives_the_record(make_unprovisioned):
    """It lies in a file of its own, and a lower word at the cable does not lower it."""
    testbed = make_unprovisioned()
    testbed.provision("--version", "1.2.0")
    testbed.wait_report("INIT")
    seen = len(testbed.operator.messages)
    with Session(testbed.board.url) as board:
        board.run(DELETE_RECORD)
    assert testbed.wait_report("INIT", since=seen).data["version"] == "0.0.0"
    steps.wait_subscribed(testbed)
    _refuse_older(testbed, "1.1.9")
    seen = len(testbed.operator.messages)
    assert "It takes nothing older than 1.2.0" in testbed.deploy("--version", "1.0.0")
    assert testbed.wait_report("INIT", since=seen).data["version"] == "1.0.0"


def test_what_is_not_a_version(make_unprovisioned):
    testbed = make_unprovisioned()
    assert "'1.2' is not a version" in testbed.provision("--version", "1.2", code=1)
