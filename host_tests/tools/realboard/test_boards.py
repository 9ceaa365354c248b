"""The host's side of real boards without a board: ports, payloads, configurations, and doctor's checks."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from device import errors
from tools.commands import doctor, provision
from tools.errors import ToolError
from tools.image import firmware
from tools.realboard import checks_board, checks_identity, examination, findings, payload, ports
from tools.realboard.examination import Facts
from tools.realboard.findings import BAD, OK, SKIP, WARN
from tools.realboard.session import Session


def _ports(monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
    found = [SimpleNamespace(device=device, vid=0x10C4) for device in devices]
    found.append(SimpleNamespace(device="/dev/ttyS0", vid=None))  # no USB
    monkeypatch.setattr(ports.list_ports, "comports", lambda: found)


def test_the_only_board_on_usb_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _ports(monkeypatch, "/dev/ttyUSB0")
    assert ports.choose(None) == "/dev/ttyUSB0"
    assert ports.choose("socket://h:1") == "socket://h:1"
    _ports(monkeypatch, "/dev/ttyUSB0", "/dev/ttyACM0")
    with pytest.raises(ToolError, match="name one of /dev/ttyACM0, /dev/ttyUSB0"):
        ports.choose(None)
    _ports(monkeypatch)
    with pytest.raises(ToolError, match="plug it in"):
        ports.choose(None)


@pytest.mark.parametrize("port", ["socket://127.0.0.1:1", "/dev/no-such-port", "nonsense://x"])
def test_a_port_that_cannot_be_opened_is_told_in_a_line(port: str) -> None:
    with pytest.raises(ToolError, match="cannot open"), Session(port):
        pass


def test_a_payload_holds_the_whole_package_and_nothing_else() -> None:
    names = set(firmware.package_modules())
    assert set(payload.package(source=True)) == names
    compiled = payload.package(source=False)
    assert set(compiled) == {name.replace(".py", ".mpy") for name in names}
    assert all(content[0:1] == b"M" and content[1] == 6 for content in compiled.values())


def test_a_package_for_a_known_configuration_lacks_what_that_does_not_use() -> None:
    whole = set(payload.package(source=True))
    chinese = {"language": "zh", "image": "esp32"}
    assert set(payload.package(source=True, config={})) == whole - {"texts_zh.py", "wm.py"}
    assert set(payload.package(source=True, config=chinese)) == whole - {"wm.py"}
    assert set(payload.package(source=True, config={"image": "wm"})) == whole - {"texts_zh.py"}


def test_the_other_form_of_a_module_is_known() -> None:
    others = payload.other_forms(["lib/a.mpy", "lib/p/b.py", "main.py", "boot.py", "data.txt", "certs/x.der"])
    assert others == ["lib/a.py", "lib/p/b.mpy"]


def test_an_application_goes_where_firmware_comes_first(tmp_path: Path) -> None:
    for name in ("main.py", "lamp.py", "parts/led.py", "names.json", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    assert set(payload.application(tmp_path, source=False)) == {
        "main.py", "lib/lamp.mpy", "lib/parts/led.mpy", "names.json"
    }  # fmt: skip
    with pytest.raises(ToolError, match="cannot read .*nowhere"):
        payload.application(tmp_path / "nowhere", source=False)
    with pytest.raises(ToolError, match="tools keys"):
        payload.certificates(tmp_path)


@pytest.mark.parametrize("answer", [5, None, [], "ok", {}, {"code": -2}])
def test_an_answer_that_is_none_is_told(answer: object) -> None:
    """Such as of a thread on the board that prints between."""
    board = SimpleNamespace(call=lambda *_, **__: answer)
    told = examination.tried(board, "join")  # type: ignore[arg-type]
    assert told == {"code": 0, "detail": f"join answers {answer!r}"}


def test_an_answer_without_a_code_has_one() -> None:
    board = SimpleNamespace(call=lambda *_, **__: {"detail": 7})
    assert examination.tried(board, "join") == {"code": 0, "detail": "7"}  # type: ignore[arg-type]


def _arguments(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**({"wifi": None, "server": None, "board": None} | given))


def _console(answers: str = "") -> Console:
    return Console(file=io.StringIO(), force_terminal=False)


def test_options_come_on_top_of_the_file_and_nothing_is_asked() -> None:
    config = {"wifi": [["old", "x"]], "board": "lamp", "watchdog_s": 9}
    given = _arguments(wifi=[["net", "key"], ["net2", "key2"]], server="broker.example:8884")
    assert provision.complete(config, given, _console()) == {
        "wifi": [["net", "key"], ["net2", "key2"]], "board": "lamp", "watchdog_s": 9,
        "broker": "mqtts://broker.example:8884",
    }  # fmt: skip


def test_what_is_left_open_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["home", "secret", "10.0.0.2", "lamp"])
    asked = []

    def ask(question: str, password: bool = False, **_: object) -> str:
        asked.append((question, password))
        return next(answers)

    monkeypatch.setattr(provision.Prompt, "ask", ask)
    monkeypatch.setattr(provision.sys.stdin, "isatty", lambda: True, raising=False)
    config = provision.complete({}, _arguments(), _console())
    assert config == {"wifi": [["home", "secret"]], "broker": "mqtts://10.0.0.2:8883", "board": "lamp"}
    assert [password for _, password in asked] == [False, True, False, False]


@pytest.mark.parametrize("server", ["", ":8883", "host:port"])
def test_a_server_that_is_none(server: str) -> None:
    with pytest.raises(ToolError, match="HOST"):
        provision._broker(server)


SYSTEM = {
    "version": [1, 26, 1], "platform": "esp32", "machine": "ESP32", "mpy": 6,
    "files_free": 900_000, "epoch": 2000, "clock": 946684800,
}  # fmt: skip
PLENTY = {"used": 20_000, "free": 150_000, "radio": "", "regions": [[300_000, 200_000, 110_000, 200_000]]}
SLOTS = {
    "slots": [["ota_0", 0x180000, False], ["ota_1", 0x180000, False]],
    "running": "ota_0", "spare": "ota_1", "has_record": True, "can_confirm": True,
}  # fmt: skip


def _facts(**changes: object) -> Facts:
    facts = Facts(system=dict(SYSTEM), partitions=dict(SLOTS), places=["/lib"], main_py="import device")
    facts.memory = PLENTY
    facts.modules = dict.fromkeys(("umqtt.simple", "ntptime", "tls", "ssl", "hashlib", "deflate"), True)
    facts.host_time = 1_800_000_000
    for key, value in changes.items():
        if key in SYSTEM:
            facts.system[key] = value
        else:
            setattr(facts, key, value)
    return facts


def _levels(facts: Facts) -> dict[str, str]:
    return {name: check(facts).level for name, check in checks_board.CHECKS}


def test_a_good_board_has_no_line_that_is_not_ok() -> None:
    assert set(_levels(_facts()).values()) == {OK}


@pytest.mark.parametrize(
    ("changes", "line", "level"),
    [
        ({"version": [1, 23, 0]}, "MicroPython", BAD),
        ({"platform": "rp2"}, "MicroPython", WARN),
        ({"modules": {"umqtt.simple": True, "ntptime": True, "hashlib": True}}, "modules", BAD),
        ({"partitions": SLOTS | {"spare": ""}}, "slots", BAD),
        ({"partitions": SLOTS | {"has_record": False}}, "rollback", BAD),
        ({"partitions": SLOTS | {"slots": [["ota_0", 1, True]]}}, "flash encryption", BAD),
        ({"partitions": None}, "slots", SKIP),
        ({"files_free": 20_000}, "file system", BAD),
        ({"memory": PLENTY | {"regions": [[300_000, 20_000, 20_000, 9]]}}, "heap", WARN),
        ({"memory": PLENTY | {"radio": "RuntimeError('Wifi Unknown Error 0x0101')"}}, "heap", WARN),
        ({"memory": PLENTY | {"regions": []}, "places": [".frozen"]}, "heap", OK),
        ({"memory": PLENTY | {"regions": [], "free": 20_000}}, "heap", WARN),
        ({"clock": 1_800_000_000 + 7200}, "clock", BAD),
        ({"clock": 1_800_000_000 + 60}, "clock", OK),
        ({"places": []}, "package", BAD),
        ({"places": ["", ".frozen"], "is_built_in": True}, "package", WARN),
        ({"places": [".frozen", "/lib"], "is_built_in": True}, "package", WARN),
        ({"main_py": None}, "start", BAD),
        ({"main_py": None, "is_built_in": True}, "start", OK),
        ({"main_py": "print(1)"}, "start", WARN),
    ],
)
def test_each_check_of_the_board(changes: dict, line: str, level: str) -> None:
    found = {name: check(_facts(**changes)) for name, check in checks_board.CHECKS}
    assert found[line].level == level
    assert bool(found[line].cure) == (level in (BAD, WARN))


def test_a_copy_that_shadows_the_frozen_package_is_named_with_its_cure() -> None:
    finding = checks_board.package(_facts(places=["", ".frozen"], is_built_in=True))
    assert "/device shadows the one in .frozen" in finding.text and "rm -r :device" in finding.cure


def test_without_a_configuration_nothing_is_judged_by_it() -> None:
    found = [check(_facts()) for _, check in (*checks_identity.IDENTITY[1:], *checks_identity.SERVERS)]
    assert {finding.level for finding in found} == {SKIP}
    assert checks_identity.configuration(_facts()).level == BAD


@pytest.mark.parametrize(
    ("facts", "check", "words"),
    [
        (
            {"config": {"code": errors.INVALID_PARAM, "detail": "bad 'wifi'"}, "config_text": "{}"},
            "configuration",
            f"{errors.INVALID_PARAM} bad",
        ),
        ({"times": [["a", "OSError"], ["b", "OSError"]]}, "time_servers", "no answer from a, b"),
        ({"times": [["a", 1_800_000_000 + 999]]}, "time_servers", "another time"),
        ({"offer": None}, "offer", "cannot be checked"),
        ({"offer": {"code": errors.DOWNGRADE, "detail": "1.0.0"}}, "offer", f"{errors.DOWNGRADE} 1.0.0"),
    ],
)
def test_what_the_board_itself_says_is_red(facts: dict, check: str, words: str) -> None:
    finding = getattr(checks_identity, check)(_facts(**facts))
    assert finding.level == BAD and words in finding.text and finding.cure


def test_an_offer_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "offer.json"
    with pytest.raises(ToolError, match="cannot read the offer"):
        doctor._read(path)
    path.write_text("{")
    with pytest.raises(ToolError, match="cannot read the offer"):
        doctor._read(path)
    path.write_text('{\n "version": "1.0.0"\n}\n')
    assert json.loads(doctor._read(path)) == {"version": "1.0.0"} and "\n" not in doctor._read(path)


def test_every_level_has_a_mark() -> None:
    assert set(doctor.MARKS) == {findings.OK, findings.WARN, findings.BAD, findings.SKIP}
