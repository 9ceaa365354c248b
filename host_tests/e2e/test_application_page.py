"""The programs of device/APPLICATION.md as main.py of a simulated board: each works, and is updated."""

from __future__ import annotations

import re

import steps
from e2e.test_commands import REPO
from e2e.test_walkthrough import Terminal, clone  # noqa: F401

from tools.server.broker import free_port

PROGRAMS = (REPO / "device" / "APPLICATION.md").read_text()
PAGE = (REPO / "tools" / "realboard" / "README.md").read_text()
PIN_CHANGES_WORD = 12  # of the words in onboard/sharedmemory.py


def program(mark: str) -> str:
    """The only Python block with this text in it that is a whole program."""
    blocks = re.findall(r"```python\n(.*?)```", PROGRAMS, re.DOTALL)
    (found,) = [block for block in blocks if mark in block and "gc.threshold" in block]
    return found


def update(testbed, make_app, source: str) -> None:
    """The program runs as 1.0.0 and then as 1.0.1."""
    image = testbed.build("1.0.1", make_app(source))
    testbed.push(testbed.offer(image, "1.0.1"))
    assert testbed.wait_report("UPDATE").data["version"] == "1.0.1"


def blinks(testbed) -> None:
    """Also after the update."""
    testbed.board.wait_for("confirmed 1.0.1")
    before = testbed.board.counter(PIN_CHANGES_WORD)
    steps.until(lambda: testbed.board.counter(PIN_CHANGES_WORD) >= before + 3, "the lamp blinks")


def test_the_program_of_the_readme(make_testbed, make_app):
    readme = (REPO / "README.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    testbed = make_testbed(app=make_app(source))
    testbed.board.power_on()
    testbed.wait_report("INIT")
    update(testbed, make_app, source)


def _check_lamp(make_testbed, make_app, source):
    testbed = make_testbed(app=make_app(source))
    testbed.board.power_on()
    testbed.wait_report("INIT")
    update(testbed, make_app, source)
    blinks(testbed)


def test_the_lamp_that_polls(make_testbed, make_app):
    _check_lamp(make_testbed, make_app, program("led.value(not led.value())\n    until"))


def test_the_lamp_with_asyncio(make_testbed, make_app):
    _check_lamp(make_testbed, make_app, program("asyncio.run(main())"))


def test_the_sensor_that_sleeps(make_testbed, make_app):
    """The offer comes while it sleeps; it is awake until the new image is confirmed, then it sleeps again."""
    source = program("machine.deepsleep")
    assert "30_000" in source and "600_000" in source
    source = source.replace("30_000", "1_500").replace("600_000", "1_000")
    testbed = make_testbed(app=make_app(source))
    testbed.board.power_on()
    testbed.wait_report("INIT")
    testbed.board.wait_for("deep sleep")
    update(testbed, make_app, source)
    confirmed = testbed.board.lines.index(testbed.board.wait_for("confirmed 1.0.1"))
    testbed.board.wait_for("deep sleep", start=confirmed)
    testbed.board.wait_for("1.0.1 build", start=confirmed)  # what wakes is the new image
    lines = "\n".join(testbed.board.lines)
    assert not re.search(r"ota reboot.*\n(?!boot: )", lines), "something came between commit and restart"


def test_the_section_on_a_real_board_word_for_word(clone):  # noqa: F811
    """Three terminals; only the ports differ, because another program may have those of the page."""
    section = PAGE.split("\n## Provision, update, doctor\n")[1].split("\n## ")[0]
    text = re.findall(r"```\n(.*?)```", section, re.DOTALL)[0]
    serial, mqtt, servers, https, http = (free_port() for _ in range(5))
    text = text.replace("localhost:2323", f"localhost:{serial}").replace("--repl", f"--repl --port {serial}")
    text = text.replace("--server localhost", f"--server localhost:{mqtt}")
    options = f"--mqtt-port {mqtt} --servers-port {servers} --https-port {https} --http-port {http}"
    text = text.replace("--keys keys/server", f"--keys keys/server {options}")
    first, second, third = re.split(r"^# terminal \d.*\n", text, flags=re.MULTILINE)[1:]
    opened = []
    try:
        opened.append(board := Terminal(clone, first))
        board.wait_for("help()")
        opened.append(Terminal(clone, second, b"correct horse\n"))
        board.wait_for('"type": "INIT", "version": "0.0.0"')
        code, shown = Terminal(clone, third).end()
        assert code == 0 and "done; 1 confirmed" in shown and "nothing stands in the way" in shown, shown
        board.wait_for("confirmed 1.0.1")
    finally:
        for terminal in reversed(opened):
            terminal.ctrl_c()
