"""The commands as a user types them: demo in its variants, keys, build, sign, board."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from pace import HANG_S

from device import errors
from tools.image import images

REPO = Path(__file__).resolve().parents[2]
MAC = "286DCE32AF70"


def tools(*arguments: object, code: int | None = 0) -> str:
    """What `python3 -m tools ...` prints; its exit code must be `code`, None = any."""
    command = [sys.executable, "-m", "tools", *map(str, arguments)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=HANG_S)
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "options",
    ["", "--runtime mp64 --transport http", "--runtime cpython", "--poll", "--boot w80x"],
)
def test_demo(options):
    shown = tools("demo", *options.split())
    assert "version before: 1.0.0" in shown and "version after:  1.0.1" in shown
    assert "OTA progress:4-50%" in shown and "intact in the slot" in shown and "NOT intact" not in shown


@pytest.mark.code(errors.ROLLED_BACK)
def test_demo_of_an_image_for_another_machine(tmp_path):
    """As the vendor's own: an xz body, a version that no offer can name, machine code of a W800."""
    body = random.Random(2).randbytes(556504)
    path = tmp_path / "w800.img"
    path.write_bytes(images.wm_image(body, "2.0.5dev", attributes=1 << 20))
    shown = " ".join(tools("demo", "--image", path).split())
    assert "let the offer's 2.0.5 stand" in shown
    assert "W/ota" in shown and "names no usable version: the offer's 2.0.5 stands" in shown
    assert "556,568 intact in the slot" in shown
    assert f"rolled back, {errors.ROLLED_BACK} was reported" in shown


def test_keys_build_sign_board(tmp_path):
    keys = tmp_path / "keys"
    assert f"made {keys}/sign.key.pem" in tools("keys", keys, "--device", MAC)
    image = tmp_path / "lamp.img"
    shown = tools("build", "--version", "1.2.0", "--kind", "esp32", "--board", "lamp", "--output", image)
    assert "1.2.0 for lamp" in shown
    url = "https://files.example/lamp.img"
    offer = json.loads(tools("sign", image, "--key", keys / "sign.key.pem", "--https-url", url))
    assert offer["version"] == "1.2.0" and offer["size"] == image.stat().st_size
    config = tmp_path / "ota.json"
    settings = {"wifi": [["a", "password"]], "broker": "mqtts://localhost:1", "board": "lamp"}
    config.write_text(json.dumps(settings))
    board = ["simboard", tmp_path / "board", "--seconds", "2"]
    made = ["--config", config, "--certs", keys / "devices" / MAC, "--image", image]
    shown = tools(*board, *made)
    assert "1.2.0 build at" in shown and f"{errors.CONNECTION_FAILED} Connection failed" in shown
    assert "boot: running slot ota_0" in tools(*board)


def test_sign_appends_a_trailer_to_any_file(tmp_path):
    keys = tmp_path / "keys"
    tools("keys", keys)
    firmware = tmp_path / "firmware.bin"
    firmware.write_bytes(b"\x01" * 5000)
    sign = ["sign", firmware, "--key", keys / "sign.key.pem", "--http-url", "http://h/f"]
    assert "needs --board" in tools(*sign, "--version", "2.1.0", code=1)
    assert "`sign --kind raw`" in tools(*sign, "--version", "2.1.0", "--board", "lamp", code=1)
    sign += ["--kind", "raw"]
    assert "give --version" in tools(*sign, code=1)
    tools(*sign, "--version", "2.1.0", "--board", "lamp")
    signed = (tmp_path / "firmware-2.1.0.img").read_bytes()
    trailer = images.read_trailer(signed)
    assert signed.startswith(b"\x01" * 5000) and trailer and trailer["board"] == "lamp"
    assert "exists" in tools(*sign, "--version", "2.1.0", "--board", "lamp", code=1)


@pytest.mark.parametrize(
    "command", ["demo", "test", "simboard", "keys", "build", "sign", "serve", "push", "devices"]
)
def test_help(command):
    shown = tools(command, "--help")
    assert f"python3 -m tools {command}" in shown and len(shown.splitlines()) > 4


def test_one_line_errors(tmp_path):
    none = tmp_path / "none"
    for words in (
        ["nonsense"], ["board", none], ["simboard", none], ["demo", "--image", none], ["devices", none],
        ["push", none, "--all"],
        ["serve", none, "--keys", none], ["serve", none, "--keys", none, "--broker", "http://x"],
        ["serve", none, "--keys", none, "--address", "0.0.0.0"],
    ):  # fmt: skip
        shown = tools(*words, code=1)
        assert shown.startswith("error: ") and len(shown.splitlines()) == 1, shown
