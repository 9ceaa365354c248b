"""One board in one process: real device code and LittleFS, the simulated board's own flash and boot loader;
power, time and network are ours. A case says what goes wrong; `play()` tells how it ended."""

import gc
import sys

import attackverifier
import bootloader
import facts
import fakenet
import faults
import files
import fixtures
import flash
import machine
import memory
import partitions
import peers
import powerfs
import sharedmemory
import vfs
import virtualtime
from events import Events
from powerfs import PowerCut, PowerFs, Reset
from verifier import Verdict, Verifier

from device import agent, board, clock, config, connection, errors, net

running = None  # the Simulation of this process
show = False  # tell on the console what escapes from the device code
_MAX_BOOTS = 60
# device/APPLICATION.md: a link lost in an update, and a little for what peers take to answer.
_LONGEST_POLL_MS = 41_000
_MAIN_RESTARTS_MS = 10_000  # what main.py waits after something escaped


def install():
    """Put virtual time, power and network below the device code. Once per process."""
    virtualtime.install()
    connection.socket = connection.tls = net.select = fakenet
    clock.random_below = lambda limit: limit // 2
    faults.cut_power = _cut
    memory.end_process = _end
    memory.kill_process_after = virtualtime.feed_watchdog
    board.sys = fixtures.Firmware


def _cut():
    running.has_power = False  # device code that yet runs, to clear up after itself, would not
    raise PowerCut


def _end(code):
    raise Reset


