"""Another board is another board module: device/ports/generic, on a board that is not an ESP32."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from e2e.test_commands import REPO, tools

from device import errors
from tools.testbed.testbed import BOARD

PORT = REPO / "device" / "ports" / "generic"


def _offered(path: Path) -> dict[str, list[str]]:
    """What a board module has for others: functions with the names of their arguments, and constants."""
    found: dict[str, list[str]] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = [argument.arg for argument in node.args.args]
        if isinstance(node, ast.Assign):
            found |= {target.id: [] for target in node.targets if isinstance(target, ast.Name)}
    return {name: arguments for name, arguments in found.items() if not name.startswith("_")}


def test_it_offers_what_the_esp32s_offers():
    assert _offered(PORT / "device" / "board.py") == _offered(REPO / "device" / "board.py")


def test_it_updates_itself_and_returns(make_unprovisioned, tmp_path):
    """Provisioned by cable; then a good image, and two that fail their trials."""
    testbed = make_unprovisioned(boot_mode="generic", config={"trial_attempts": 1})
    testbed.provision("--app", PORT)
    assert testbed.wait_report("INIT").data["version"] == "0.0.0"
    seen = len(testbed.operator.messages)
    shown = tools("doctor", testbed.board.url)
    assert "device/PORTING.md" in shown and "nothing stands in the way" in shown
    testbed.wait_report("INIT", since=seen)
    image = testbed.build("1.0.1", PORT)
    testbed.push(testbed.offer(image, "1.0.1"))
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"
    assert testbed.board.slot("green", len(image)) == image
    assert BOARD.encode() in image

    seen = len(testbed.operator.messages)
    testbed.push(testbed.offer(testbed.build("1.0.2"), "1.0.2"))  # with the ESP32's board module
    error = testbed.wait_error(errors.ROLLED_BACK, since=seen)
    assert error.data["version"] == "1.0.2"

    shutil.copytree(PORT, app := tmp_path / "app")
    (app / "main.py").write_text("1 // 0\n")
    seen = len(testbed.operator.messages)
    testbed.push(testbed.offer(testbed.build("1.0.3", app), "1.0.3"))
    error = testbed.wait_error(errors.ROLLED_BACK, since=seen)
    assert error.data["cause"].startswith("ZeroDivisionError")
