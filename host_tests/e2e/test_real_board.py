"""A bare board on a serial line, real mpremote: provisioned, deployed, looked at; then it updates itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e.conftest import FAST
from e2e.test_commands import tools

from tools import firmware, images, romfs
from tools.simboard.factory import create_bare
from tools.simboard.replboard import ReplBoard
from tools.stage import BOARD, MAC, WIFI, Stage


class BareStage(Stage):
    """Servers as in every stage; the board comes from the shop and has a serial line."""

    def _make_board(self) -> ReplBoard:
        create_bare(self.folder / "board", mac=MAC, networks=dict([WIFI]), **self._board_options)
        board = ReplBoard(self.folder / "board")
        board.use_ntp(None, self.ntp.port)
        return board


@pytest.fixture
def make_bare(tmp_path: Path):
    made = []

    def make(**options: object) -> BareStage:
        stage = BareStage(tmp_path / "stage", **options)
        made.append(stage.__enter__())
        stage.board.power_on()
        return stage

    yield make
    for stage in made:
        stage.__exit__()


def provision(stage: BareStage, *options: object) -> str:
    config = stage.folder / "common.json"
    config.write_text(json.dumps(FAST | {"ntp_hosts": ["127.0.0.1"], "watchdog_s": 20}))
    server = f"localhost:{stage.broker.port}"
    return tools(
        "provision", stage.board.url, "--keys", stage.keys, "--wifi", *WIFI, "--server", server,
        "--board", BOARD, "--config", config, *options,
    )  # fmt: skip


def test_provisioned_board_takes_updates(make_bare):
    """First of the interpreter alone, then of one that has the package frozen in."""
    stage = make_bare()
    assert f"board {MAC}" in provision(stage)
    assert stage.wait_report("INIT").data["version"] == "0.0.0"

    bare = images.wrap("esp32", romfs.pack({"README": b"newer MicroPython"}), "1.0.0")
    bare = images.add_trailer(bare, "1.0.0", BOARD, firmware.default_build_time())
    stage.push(stage.offer(bare, "1.0.0"))
    assert stage.wait_report("UPDATE").data["version"] == "1.0.0"

    seen = len(stage.operator.messages)
    stage.push(stage.offer(stage.build("1.0.1"), "1.0.1"))
    assert stage.wait_report("UPDATE", since=seen).data["version"] == "1.0.1"
    assert "holds the package itself" in tools("deploy", stage.board.url)
