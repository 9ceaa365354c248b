"""Twenty boards updated at once by the commands a user types, two of which must not take the image; and the
page in a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import steps

from device import errors
from tools.bench import swarm
from tools.image import firmware
from tools.keys import keyfiles
from tools.programs import cache, chromium
from tools.simboard.factory import create
from tools.testbed.served import Served

MACS = [f"286DCE3200{number:02}" for number in range(1, 21)]
STRANGERS = (MACS[4], MACS[12])  # of another product: the image is not for them
HOSTILE = "286DCE3200FF"
SCRIPT = "<img src=x onerror=\"document.title='owned'\">"
LIMIT_S = steps.PATIENCE_S
# From then on the page itself counts the bars that it shows at a time: nobody else sees each of its states.
WATCH = """
var mostBars = 0;
new MutationObserver(() => {
    const bars = [...document.querySelectorAll('tr[data-state=downloading] .bar i')];
    mostBars = Math.max(mostBars, bars.filter(bar => parseFloat(bar.style.width) > 0).length);
}).observe(document.body, {subtree: true, childList: true, attributes: true});
"""
ROWS = "[...document.querySelectorAll('#devices tr')]"


def tools(*arguments: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "tools", *map(str, arguments)]
    done = subprocess.run(command, cwd=cache.REPO, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """keys/, lamp.img of a real size, lamp.json, and ota.json but for the port."""
    folder = tmp_path_factory.mktemp("fleet")
    tools("keys", folder / "keys", "--device", *MACS)
    (folder / "app").mkdir()
    (folder / "app" / "picture.bin").write_bytes(random.Random(1).randbytes(1024 * 1024))
    build = ["build", "--version", "1.0.1", "--kind", "esp32", "--board", "lamp", "--app", folder / "app"]
    tools(*build, "--output", folder / "lamp.img")
    key = folder / "keys" / "sign.key.pem"
    tools("sign", folder / "lamp.img", "--key", key, "--output-offer", folder / "lamp.json")
    yield folder


@contextlib.contextmanager
def boards(place: Path, port: int) -> Iterator[None]:
    """`simboard --count 20`; the strangers among them are there already."""
    broker = f"mqtts://localhost:{port}"
    config = {"wifi": [["home", "correct horse"]], "broker": broker, "ntp_hosts": ["127.0.0.1"]}
    (place / "ota.json").write_text(json.dumps({**config, "board": "lamp"}))
    (place / "boards").mkdir()
    for mac in STRANGERS:
        image = firmware.build_image("1.0.0", "esp32", "heater")
        certificates = place / "keys" / "devices" / mac
        create(place / "boards" / mac, image, {**config, "board": "heater"}, certificates, mac=mac)
    command = [sys.executable, "-m", "tools", "simboard", str(place / "boards"), "--count", "20"]
    command += ["--config", str(place / "ota.json"), "--certs", str(place / "keys" / "devices")]
    with (place / "boards.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=cache.REPO, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
        print((place / "boards.log").read_text()[-20_000:])  # shown if the test has failed


def test_twenty_boards_at_once_and_two_that_must_not(place: Path) -> None:
    with (
        Served(place / "server", place / "keys") as served,
        boards(place, served.mqtt_port),
        chromium.Browser(keyfiles.read_certificate(place / "keys" / "files.crt.pem")) as browser,
    ):
        browser.open(served.page.replace("#", "#x"))
        browser.wait_for("document.getElementById('link')?.textContent == 'wrong token'")
        assert browser.evaluate(f"{ROWS}.length") == 0
        browser.open("about:blank")
        browser.open(served.page)
        online = f"{ROWS}.filter(row => row.children[1].textContent == '1.0.0').length == 20"
        browser.wait_for(online, LIMIT_S)
        browser.evaluate(WATCH)
        pushing = _push(place, "--jitter", "1")
        _watch(browser)
        shown, _ = pushing.communicate(timeout=LIMIT_S)
        assert pushing.returncode == 1, shown
        assert "done; 18 confirmed, 2 failed" in shown
        _check_page(browser)
        _check_devices(place)
        _let_one_report_a_script(place, served)
        browser.wait_for(f"{ROWS}.some(row => row.children[1].textContent.startsWith('<img src=x'))")
        assert browser.evaluate("document.title") == "OTA fleet"
        assert browser.evaluate("document.querySelectorAll('img, #devices script').length") == 0


def _push(place: Path, *options: str) -> subprocess.Popen:
    words = [str(place / name) for name in ("server", "lamp.img", "lamp.json")]
    command = [sys.executable, "-m", "tools", "push", *words, "--device", *MACS, *options]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=cache.REPO, text=True, **both)


def _watch(browser: chromium.Browser) -> None:
    """The page moves by itself: bars come, and then errors."""
    browser.wait_for("mostBars >= 2", LIMIT_S)
    states = f"{ROWS}.map(row => row.dataset.state)"
    browser.wait_for(f"{states}.includes('failed') && {states}.includes('confirmed')", LIMIT_S)
    picture = browser.screenshot()
    assert picture.startswith(b"\x89PNG")
    if os.environ.get("FLEET_PNG"):  # for the README
        Path(os.environ["FLEET_PNG"]).write_bytes(picture)


def _check_page(browser: chromium.Browser) -> None:
    over = "['confirmed', 'failed'].includes(row.dataset.state)"
    browser.wait_for(f"{ROWS}.every(row => {over})")
    browser.wait_for("document.getElementById('pushes').textContent.includes('18 confirmed, 2 failed')")
    cells = "[row.dataset.mac, [row.dataset.state, row.children[5].textContent]]"
    rows = browser.evaluate(f"Object.fromEntries({ROWS}.map(row => {cells}))")
    for mac in MACS:
        if mac in STRANGERS:
            assert rows[mac] == ["failed", f"Wrong board ({errors.WRONG_BOARD})"]
        else:
            assert rows[mac] == ["confirmed", ""]


def _check_devices(place: Path) -> None:
    rows = {row["mac"]: row for row in json.loads(tools("devices", place / "server", "--json"))["devices"]}
    size = (place / "lamp.img").stat().st_size
    for mac in MACS:
        row = rows[mac]
        if mac in STRANGERS:
            assert (row["state"], row["version"], row["code"]) == ("failed", "1.0.0", errors.WRONG_BOARD)
        else:
            assert (row["version"], row["slot"], row["progress"]) == ("1.0.1", "ota_1", 100)
            assert row["state"] == "confirmed" and row["bytes"] >= size
    table = tools("devices", place / "server")
    assert table.count(f"Wrong board ({errors.WRONG_BOARD})") == 2 and "done; 18 confirmed" in table


def _let_one_report_a_script(place: Path, served: Served) -> None:
    async def report() -> None:
        (device,) = swarm.certify(place / "keys", [HOSTILE], place / "clients")
        await device.connect(served.mqtt_port)
        device.say(
            "firmware/report", {"type": "INIT", "version": SCRIPT, "build_time": SCRIPT, "slot": SCRIPT}
        )
        await device.heard()
        await device.close()

    asyncio.run(report())
    steps.until(
        lambda: SCRIPT in tools("devices", place / "server", "--json").replace("\\", ""), "its report"
    )
