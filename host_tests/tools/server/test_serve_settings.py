"""What `serve` is told and cannot be: refused at its start, in a line, before a board finds out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pace
import pytest

from tools.commands import serve
from tools.errors import ToolError
from tools.programs import cache
from tools.server.settings import LONGEST_URL, Settings

BAD_URLS = (
    "HTTPS://files.example/fw", "Http://files.example", "ftp://files.example", "files.example/fw", "",
    "https://", "https:///fw", "https://files.example/f w", " https://files.example",
    "https://files.example/ ",
    "https://user:pw@files.example/", "https://user@files.example/", "https://[::1]/fw",
    "https://[::1]:8443",
    "https://files.example:99999/", "https://files.example:0/", "https://files.example:x/", "https://a:1:2/",
    "https://files.example/?token=x", "https://files.example/fw?", "https://files.example/#here",
    "https://files.example/f\u00fc", "https://files.example/\n", "https://files.example/<a>",
    "https://files.example/\\fw", f"https://files.example/{'x' * LONGEST_URL}", f"https://{'h' * 254}/",
)  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_place_for_files_that_no_board_would_take(keys: Path, tmp_path: Path, url: str) -> None:
    with pytest.raises(ToolError) as refused:
        Settings(tmp_path / "server", keys / "server", files_url=url).check()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["https://files.example", "https://files.example/", "http://10.0.0.7:8080/a/b", "https://h/%20x",
     f"https://files.example/{'x' * (LONGEST_URL - 22)}"],
)  # fmt: skip
def test_the_others_are_taken(keys: Path, tmp_path: Path, url: str) -> None:
    Settings(tmp_path / "server", keys / "server", files_url=url).check()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mqtt_port": 99999}, "--mqtt-port 99999 is not a port"), ({"http_port": -1}, "--http-port -1"),
        ({"https_port": 8080}, "given twice"), ({"prefix": "a/+"}, "--prefix"), ({"prefix": ""}, "--prefix"),
        ({"prefix": "x\nuser y"}, "--prefix"), ({"name": "[::1]"}, "--name"),
        ({"name": "my server"}, "--name"),
    ],
)  # fmt: skip
def test_other_settings(keys: Path, tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        Settings(tmp_path / "server", keys / "server", **change).check()


@pytest.mark.parametrize(
    "url", ["mqtts://h:0", "mqtts://h:99999", "mqtts://u:p@h", "mqtt://h", "mqtts://h/x", "h"]
)
def test_a_broker_that_is_not_one(url: str) -> None:
    with pytest.raises(ToolError, match="give mqtts://HOST:PORT"):
        serve._broker(url)
    assert serve._broker("mqtts://h") == ("h", 8883) and serve._broker("mqtts://h:1/") == ("h", 1)


def test_the_command_says_it_in_a_line(keys: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools", "serve", str(tmp_path / "server"), f"--keys={keys / 'server'}"]
    result = subprocess.run(
        [*command, "--files-url=HTTPS://files.example"], cwd=cache.REPO, capture_output=True, text=True,
        timeout=pace.HANG_S,
    )  # fmt: skip
    assert result.returncode != 0 and result.stdout == "" and result.stderr.count("\n") == 1
    assert "in small letters" in result.stderr and not (tmp_path / "server").exists()
