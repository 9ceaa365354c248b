"""A testbed whose board is unprovisioned: stock MicroPython, an empty file system, a serial line."""

from __future__ import annotations

import json
from typing import Any

from e2e.test_commands import tools

from tools.simboard.factory import create_unprovisioned
from tools.simboard.replboard import ReplBoard
from tools.testbed.testbed import BOARD, MAC, WIFI, Testbed


class UnprovisionedTestbed(Testbed):
    """Servers as in every testbed. board_options: see simboard.factory.create_unprovisioned."""

    board: ReplBoard

    def _make_board(self) -> ReplBoard:
        folder = self.folder / "board"
        options = {"boot_mode": self._boot_mode, "runtime": self.runtime} | self._board_options
        create_unprovisioned(folder, mac=MAC, networks=dict([WIFI]), **options)
        board = ReplBoard(folder)
        board.use_ntp(None, self.ntp.port)
        return board

    def restart(self, **facts: Any) -> None:
        """Take the power away and give it back; facts: of the board, changed in between."""
        self.board.cut_power()
        self.board.facts |= facts
        self.board.power_on()

    def settings(self) -> list[str]:
        """The options that bring a board to these servers."""
        config = self.folder / "common.json"
        config.write_text(json.dumps({"ntp_hosts": ["127.0.0.1"], "watchdog_s": 20} | self._overrides))
        server = f"localhost:{self.broker.port}"
        return ["--keys", str(self.keys), "--wifi", *WIFI, "--server", server, "--board", BOARD,
                "--config", str(config)]  # fmt: skip

    def provision(self, *options: object, code: int = 0) -> str:
        return tools("provision", self.board.url, *self.settings(), *options, code=code)

    def deploy(self, *options: object, code: int = 0) -> str:
        return tools("deploy", self.board.url, *options, code=code)
