"""An unprovisioned board on a serial line, by real mpremote: provisioned, then it updates itself."""

from __future__ import annotations

from e2e.test_commands import tools

from tools.image import firmware, images, romfs
from tools.realboard.session import Session
from tools.testbed.stage import BOARD, MAC


def test_a_provisioned_board_updates_itself(make_unprovisioned):
    """First to another interpreter alone, under which the files go on; then to one that has the package
    frozen in, which then comes before the files."""
    stage = make_unprovisioned()
    assert f"board {MAC}" in stage.provision()
    assert stage.wait_report("INIT").data["version"] == "0.0.0"

    image = images.wrap("esp32", romfs.pack({"README": b"newer MicroPython"}), "")
    image = images.add_trailer(image, "1.0.0", BOARD, firmware.default_build_time())
    stage.push(stage.offer(image, "1.0.0"))
    assert stage.wait_report("UPDATE").data["version"] == "1.0.0"
    assert "comes first" not in stage.deploy()

    seen = len(stage.operator.messages)
    stage.push(stage.offer(stage.build("1.0.1"), "1.0.1"))
    assert stage.wait_report("UPDATE", since=seen).data["version"] == "1.0.1"
    assert "which comes first: it was not sent" in stage.deploy()

    with Session(stage.board.url) as board:
        board.run("import os\nos.mkdir('device')\nopen('device/__init__.py', 'w').close()")
    shown = tools("doctor", stage.board.url, code=None)
    assert "/device shadows the one in /firmware, /lib" in shown and "mpremote fs rm -r :device" in shown
