"""`deploy` by real mpremote: only what changed, nothing half-done, nothing of the user's own overwritten."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import steps
from e2e.test_commands import REPO, tools

from tools.image import firmware
from tools.programs import runtimes
from tools.realboard import payload
from tools.realboard.session import BoardError, Session
from tools.simboard import board as simboard

WATCHDOG_S = 3
DATA_SIZE = 20_000
SLOW_PIECES = 300  # of those that a copy is typed in, at most 256 bytes each
APP = {
    "main.py": "import blink\nfrom device import agent\nagent.main('ota.json')\n",
    "blink.py": "with open('rate.txt') as file:\n    print('blinking', file.read())\n",
    "rate.txt": "5 Hz",
}


USED = len(firmware.package_modules()) - len(payload.OPTIONS)  # modules of a board that uses no option


def list_files(testbed) -> set[str]:
    """All that `deploy` could have put on the board."""
    with Session(testbed.board.url) as board:
        board.load("store")
        found = board.call("list_files", "lib") + board.call("list_files", "certs")
        root = board.run("import os\nprint(os.listdir())")
    return {*found, *re.findall(r"'([^']+)'", root)}


def counts(shown: str) -> tuple[int, int]:
    """Files that were sent, and files that were there."""
    sent, there = re.search(r"(\d+) files sent, (\d+) were there", shown).groups()  # type: ignore[union-attr]
    return int(sent), int(there)


def test_only_what_changed_is_sent(make_unprovisioned, tmp_path: Path):
    """Also over an agent that runs, with its watchdog started."""
    testbed = make_unprovisioned()
    sent, there = counts(testbed.provision())
    assert sent > 40 and there == 0
    testbed.wait_report("INIT")
    seen = len(testbed.operator.messages)  # before the command: a fast board has reported when it ends
    assert counts(testbed.deploy()) == (0, USED + 2)
    testbed.wait_report("INIT", since=seen)
    config = tmp_path / "ota.json"
    changed = (testbed.keys / "devices" / testbed.board.facts["mac"] / "ota.json").read_text()
    config.write_text(changed.replace('"watchdog_s": 20', '"watchdog_s": 21'))
    seen = len(testbed.operator.messages)
    assert counts(testbed.deploy("--config", config))[0] == 1
    testbed.wait_report("INIT", since=seen)
    config.write_text(changed.replace('"watchdog_s": 20', '"language": "zh"'))
    seen = len(testbed.operator.messages)
    assert counts(testbed.deploy("--config", config))[0] == 2 and "lib/device/texts_zh.mpy" in list_files(
        testbed
    )
    testbed.wait_report("INIT", since=seen)
    config.write_text(changed.replace('"watchdog_s": 20', '"watchdog_s": -1'))
    shown = testbed.deploy("--config", config, code=1)
    assert "configuration: bad value for 'watchdog_s': 0 to 86400" in shown


def test_the_other_form_of_a_module_goes_away(make_unprovisioned):
    """MicroPython would take an old x.py before a new x.mpy."""
    testbed = make_unprovisioned(umqtt=False)
    testbed.provision("--source")
    files = list_files(testbed)
    assert {"lib/device/agent.py", "lib/umqtt/simple.py", "main.py"} <= files
    sent, _ = counts(testbed.deploy())
    assert sent == USED + 1
    files = list_files(testbed)
    assert {"lib/device/agent.mpy", "lib/umqtt/simple.mpy"} <= files
    assert not [name for name in files if name.startswith("lib/") and name.endswith(".py")]
    testbed.wait_report("INIT")


def test_what_fails_on_the_board_is_told_in_the_sources_names(make_unprovisioned):
    module, names = next((module, names) for module, names in firmware.short_names().short.items() if names)
    name, short = next(iter(names.items()))
    code = f"def {short}():\n    None.{short}\n{short}()"
    url = make_unprovisioned().board.url
    with Session(url) as board, pytest.raises(BoardError, match=f"no attribute '{name}'"):
        board.run(f"exec(compile({code!r}, '{module}', 'exec'))")


def test_what_is_the_users_own_stays(make_unprovisioned, tmp_path: Path):
    app = tmp_path / "app"
    app.mkdir()
    for name, text in APP.items():
        (app / name).write_text(text)
    testbed = make_unprovisioned()
    testbed.provision("--app", app)
    testbed.board.wait_for("blinking 5 Hz")
    assert {"lib/blink.mpy", "rate.txt"} <= list_files(testbed)
    assert "kept your own main.py" in testbed.deploy()
    assert "kept" not in testbed.deploy("--overwrite")
    with Session(testbed.board.url) as board:
        board.load("store")
        assert board.call("first_line", "main.py").startswith('"""Run the agent')


