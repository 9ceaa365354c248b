"""The README's programs as main.py of a simulated board: each does its work, and is updated meanwhile."""

from __future__ import annotations

import re
import shlex
import time

from e2e.test_commands import REPO, tools

from tools.stage import WIFI

README = (REPO / "README.md").read_text()
PIN_CHANGES_WORD = 12  # of the words in onboard/panel.py


def program(mark: str) -> str:
    """The only Python block with this text in it that is a whole program."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (found,) = [block for block in blocks if mark in block and "gc.threshold" in block]
    return found


def update(stage, make_app, source: str) -> None:
    """The program runs as 1.0.0 and then as 1.0.1."""
    image = stage.build("1.0.1", make_app(source))
    stage.push(stage.offer(image, "1.0.1"))
    assert stage.wait_report("UPDATE").data["version"] == "1.0.1"


def blinks(stage) -> None:
    """Also after the update."""
    stage.board.wait_for("confirmed 1.0.1")
    before = stage.board.counter(PIN_CHANGES_WORD)
    deadline = time.monotonic() + 10
    while stage.board.counter(PIN_CHANGES_WORD) < before + 3:
        assert time.monotonic() < deadline, "the lamp does not blink"
        time.sleep(0.05)


def test_the_lamp_that_polls(make_stage, make_app):
    source = program("led.value(not led.value())\n    until")
    stage = make_stage(app=make_app(source))
    stage.board.power_on()
    stage.wait_report("INIT")
    update(stage, make_app, source)
    blinks(stage)


def test_the_lamp_with_asyncio(make_stage, make_app):
    source = program("asyncio.run(main())")
    stage = make_stage(app=make_app(source))
    stage.board.power_on()
    stage.wait_report("INIT")
    update(stage, make_app, source)
    blinks(stage)


def test_the_sensor_that_sleeps(make_stage, make_app):
    """The offer comes while it sleeps; it is awake until the new image is confirmed, then it sleeps again."""
    source = program("machine.deepsleep")
    assert "30_000" in source and "600_000" in source
    source = source.replace("30_000", "1_500").replace("600_000", "1_000")
    stage = make_stage(app=make_app(source))
    stage.board.power_on()
    stage.wait_report("INIT")
    stage.board.wait_for("deep sleep")
    update(stage, make_app, source)
    confirmed = stage.board.lines.index(stage.board.wait_for("confirmed 1.0.1"))
    stage.board.wait_for("deep sleep", start=confirmed)
    stage.board.wait_for("1.0.1 build", start=confirmed)  # what wakes is the new image
    lines = "\n".join(stage.board.lines)
    assert not re.search(r"ota reboot.*\n(?!boot: )", lines), "something came between commit and restart"


def test_the_section_on_a_real_board(make_bare):
    """Its lines with the port and the servers of the test, then the board reports."""
    section = README.split("\n## On a real board\n")[1].split("\n## ")[0]
    lines = re.findall(r"^python3 -m tools (.*)$", section, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["provision", "doctor"]
    stage = make_bare()
    places = {"socket://localhost:2323": stage.board.url, "localhost": f"localhost:{stage.broker.port}"}
    given = [[places.get(word, word) for word in shlex.split(line)] for line in lines]
    assert given[0][3:5] == list(WIFI)
    config = stage.folder / "common.json"
    config.write_text('{"ntp_hosts": ["127.0.0.1"]}')
    tools(*given[0], "--keys", stage.keys, "--config", config)
    stage.wait_report("INIT")
    assert "nothing stands in the way" in tools(*given[1])
