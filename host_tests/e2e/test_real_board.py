"""An unprovisioned board on a serial line, by real mpremote: provisioned, then it updates itself."""

from __future__ import annotations

from e2e.test_commands import tools

from tools.image import firmware, images, romfs
from tools.realboard.session import Session
from tools.testbed.testbed import BOARD, MAC


def test_a_provisioned_board_updates_itself(make_unprovisioned):
    """First to another interpreter alone, under which the files go on; then to one that has the package
    frozen in, which then comes before the files."""
    testbed = make_unprovisioned()
    assert f"board {MAC}" in testbed.provision()
    assert testbed.wait_report("INIT").data["version"] == "0.0.0"

    image = images.wrap("esp32", romfs.pack({"README": b"newer MicroPython"}), "")
    image = images.add_trailer(image, "1.0.0", BOARD, firmware.default_build_time())
    testbed.push(testbed.offer(image, "1.0.0"))
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.0"
    assert "comes first" not in testbed.deploy()

    seen = len(testbed.operator.messages)
    testbed.push(testbed.offer(testbed.build("1.0.1"), "1.0.1"))
    assert testbed.wait_report("UPDATE", since=seen).data["version"] == "1.0.1"
    assert "which comes first: it was not sent" in testbed.deploy()

    with Session(testbed.board.url) as board:
        board.run("import os\nos.mkdir('device')\nopen('device/__init__.py', 'w').close()")
    shown = tools("doctor", testbed.board.url, code=None)
    assert "/device shadows the one in /firmware, /lib" in shown and "mpremote fs rm -r :device" in shown
