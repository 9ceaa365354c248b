"""One process of a board, whose resets do not end it, plays the rounds again and again. Before the first and
after each fifty it tells what the heap holds once garbage is collected: a line "at ROUND ALLOCATED MODULES",
then what micropython.mem_info() says.

usage: micropython -m soak FIXTURE AGENT ROUNDS   (AGENT: "new" at each start, or "same": set back)
"""

import gc
import os
import sys

import fakenet

for _name in ("socket", "tls", "select"):  # what the phases import anew each time
    sys.modules[_name] = fakenet

import bootloader  # noqa: E402
import facts  # noqa: E402
import faults  # noqa: E402
import files  # noqa: E402
import fixtures  # noqa: E402
import machine  # noqa: E402
import memory  # noqa: E402
import micropython  # noqa: E402
import peers  # noqa: E402
import powerfs  # noqa: E402
import sharedmemory  # noqa: E402
import vfs  # noqa: E402
import virtualtime  # noqa: E402
from events import Events  # noqa: E402
from rounds import ROUNDS, UPDATED  # noqa: E402

from device import agent, clock, config, errors, log, phases  # noqa: E402

_FLASH = "/flash"
_MAX_POLLS, _MAX_BOOTS = 5000, 20
_DROPPED, _WAITING = "dropped", "waiting"


class Board:
    """What PowerFs and Events take for a sim. One round at a time."""

    has_power, watches_reads = True, False

    def __init__(self, fixture, is_same):
        self.fixture, self._is_same = fixture, is_same
        self.agent = None
        self.boots = 0
        self.failing_line = -1  # how many lines of the log are left until memory fails
        log.output = self._count_line

    def _count_line(self, _):
        self.failing_line -= 1
        if self.failing_line == 0:
            raise MemoryError("injected")

    # Power

    def _deliver(self):
        """The board is new, and starts."""
        self._stop()
        self.fixture.begin()
        virtualtime.begin(4000)
        self.start(True)

    def start(self, passes_test):
        """A reset, and what follows until the agent is there."""
        self._stop()
        self.boots += 1
        virtualtime.boot(0)
        powerfs.forget_last_boot()
        sharedmemory.put(sharedmemory.RESET_CAUSE, machine.HARD_RESET)
        bootloader.choose()
        partition = powerfs.PowerFs(self, files.data_partition())
        vfs.mount(vfs.VfsLfs2(partition, readsize=64, progsize=64), _FLASH)
        os.chdir(_FLASH)
        if self.agent:
            self.agent.__init__(config.load("ota.json"), self_test=lambda: passes_test)
        else:
            self.agent = agent.Agent(config.load("ota.json"), self_test=lambda: passes_test)

    def _stop(self):
        if not self._is_same:
            self.agent = None
        os.chdir("/")
        try:
            vfs.umount(_FLASH)
        except OSError:
            pass

    # A round

    def play(self, case, number):
        """Returns what has ended it: UPDATED, a code, or another word."""
        gc.threshold(4096)  # as main.py does; who gives up an agent in an update has to do it again
        self.events = Events(self)
        self._connect(case, number)
        if self.agent is None:
            self._deliver()
        polls = case["polls"](number) if "polls" in case else None
        try:
            with Trouble(self, case, number):
                ended = self._live(case.get("strike"), polls)
            if ended == _WAITING:  # no harm is done: without the trouble the board goes on
                ended = self._live(None, None)
        except (powerfs.Reset, virtualtime.Bitten):
            ended = "restarted" if _boots_same() else UPDATED
        except Exception as error:
            ended = "escaped %r" % error
        if "cut" in case and fakenet.connections.get(case["from"], 0) < 2:
            ended = "not cut"
        if ended == UPDATED and "trial" in case:
            ended = self._try(case["trial"] == "confirmed")
        self._end(ended, "flash" not in case)
        return ended

    def _connect(self, case, number):
        if "cut" in case:
            trouble = {"peer": case["from"], "nth": 0, "at": case["cut"](number), "kind": case["kind"]}
            case = {"net": [trouble]}
        self.broker, servers = peers.connect(case, self.fixture, self.fixture.images["new"], self.events)
        servers["files"].always = case.get("answer", {})
        self.broker.insists = case.get("insists", False)
        if case.get("refused"):
            servers["files"].problem = lambda: "The certificate is not correctly signed by the trusted CA"

    def _live(self, strike, polls):
        """Until the broker hears an error. polls: most of them; strike: see rounds.py."""
        for count in range(polls or _MAX_POLLS):
            if strike and strike[0] == count:
                getattr(self.events, strike[1])(strike[2])
            virtualtime.advance(max(self.agent.poll(), 10))
            self.events.tick()
            self.broker.tick()
            if self.broker.codes and self.broker.codes[-1] != errors.NO_CLOCK:
                return self.broker.codes[-1]
        return _DROPPED if polls else _WAITING

    def _try(self, passes_test):
        """The trial of the new image, to its end. Returns UPDATED if it ended as it should."""
        for _ in range(_MAX_BOOTS):
            self.start(passes_test)
            try:
                if not passes_test:
                    self._live(None, None)
                    return UPDATED if errors.ROLLED_BACK in self.broker.codes else "not rolled back"
                while self.agent.state["trial"]:
                    self._live(None, 1)
                return UPDATED if _boots_same() else "not confirmed"
            except powerfs.Reset:
                pass
        return "on trial for ever"

    def _end(self, ended, goes_on):
        """The same agent goes on after what it could deal with, the flash being whole."""
        self.agent.link.close()
        if isinstance(ended, int) and self._is_same and goes_on:
            self.agent.clear_refused()
        else:
            phases.reset()
            (self._deliver if self._is_same else self._stop)()
        fakenet.clear()
        self.broker = self.events = None


