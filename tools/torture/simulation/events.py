"""What a case does to the board at a step: power, resets, hangs, bits, links, files; and what time heals."""

import fakenet
import flash
import network
import sharedmemory
import virtualtime
from powerfs import PowerCut, Reset


class Events:
    """Of one simulation.Simulation. timers: [(virtual ms, function)] of what is still to heal."""

    def __init__(self, sim):
        self._sim = sim
        self.timers = []
        self._fills = None

    def boot(self):
        """What the new image meets: `deaf`, in so many boots it does not reach the broker, though it
        `connects`; `new_net`, troubles; `distrusts`, in so many boots, the host of its file."""
        sim, case = self._sim, self._sim.case
        if "deaf" in case:
            group = fakenet.frozen if case.get("connects") else fakenet.down
            is_deaf = sim.runs_new and sim.new_boots <= case["deaf"]
            (group.add if is_deaf else group.discard)("broker")
        if "new_net" in case:
            fakenet.troubles[:] = case["new_net"] if sim.runs_new else []
        if "distrusts" in case:
            is_wrong = sim.runs_new and sim.new_boots <= case["distrusts"]
            sim.files.problem = _not_trusted if is_wrong else None

    def strike(self):
        """What the case has in store for this step: entries [boot, step, action, argument], where boot may
        be "new" or "failing" for every boot of that image."""
        sim = self._sim
        for boot, step, action, argument in sim.case.get("steps", ()):
            here = boot == sim.boots or (boot == "new" and sim.runs_new)
            here = here or (boot == "failing" and sim.runs_failing)
            if here and step == sim.steps:
                getattr(self, action)(argument)

    def tick(self):
        for timer in self.timers[:]:
            if virtualtime.now_ms >= timer[0]:
                self.timers.remove(timer)
                timer[1]()
        if self._fills == "log" and self._sim.steps % _LOG_STEPS == 0:
            _fill("log")

    def after(self, ms, function):
        self.timers.append((virtualtime.now_ms + ms, function))

    # Actions

    def cut(self, _):
        raise PowerCut

    def reset(self, _):
        raise Reset

    def hang(self, _):
        while True:
            virtualtime.advance(1000)
            self._sim.verifier.check_time()

    def flip(self, bit):
        flash._memory[bit // 8] ^= 1 << bit % 8

    def put(self, argument):
        """argument: [address, hex], whatever the flash held there."""
        address, text = argument
        data = bytes.fromhex(text)
        flash._memory[address : address + len(data)] = data

    def tear(self, place):
        """The newest record of the journal ends at that byte."""
        name, record = _newest_record()
        _overwrite(name, record[:place])

    def flip_record(self, bit):
        name, record = _newest_record()
        changed = bytearray(record)
        changed[bit // 8] ^= 1 << bit % 8
        _overwrite(name, changed)

    def fill(self, kind):
        """An application fills the file system: "small" files, one that is "large", or a "log" that takes
        whatever becomes free."""
        self._fills = kind
        _fill(kind)

    def wifi(self, ms):
        sharedmemory.put(sharedmemory.WIFI_OFF, 1)
        network.is_up()  # notices it
        self.after(ms, lambda: sharedmemory.put(sharedmemory.WIFI_OFF, 0))

    def down(self, argument):
        self._lose(fakenet.down, argument)

    def freeze(self, argument):
        self._lose(fakenet.frozen, argument)

    def mute(self, peer):
        """What is open to this peer is so no longer, and nobody says so."""
        for sock in fakenet.open_sockets:
            if sock.name == peer:
                sock.is_mute = True

    def _lose(self, group, argument):
        """argument: [peer, ms]"""
        peer, ms = argument
        group.add(peer)
        self.after(ms, lambda: group.discard(peer))


_PIECES = {"small": 100, "large": 4096, "log": 60}  # bytes
_MAX_FILES = 400
_LOG_STEPS = 8  # in a full file system LittleFS looks at every block, which takes long


def _fill(kind):
    """Until nothing more fits: an errno of 28, or 36 for a new file."""
    piece = b"x" * _PIECES[kind]
    for number in range(_MAX_FILES):
        name = "filler%d" % number if kind == "small" else "filler"
        try:
            with open(name, "ab") as file:
                for _ in range(1 if kind == "small" else _MAX_FILES):
                    file.write(piece)
                    file.flush()
        except OSError as error:
            if error.args[0] not in (28, 36):
                raise
            return


def _not_trusted():
    return "The certificate is not correctly signed by the trusted CA"


def _newest_record():
    """(name, content) of the journal file with the higher sequence."""
    found = []
    for name in ("ota_journal.0", "ota_journal.1"):
        with open(name, "rb") as file:
            record = file.read()
        found.append((record[4:8], name, record))
    return max(found)[1:]


def _overwrite(name, record):
    with open(name, "wb") as file:
        file.write(record)
