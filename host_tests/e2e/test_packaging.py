"""The package as the ecosystem expects it: mip on both sides, ROMFS, a manifest that freezes it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.test_commands import REPO, tools

from tools.image import firmware, romfs
from tools.programs import runtimes
from tools.realboard import payload
from tools.realboard.session import Session

PACKAGE = {f"device/{name}" for name in firmware.package_modules()}


def mpremote(*arguments: object) -> str:
    command = [sys.executable, "-m", "mpremote", *map(str, arguments)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index and this package, as an HTTP server gives them; the URL of its root."""
    root = tmp_path / "www"
    (root / "device").mkdir(parents=True)
    for path in (*firmware.package_modules().values(), firmware.REPO / "device" / "package.json"):
        (root / "device" / path.name).write_bytes(path.read_bytes())
    code = romfs.compile_module(runtimes.umqtt() / "umqtt" / "simple.py", "umqtt/simple.py")
    short = hashlib.sha256(code).hexdigest()[:8]
    (root / "pi" / "file" / short[:2]).mkdir(parents=True)
    (root / "pi" / "file" / short[:2] / short).write_bytes(code)
    described = {"v": 1, "version": "1.3.4", "hashes": [["umqtt/simple.mpy", short]], "deps": []}
    (root / "pi" / "package" / "6" / "umqtt.simple").mkdir(parents=True)
    (root / "pi" / "package" / "6" / "umqtt.simple" / "latest.json").write_text(json.dumps(described))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_package_json_names_every_module():
    described = json.loads((REPO / "device" / "package.json").read_text())
    assert {target for target, _ in described["urls"]} == PACKAGE
    assert all(target == f"device/{url}" for target, url in described["urls"])
    assert described["deps"] == [["umqtt.simple", "latest"]]


class Manifest:
    """The commands of MicroPython's manifest files, as tools/manifestfile.py there defines them."""

    def __init__(self) -> None:
        self.frozen: set[str] = set()
        self.required: list[str] = []
        self.opt: int | None = None

    def run(self, path: Path) -> None:
        names = {"metadata": lambda **_: None, "require": self.required.append, "package": self.package}
        self.folder = path.parent
        exec(path.read_text(), names)

    def package(self, package_path: str, files: tuple[str, ...], base_path: str, opt: int) -> None:
        self.opt = opt
        for name in files:
            assert (self.folder / base_path / package_path / name).is_file()
            self.frozen.add(f"{package_path}/{name}")


def test_the_manifest_freezes_every_module():
    manifest = Manifest()
    manifest.run(REPO / "device" / "manifest.py")
    assert (manifest.frozen, manifest.required, manifest.opt) == (PACKAGE, ["umqtt.simple"], 3)


def test_mpremote_mip_install_from_a_checkout(make_unprovisioned, index):
    """Then configuration, certificates and main.py, and the board reports."""
    testbed = make_unprovisioned(umqtt=False)
    install = ("mip", "install", "--index", f"{index}/pi", "device/package.json")
    shown = mpremote("connect", testbed.board.url, *install)
    assert "Installing: /lib/device/agent.py" in shown and "Installing: /lib/umqtt/simple.mpy" in shown
    others = 6 + 3 + 1  # certs/; ota.json, boot.py, main.py; umqtt, which comes as source now
    assert f"{others} files sent, 0 were there" in testbed.provision("--source")  # options went, so all moved
    testbed.wait_report("INIT")
    with Session(testbed.board.url) as board:
        board.load("store")
        found = {path.removeprefix("lib/") for path in board.call("list_files", "lib/device")}
    assert found == PACKAGE - {f"device/{name}" for name in payload.OPTIONS}


JOIN = """
import network, time
station = network.WLAN(network.STA_IF)
station.active(True)
station.connect("home", "correct horse")
while not station.isconnected():
    time.sleep_ms(20)
import mip
print(mip.__version__)
"""


def test_the_boards_own_mip(make_unprovisioned, index, tmp_path: Path):
    """mip 0.4 (MicroPython 1.25) knows relative URLs; Debian's 1.26 comes with 0.3, which gets full ones."""
    testbed = make_unprovisioned(umqtt=False)
    path = tmp_path / "www" / "device" / "package.json"
    with Session(testbed.board.url) as board:
        if board.run(JOIN).strip() < "0.4":
            described = json.loads(path.read_text())
            described["urls"] = [[place, f"{index}/device/{url}"] for place, url in described["urls"]]
            path.write_text(json.dumps(described))
        shown = board.run(f"mip.install('{index}/device/package.json', index='{index}/pi')")
        board.load("store")
        files = set(board.call("list_files", "lib"))
    assert "Done" in shown
    assert files == {f"lib/{name}" for name in PACKAGE} | {"lib/umqtt/simple.mpy"}


def test_romfs(make_unprovisioned, tmp_path: Path):
    """build --romfs makes what mpremote's own builder makes of the same files; a board runs from it."""
    image = tmp_path / "package.romfs"
    tools("build", "--romfs", "--output", image)
    folder = tmp_path / "romfs"
    files = {f"device/{name}": path for name, path in firmware.package_modules().items()}
    for name, content in firmware.contents(files, source=False).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    mpremote("romfs", "--no-mpy", "--output", tmp_path / "theirs.romfs", "build", folder)
    assert (tmp_path / "theirs.romfs").read_bytes() == image.read_bytes()

    testbed = make_unprovisioned(romfs_size=0x20000)
    assert "ROMFS image deployed" in mpremote("connect", testbed.board.url, "romfs", "deploy", image)
    mpremote("connect", testbed.board.url, "reset")
    assert "which comes first: it was not sent" in testbed.provision()
    testbed.wait_report("INIT")
    with Session(testbed.board.url) as board:
        assert "/rom/device" in board.run("import device\nprint(device.__file__)")
