"""ota.json on the host: checked by the board's own table, and written so that a board reads the same."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from rich.console import Console

from tools.cli import configfile
from tools.commands import deploy, provision
from tools.errors import ToolError

GOOD = {"wifi": [["Küche 🍳", "geheim 🔑 123"]], "broker": "mqtts://broker:8883", "board": "lamp 💡"}


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    raw = configfile.dump(GOOD)
    assert b"\\u" not in raw and "geheim 🔑 123".encode() in raw
    path = tmp_path / "ota.json"
    for before in (b"", b"\xef\xbb\xbf"):  # a byte order mark, as Windows writes it
        path.write_bytes(before + raw)
        assert configfile.read(path) == GOOD
    path.write_text(json.dumps(GOOD))
    assert configfile.dump(configfile.read(path)) == raw


def test_half_a_character_is_refused_in_one_line() -> None:
    with pytest.raises(ToolError, match="half a character"):
        configfile.dump(GOOD | {"board": "lamp \ud83d"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wifi": [["x" * 36, "12345678"]]}, "1 to 32 bytes"),
        ({"wifi": [["home", "12345"]]}, "8 to 63"),
        ({"wifi": [["home"]]}, r"\[name, password\]"),
        ({"broker": "mqtts://[::1]:8883"}, "IPv6 is not supported"),
        ({"ntp_hosts": ["::1"]}, "IPv6 is not supported"),
        ({"broker_password": "t" * 4097}, "0 to 4096"),
        ({"brokre": "x"}, "unknown key 'brokre'"),
    ],
)
def test_what_a_board_would_refuse_is_refused_before_it_is_sent(
    changes: dict, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ToolError, match=words):
        configfile.check(GOOD | changes)
    path = tmp_path / "ota.json"
    path.write_bytes(configfile.dump(GOOD | changes))
    with pytest.raises(ToolError, match=words):
        deploy.run(argparse.Namespace(certs=None, config=path, port="/dev/nowhere"))
    given = argparse.Namespace(
        ports=["/dev/nowhere"], config=path, wifi=None, server=None, board=None, keys=Path("nowhere")
    )
    with pytest.raises(ToolError, match=words):
        provision.run(given)


def test_what_a_board_takes() -> None:
    configfile.check(GOOD)
    configfile.check(GOOD | {"format": 3, "of the future": 1})
    configfile.check(GOOD | {"broker_password": "t" * 4096, "wifi": [["home", "0f" * 32], ["open", ""]]})


def test_a_server_by_ipv6() -> None:
    for server in ("::1", "[::1]", "[fe80::1]:8883"):
        with pytest.raises(ToolError, match="IPv6 is not supported"):
            provision.complete({}, argparse.Namespace(wifi=[["a", ""]], server=server, board="b"), Console())


def test_the_format_is_said_where_a_board_of_before_needs_it() -> None:
    assert json.loads(configfile.dump(GOOD)) == GOOD
    for key, value in (("file_hosts", ["files"]), ("download_limit_s", 60), ("refuse_s", 60)):
        config = GOOD | {key: value}
        configfile.check(json.loads(configfile.dump(config)))
        assert json.loads(configfile.dump(config)) == config | {"format": 2}
        assert json.loads(configfile.dump(config | {"format": 1})) == config | {"format": 1}
