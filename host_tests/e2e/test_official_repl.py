"""The official build of MicroPython whose REPL is the C code of boards, in WebAssembly under Node: it and the
simulated board answer alike, and `deploy` does its work on it."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.programs import webassembly
from tools.realboard import payload
from tools.realboard.deployment import Deployment
from tools.realboard.payload import Payload
from tools.realboard.session import BoardError, Session

*OTHERS, NEWEST = webassembly.RELEASES
BRIDGE = Path(__file__).with_name("wasmrepl.mjs")
ANSWER_LIMIT_S = 120

# What is typed, and what ends the answer. ^A raw mode, ^B friendly, ^C forget the line, ^D run it, or reset.
CONVERSATION = (
    (b"\x01", b">"),
    (b"print(1)\x04", b"\x04>"),
    (b"x = 5\x04", b"\x04>"),
    (b"print(x, '\\xe4')\nprint(6)\x04", b"\x04>"),
    (b"def f():\n    1 / 0\nf()\x04", b"\x04>"),
    (b"this is not Python\x04", b"\x04>"),
    (b"half a line\x03print(2)\x04", b"\x04>"),
    (b"\x01", b">"),
    (b"\x05B\x01", b">"),
    (b"\x04", b"exit\r\n>"),
    (b"print(x)\x04", b"\x04>"),
    (b"\x02", b">>> "),
    (b"\x01", b"exit\r\n>"),
)


OLDER = [pytest.param(name, marks=pytest.mark.sample(6)) for name in OTHERS]


@pytest.fixture(scope="module", params=[NEWEST, *OLDER])
def official(request: pytest.FixtureRequest) -> Iterator[int]:
    """The TCP port of the official build's REPL, of each release."""
    *node, _, module = webassembly.argv(request.param)
    command = [*node, str(BRIDGE), module]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


def converse(port: int) -> list[str]:
    """The answers to CONVERSATION, without what may differ: the version, and where in a file an error was."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), ANSWER_LIMIT_S) as line:
        line.sendall(b"\r\x03")
        time.sleep(0.5)
        line.recv(4096)
        for typed, end in CONVERSATION:
            line.sendall(typed)
            answer = b""
            while not answer.endswith(end):
                piece = line.recv(4096)
                assert piece, answer
                answer += piece
            text = re.sub(rb'MicroPython v.*?\r\n|Type "help.*?\r\n|  File .*?\r\n', b"", answer)
            answers.append(text.decode().replace("\r\n", "\n"))  # a terminal's line ends, on boards only
    return answers


def test_both_answer_alike(official, make_unprovisioned):
    testbed = make_unprovisioned()
    testbed.board.wait_for("help()")
    answers = converse(testbed.board.port)
    assert answers == converse(official)
    assert "ZeroDivisionError" in answers[4] and answers[6] == "OK2\n\x04\x04>"


def test_deploy_on_the_official_build(official):
    """Its file system, its .mpy loader and its REPL are boards' own; it has no network and no esp32."""
    wanted = Payload(payload.package(source=False), payload.starters())
    with Session(f"socket://127.0.0.1:{official}") as board:
        with pytest.raises(BoardError, match="ZeroDivisionError: divide by zero"):
            board.run("1/0")
        for expected in ((len(wanted.package) + 2, 0), (0, len(wanted.package) + 2)):
            deployment = Deployment(board, lambda done, total: None)
            deployment.check_mpy()
            result = deployment.put(wanted)
            assert (len(result.sent), len(result.unchanged)) == expected
        assert board.run("from device import strict\nprint(strict.version('1.2.3'))").strip() == "(1, 2, 3)"