class Trouble:
    """Context: what is wrong on the board itself."""

    def __init__(self, board, case, number):
        self._board = board
        names = ("missing", "free", "flash", "line")
        self._module, self._free, self._fault, self._at_line = [
            case[name](number) if name in case else None for name in names
        ]
        self._ballast = []

    def __enter__(self):
        if self._fault:
            kind = self._fault[1]
            counter = sharedmemory.READS if kind == "read_error" else sharedmemory.OPERATIONS
            self._board.watches_reads = kind == "read_error"
            faults.load([[self._fault[0] + sharedmemory.get(counter), kind]])
        if self._module:
            self._rename("mpy", "off")
        self._board.failing_line = -1 if self._at_line is None else self._at_line
        gc.collect()
        try:
            while self._free and gc.mem_free() > self._free:
                self._ballast.append(bytearray(512))
        except MemoryError:
            pass  # what is left lies in smaller pieces

    def __exit__(self, *_):
        self._ballast = None
        self._board.failing_line = -1
        self._board.watches_reads = False
        faults.load([])
        if self._module:
            self._rename("off", "mpy")

    def _rename(self, before, after):
        path = phases.path() + "/" + self._module + "."
        os.rename(path + before, path + after)


def measure(number):
    gc.collect()
    gc.collect()
    names = sorted(name for name in sys.modules if name.startswith("device."))
    print("at", number, gc.mem_alloc(), ",".join(names))
    names = None
    gc.collect()
    micropython.mem_info()


def _boots_same():
    return bootloader.next_boot().label == bootloader.running.label


def _end_process(_):
    raise powerfs.Reset


def main(folder, which, rounds):
    virtualtime.install()
    memory.end_process = _end_process
    memory.kill_process_after = virtualtime.feed_watchdog
    clock.random_below = lambda limit: limit // 2
    fixture = fixtures.Fixture(folder)
    facts._values.update(fixture.facts)
    bootloader.mode = fixture.mode
    board = Board(fixture, which == "same")
    for number in range(int(rounds)):
        wanted, case = ROUNDS[number % len(ROUNDS)]
        if number % len(ROUNDS) == 0:
            measure(number)
        ended = board.play(case, number)
        print("round", number, "ok" if wanted in (ended, None) else "FAILED", ended, wanted)
    measure(number + 1)


main(*sys.argv[1:])
