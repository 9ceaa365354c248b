"""A board with two slots and the record of a trial, at each of its starts."""

import hashlib
import os

import makeoffer
from check import patched, run
from fakeagent import FakeAgent
from makeimage import content
from nor import Nor

from device import board, start, trial

FILE = "trial.json"
BLOCK = 512
NEW = content(BLOCK + 88)
HEAD = NEW[:64]
SIGNATURE = makeoffer.fields()["sig-sha256-ecdsa"]


class Partition(Nor):
    """A slot that holds an image."""

    def __init__(self, data):
        super().__init__(2, BLOCK, fill=0xFF)
        self.data[: len(data)] = data


class Board:
    """Context: device.board is one that runs ota_0; ota_1 is its spare slot, as verified, without its head.

    selected: the partition that was told to boot. adopted: what trial.adopt_keys() was told.
    """

    def __init__(self, running=b"old", spare=b"\xff" * 64 + NEW[64:]):
        self.running = Partition(running)
        self.spare = Partition(spare)
        self.cause = "reset"
        self.selected = None
        self.adopted = []
        values = {
            "running": lambda: (self.running, "ota_0"),
            "spare": lambda: self.spare,
            "reset_cause": lambda: self.cause,
            "can_return": lambda: True,
            "set_boot": self._select,
        }
        self._patches = [patched(board, name, value) for name, value in values.items()]
        self._patches.append(patched(trial, "adopt_keys", lambda config, *names: self.adopted.append(names)))

    def _select(self, partition):
        self.selected = partition

    def __enter__(self):
        for name in (FILE, FILE + ".new", FILE + ".old", "ota_floor"):
            try:
                os.remove(name)
            except OSError:
                pass
        for patch in self._patches:
            patch.__enter__()
        return self

    def __exit__(self, *arguments):
        for patch in self._patches:
            patch.__exit__(*arguments)

    def begin(self, **changes):
        """A trial begins, and the board starts anew. changes: to the settings. Returns its agent."""
        agent = FakeAgent(FILE, **changes)
        agent.offer = makeoffer.offer()
        trial.begin(Transfer(agent, self.spare), record())
        return self.start(**changes)

    def start(self, **changes):
        """The agent after a start."""
        agent = FakeAgent(FILE, **changes)
        run(start.identify(agent))
        self.selected = None
        return agent


class Transfer:
    """An update.Transfer that has all but the head in place."""

    def __init__(self, agent, partition):
        self.agent, self.offer = agent, agent.offer
        self.partition = partition
        self.block = bytearray(partition.block_size)
        self.head = HEAD


def record():
    """Of the image, see device.identity."""
    digest = hashlib.sha256(NEW).digest().hex()
    return {"version": "1.2.3", "build_time": "", "size": len(NEW), "digest": digest, "attempts": 0}