class Simulation:
    """case: a dict as power.py, network.py, messages.py and attacks/ make them. fixture: fixtures.Fixture."""

    def __init__(self, case, fixture):
        global running
        running = self
        self.case = case
        self.fixture = fixture
        self.new = fixture.images[case.get("valid", "new")]  # what the owner wants to run
        self.failing = fixture.images.get(case.get("failing"))  # good, but its trial is to fail
        self.version = fixture.offers[case.get("valid", "new")]["version"]
        self.boots = self.new_boots = 0
        self.steps = 0  # of this boot
        self.runs_new = self.runs_failing = False
        self.escapes = 0
        self.has_power = False
        self.is_verified = False  # the device has found the signature good
        self.slot_operations = 0  # of the spare slot, where a case asks for them
        self.erases = {}  # of each block, by its address, where a case asks for them
        self.agent = None
        self.branches = None  # where other cases leave this run
        self.is_child = False  # this process is one of those
        self.steps_of_boots, self.marks = [], []  # marks: operations before each step of the first boot
        self.operations = []  # [kind, partition, address, bytes] of each, if the case asks for a trace
        self.watches_reads = powerfs.counts_reads(case)
        fixture.begin()
        facts._values.clear()
        facts._values.update(fixture.facts)
        faults.load(case.get("flash", []))
        faults.watch = self._reach_operation
        virtualtime.begin(case.get("wrap_ms", 4000))
        bootloader.mode = fixture.mode
        self.verifier = attackverifier.AttackVerifier(self) if "phases" in case else Verifier(self)
        self.events = Events(self)
        self.broker, self.servers = peers.connect(case, fixture, self.new, self.events)
        self.files = self.servers["files"]
        self.verifier.begin()

    def repeated(self):
        """Bytes of the body that were fetched more than once."""
        return max(0, self.files.sent - len(self.new))

    # Branching

    def _reach_operation(self, kind, number, address, size):
        """The flash is about to do this."""
        if self.case.get("trace") and kind != "read":
            label = [r.label for r in partitions.read_table() if 0 <= address - r.address < r.size]
            self.operations.append([kind, "".join(label), address, size])
        if self.case.get("untouched") and kind != "read":
            attackverifier.count_slot_operation(self, address)
        if kind == "erase" and "max_erases" in self.case:
            self.erases[address] = self.erases.get(address, 0) + 1
        bad = self.case.get("bad_block")
        if bad and kind == "write" and address & -flash.BLOCK == bad[0]:
            if bad[1] == "hang":
                self.events.hang(None)
            faults.load([[number, bad[1]]])
        self._reach(("read" if kind == "read" else "write", number))

    def _reach(self, point):
        """In a child that leaves the run here: its case is ours from now on."""
        case = self.branches.reach(point) if self.branches else None
        if case:
            self.case = case
            self.is_child = True
            faults.load(case.get("flash", []))
            self.branches = self.sweep(self) if "sweep" in case else None

    # Power

    def play(self):
        """Runs the case to its end: a dict for the host."""
        cause = machine.PWRON_RESET
        try:
            while self.boots < _MAX_BOOTS:
                cause = self._boot_and_live(cause)
            raise Verdict("hung", "more than %d boots" % _MAX_BOOTS)
        except Verdict as verdict:
            outcome, detail = verdict.args
        finally:
            self._power_off()
        return {
            "id": self.case["id"], "outcome": outcome, "detail": detail, "boots": self.boots,
            "repeated": self.repeated(), "codes": self.broker.codes, "escapes": self.escapes,
            "erases": max(self.erases.values(), default=0),
        }  # fmt: skip

    def _boot_and_live(self, cause):
        """One boot. Returns the cause of the reset that ended it."""
        self.boots += 1
        self.steps = 0
        self.has_power = True
        sharedmemory.put(sharedmemory.RESET_CAUSE, cause)
        virtualtime.boot(self.case.get("clock", 0) if self.boots == 1 else 0)
        powerfs.forget_last_boot()
        try:
            self._boot()
            self._live()
            return machine.HARD_RESET
        except PowerCut:
            return machine.PWRON_RESET
        except Reset:
            return machine.HARD_RESET
        except virtualtime.Bitten:
            return machine.WDT_RESET
        finally:
            self.steps_of_boots.append(self.steps)
            self._power_off()

    def _boot(self):
        try:
            slot = bootloader.choose()
            if slot is None:
                raise Verdict("bricked", "no slot can boot")
            runs = self._which(slot)
            self.runs_new, self.runs_failing = runs == "new", runs == "failing"
            self.new_boots += self.runs_new
            self.verifier.may_boot(self.runs_new)
            self.events.boot()
            if self.verifier.is_last_look:
                self.verifier.conclude(self.runs_new)
            device = PowerFs(self, files.data_partition())
            vfs.mount(vfs.VfsLfs2(device, readsize=64, progsize=64), "/")
            self.verifier.prepare()
        except OSError:  # the boot loader, or what mounts the file system, met bad flash: a panic
            raise Reset

    def _which(self, slot):
        """Which image: "new", "old", or "failing", where the case has one; a Verdict for anything else."""
        for name, image in (("new", self.new), ("old", self.fixture.old), ("failing", self.failing)):
            if image and slot.view()[: len(image)] == image:
                if name != "old" and not self.is_verified:
                    raise Verdict("unverified", "the new image boots before its signature was checked")
                return name
        raise Verdict("unverified", "slot %s holds neither image" % slot.label)

    def _power_off(self):
        self.has_power = False
        self.agent = None
        try:
            vfs.umount("/")
        except OSError:
            pass
        gc.collect()

    def verified(self):
        """The device has just found the signature good."""
        self.is_verified = True
        self.verifier.verified()

    # Life

    def _live(self):
        """Until a reset, as main.py does: what escapes is followed by a pause and a reset."""
        try:
            self.agent = agent.Agent(self._settings())
            while True:
                self._step()
        except Exception as error:
            self.escapes += not isinstance(error, errors.OtaError)
            if show:
                sys.print_exception(error)
            self.verifier.escaped(error)
        virtualtime.advance(_MAIN_RESTARTS_MS)
        self.verifier.check_time()

    def _step(self):
        if self.boots == 1 and self.case.get("trace"):
            self.marks.append(sharedmemory.get(sharedmemory.OPERATIONS))
        self._reach(("step", self.boots, self.steps))
        if self.runs_new:
            self._reach(("step", "new", self.steps))
        self.events.strike()
        before_ms = virtualtime.now_ms
        wait_ms = self.agent.poll()
        self.steps += 1
        if virtualtime.now_ms - before_ms > _LONGEST_POLL_MS:
            raise Verdict("hung", "one poll() took %d ms" % (virtualtime.now_ms - before_ms))
        virtualtime.advance(max(wait_ms, self.verifier.naps_ms))
        self.events.tick()
        self.broker.tick()
        if self.verifier.look():
            raise PowerCut

    def _settings(self):
        settings = config.load("ota.json")
        for key, value in self.case.get("config", {}).items():
            setattr(settings, key, value)
        return settings
