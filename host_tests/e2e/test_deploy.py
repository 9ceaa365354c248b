"""`deploy` by real mpremote: only what changed, nothing half-done, nothing of the user's own overwritten."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from pathlib import Path

import acts
import pytest
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


def list_files(stage) -> set[str]:
    """All that `deploy` could have put on the board."""
    with Session(stage.board.url) as board:
        board.load("store")
        found = board.call("list_files", "lib") + board.call("list_files", "certs")
        root = board.run("import os\nprint(os.listdir())")
    return {*found, *re.findall(r"'([^']+)'", root)}


def counts(shown: str) -> tuple[int, int]:
    """Files that were sent, and files that were there."""
    sent, there = re.search(r"(\d+) files sent, (\d+) were there", shown).groups()  # type: ignore[union-attr]
    return int(sent), int(there)


def test_only_what_changed_is_sent(make_bare, tmp_path: Path):
    """Also over an agent that runs, with its watchdog started."""
    stage = make_bare()
    sent, there = counts(stage.provision())
    assert sent > 40 and there == 0
    stage.wait_report("INIT")
    seen = len(stage.operator.messages)  # before the command: a fast board has reported when it ends
    assert counts(stage.deploy()) == (0, USED + 2)
    stage.wait_report("INIT", since=seen)
    config = tmp_path / "ota.json"
    changed = (stage.keys / "devices" / stage.board.facts["mac"] / "ota.json").read_text()
    config.write_text(changed.replace('"watchdog_s": 20', '"watchdog_s": 21'))
    seen = len(stage.operator.messages)
    assert counts(stage.deploy("--config", config))[0] == 1
    stage.wait_report("INIT", since=seen)
    config.write_text(changed.replace('"watchdog_s": 20', '"language": "zh"'))
    seen = len(stage.operator.messages)
    assert counts(stage.deploy("--config", config))[0] == 2 and "lib/device/texts_zh.mpy" in list_files(stage)
    stage.wait_report("INIT", since=seen)
    config.write_text(changed.replace('"watchdog_s": 20', '"watchdog_s": -1'))
    shown = stage.deploy("--config", config, code=1)
    assert "configuration: bad value for 'watchdog_s': 0 to 86400" in shown


def test_the_other_form_of_a_module_goes_away(make_bare):
    """MicroPython would take an old x.py before a new x.mpy."""
    stage = make_bare(umqtt=False)
    stage.provision("--source")
    files = list_files(stage)
    assert {"lib/device/agent.py", "lib/umqtt/simple.py", "main.py"} <= files
    sent, _ = counts(stage.deploy())
    assert sent == USED + 1
    files = list_files(stage)
    assert {"lib/device/agent.mpy", "lib/umqtt/simple.mpy"} <= files
    assert not [name for name in files if name.startswith("lib/") and name.endswith(".py")]
    stage.wait_report("INIT")


def test_what_fails_on_the_board_is_told_in_the_sources_names(make_bare):
    module, names = next((module, names) for module, names in firmware.short_names().short.items() if names)
    name, short = next(iter(names.items()))
    code = f"def {short}():\n    None.{short}\n{short}()"
    with Session(make_bare().board.url) as board, pytest.raises(BoardError, match=f"no attribute '{name}'"):
        board.run(f"exec(compile({code!r}, '{module}', 'exec'))")


def test_what_is_the_users_own_stays(make_bare, tmp_path: Path):
    app = tmp_path / "app"
    app.mkdir()
    for name, text in APP.items():
        (app / name).write_text(text)
    stage = make_bare()
    stage.provision("--app", app)
    stage.board.wait_for("blinking 5 Hz")
    assert {"lib/blink.mpy", "rate.txt"} <= list_files(stage)
    assert "kept your own main.py" in stage.deploy()
    assert "kept" not in stage.deploy("--overwrite")
    with Session(stage.board.url) as board:
        board.load("store")
        assert board.call("first_line", "main.py").startswith('"""Run the agent')


def test_a_copy_that_fails_changes_nothing(make_bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The cable is pulled and the power goes while the package is copied; then it is done again, so slowly
    that it takes longer than the watchdog of the agent that was interrupted waits."""
    stage = make_bare(config={"watchdog_s": WATCHDOG_S})
    stage.provision()
    stage.wait_report("INIT")
    seen = len(stage.operator.messages)
    before = stage.board.operations()
    command = [sys.executable, "-m", "tools", "deploy", stage.board.url, "--source"]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as copying:
        acts.until(lambda: stage.board.operations() >= before + 100, "some of the package on the board")
        stage.board.cut_power()
        stage.board.unplug()
        shown, _ = copying.communicate(timeout=acts.PATIENCE_S)
    assert copying.returncode == 1 and b"has fallen silent" in shown, shown
    stage.board.power_on()
    stage.wait_report("INIT", since=seen)
    seen = len(stage.operator.messages)
    files = list_files(stage)
    assert "lib/device.new/agent.py" in files
    assert "lib/device/agent.mpy" in files and "lib/device/agent.py" not in files
    stage.wait_report("INIT", since=seen)
    _check_longer_than_the_watchdog(stage, tmp_path / "app", monkeypatch)


def _check_longer_than_the_watchdog(stage, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a slow line, so that it takes that long on the fastest machine."""
    typed, needed_s = stage.board._type, stage.configuration()["watchdog_s"] + 1
    slow = itertools.repeat(needed_s / SLOW_PIECES, SLOW_PIECES)
    monkeypatch.setattr(stage.board, "_type", lambda data: (time.sleep(next(slow, 0)), typed(data)))
    app.mkdir()
    (app / "data.bin").write_bytes(bytes(DATA_SIZE))
    boots, seen, started = stage.board.boots, len(stage.operator.messages), time.monotonic()
    stage.deploy("--source", "--app", app)
    assert time.monotonic() - started > needed_s
    stage.wait_report("INIT", since=seen)
    assert stage.board.boots == boots + 1
    files = list_files(stage)
    assert "lib/device/agent.py" in files and not [name for name in files if "device.new" in name]


def test_too_little_room_is_said_before_anything_is_copied(make_bare):
    stage = make_bare(vfs_size=0x20000)
    shown = tools("provision", stage.board.url, *stage.settings(), code=1)
    assert "KiB free" in shown and "mpremote fs rm" in shown
    assert "main.py" not in list_files(stage)


def test_each_power_cut_in_the_switch_leaves_a_whole_package():
    """onboard/store.py alone, on LittleFS in RAM: cut at each write and erase of commit()."""
    script = Path(__file__).with_name("storecuts.py")
    paths = [REPO / "tools" / "realboard" / "onboard", simboard.ONBOARD, simboard.MICROPYTHON]
    done = subprocess.run(
        [*runtimes.interpreter("mp32"), "-X", "heapsize=8M", str(script)], capture_output=True, text=True,
        timeout=acts.PATIENCE_S, env={"MICROPYPATH": ":".join(map(str, paths)) + ":.frozen"},
    )  # fmt: skip
    cases = re.findall(r"^(\w+): (\d+) cuts, (\d+) times old, (\d+) times new$", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and len(cases) == 3, done.stdout + done.stderr
    assert [name for name, *_ in cases] == ["lib", "root", "nowhere"]
    assert all(int(old) > 0 < int(new) and int(old) + int(new) == int(cuts) for _, cuts, old, new in cases)