def test_a_copy_that_fails_changes_nothing(make_unprovisioned, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The cable is pulled and the power goes while the package is copied; then it is done again, so slowly
    that it takes longer than the watchdog of the agent that was interrupted waits."""
    testbed = make_unprovisioned(config={"watchdog_s": WATCHDOG_S})
    testbed.provision()
    testbed.wait_report("INIT")
    seen = len(testbed.operator.messages)
    before = testbed.board.operations()
    command = [sys.executable, "-m", "tools", "deploy", testbed.board.url, "--source"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as copying:
        steps.until(lambda: testbed.board.operations() >= before + 100, "some of the package on the board")
        testbed.board.cut_power()
        testbed.board.unplug()
        shown, _ = copying.communicate(timeout=steps.PATIENCE_S)
    assert copying.returncode == 1 and b"has fallen silent" in shown, shown
    testbed.board.power_on()
    testbed.wait_report("INIT", since=seen)
    seen = len(testbed.operator.messages)
    files = list_files(testbed)
    assert "lib/device.new/agent.py" in files
    assert "lib/device/agent.mpy" in files and "lib/device/agent.py" not in files
    testbed.wait_report("INIT", since=seen)
    _check_longer_than_the_watchdog(testbed, tmp_path / "app", monkeypatch)


def _check_longer_than_the_watchdog(testbed, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a slow line, so that it takes that long on the fastest machine."""
    typed, needed_s = testbed.board._type, testbed.configuration()["watchdog_s"] + 1
    slow = itertools.repeat(needed_s / SLOW_PIECES, SLOW_PIECES)
    monkeypatch.setattr(testbed.board, "_type", lambda data: (time.sleep(next(slow, 0)), typed(data)))
    app.mkdir()
    (app / "data.bin").write_bytes(bytes(DATA_SIZE))
    boots, seen, started = testbed.board.boots, len(testbed.operator.messages), time.monotonic()
    testbed.deploy("--source", "--app", app)
    assert time.monotonic() - started > needed_s
    testbed.wait_report("INIT", since=seen)
    assert testbed.board.boots == boots + 1
    files = list_files(testbed)
    assert "lib/device/agent.py" in files and not [name for name in files if "device.new" in name]


def test_too_little_room_is_said_before_anything_is_copied(make_unprovisioned):
    testbed = make_unprovisioned(vfs_size=0x20000)
    shown = tools("provision", testbed.board.url, *testbed.settings(), code=1)
    assert "KiB free" in shown and "mpremote fs rm" in shown
    assert "main.py" not in list_files(testbed)


def test_each_power_cut_in_the_switch_leaves_a_whole_package():
    """onboard/store.py alone, on LittleFS in RAM: cut at each write and erase of commit()."""
    script = Path(__file__).with_name("storecuts.py")
    paths = [REPO / "tools" / "realboard" / "onboard", simboard.ONBOARD, simboard.MICROPYTHON]
    done = subprocess.run(
        [*runtimes.interpreter("mp32"), "-X", "heapsize=8M", str(script)], capture_output=True, text=True,
        timeout=steps.PATIENCE_S, env={"MICROPYPATH": ":".join(map(str, paths)) + ":.frozen"},
    )  # fmt: skip
    cases = re.findall(r"^(\w+): (\d+) cuts, (\d+) times old, (\d+) times new$", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and len(cases) == 3, done.stdout + done.stderr
    assert [name for name, *_ in cases] == ["lib", "root", "nowhere"]
    assert all(int(old) > 0 < int(new) and int(old) + int(new) == int(cuts) for _, cuts, old, new in cases)
