"""The server's book-keeping without network: a store, its fleet and leader, a clock that a test moves."""

from __future__ import annotations

import json
from pathlib import Path

from tools.server import pushes, view, wire
from tools.server.fleet import Fleet
from tools.server.leader import Leader
from tools.server.store import Store

A, B, C = "AAAAAAAAAAAA", "BBBBBBBBBBBB", "CCCCCCCCCCCC"
DIGEST = "d" * 64
SILENCE_S = 60
LONG_S = 100_000


class World:
    """What boards say comes by the messages that they send. sent: what left on `update`: (MAC, data)."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder, create=True)
        self.now = 1_800_000_000.0
        self.board_ms = 0  # what boards have for the time
        self.log: list[tuple[str, str]] = []
        self.sent: list[tuple[str, dict]] = []
        log = lambda mac, text: self.log.append((mac, text))  # noqa: E731
        self.fleet = Fleet(self.store, self.word, log)
        self.leader = Leader(self.store, self.word, log)
        self.fleet.flush("one", self.now)
        pushes.add_devices(self.store, dict.fromkeys((A, B, C), self.now + 3650 * 86400))

    @staticmethod
    def word(target) -> str:
        return json.dumps({"version": target["version"], "starts_at": target["starts_at"]})

    def push(self, *macs: str, digest: str = DIGEST, version: str = "1.0.1", **options) -> int:
        offer = {"version": version, "size": 1000, "sig-sha256-ecdsa": f"signature of {version}"}
        return pushes.start(self.store, digest, offer, list(macs), silence_s=SILENCE_S, **options)

    # What boards say

    def say(self, mac: str, name: str = wire.PROGRESS, **data) -> None:
        self.send(mac, name, {"msg_sequence": 0, "time": self.board_ms, "data": data})

    def send(self, mac: str, name: str, message: dict) -> None:
        self.fleet.take(mac, name, json.dumps(message).encode(), self.now)

    def boot(self, mac: str, version: str, kind: str = "INIT", state: str = "idle") -> None:
        """state "": a board of before, which says nothing beside the data."""
        data = {"type": kind, "version": version, "build_time": "now", "slot": "ota_0"}
        shown = "trial" if kind == "UPDATE" and state else state
        self.send(
            mac,
            wire.REPORT,
            {"msg_sequence": 0, "time": self.board_ms, "data": data} | _beside(version, shown),
        )

    def confirm(self, mac: str, version: str) -> None:
        """A new image has reached the broker, and stays."""
        self.boot(mac, version, "UPDATE")
        self.say(mac, state="confirmed", version=version)

    def ask(self, mac: str, version: str = "", state: str = "") -> dict | None:
        """A `get`, with what stands beside it."""
        message = {"msg_sequence": 7, "time": self.board_ms, "data": {}} | _beside(version, state)
        question = wire.question(json.dumps(message).encode())
        assert question is not None and question[0] == 7
        text = self.fleet.answer(mac, self.now, question[1])
        return json.loads(text) if text else None

    # What the server does

    def tick(self, later_s: float = 0) -> list[str]:
        """Who gets an offer."""
        self.now += later_s
        self.fleet.flush("one", self.now)
        messages = [(mac, json.loads(text)) for mac, text in self.leader.tick(self.now)]
        self.sent += messages
        return [mac for mac, data in messages if "cancel" not in data]

    # What an operator sees

    def row(self, mac: str) -> dict:
        return next(row for row in view.devices(self.store, self.now) if row["mac"] == mac)

    def state(self, mac: str) -> str:
        return self.row(mac)["state"]

    def error(self, mac: str) -> str:
        return self.row(mac)["error"]

    def state_in(self, push: int, mac: str) -> str:
        query = "SELECT state FROM targets WHERE push = ? AND mac = ?"
        return self.store.db.execute(query, (push, mac)).fetchone()[0]

    def push_state(self, number: int) -> str:
        return view.push_of(self.store, number)["state"]

    def cancels(self, mac: str) -> list[str]:
        """Which offers it was told to drop."""
        return [data["cancel"] for name, data in self.sent if name == mac and "cancel" in data]


def _beside(version: str, state: str) -> dict:
    return {"version": version, "slot": "ota_0", "state": state, "knows": ["cancel"]} if state else {}
