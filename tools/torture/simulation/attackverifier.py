"""Attack verification: what may boot, when an attack is over, and that the valid update still comes through.

Of the case: `phases`, in turn: "attack" (as the case says: nothing of it may be taken; it ends two seconds
after an error was reported, or after `ends_ms`), "valid" (the operator offers the image `valid`, which must
be taken), "owner" (the same while the attack goes on), "control" (as the case says, and must be taken).
Of an attack: `codes`, one of which must be reported; `silent`, none may be; `untouched`, no operation on the
spare slot; `unused`, file servers that no request may reach; max_downloads; max_boots; max_erases of any
block; `watches`, to stay until ends_ms whatever is reported.
"""

import json

import bootloader
import fakenet
import partitions
import peers
import virtualtime
from verifier import Verdict, Verifier

_ENDS_MS = 10_000
_AFTER_CODE_MS = 2_000
_PATIENCE_MS = 3_600_000  # for the valid update


class AttackVerifier(Verifier):
    def __init__(self, sim):
        super().__init__(sim)
        self._phases = list(sim.case["phases"])
        self._phase = None
        self._expects_new = False  # an update that must be taken has begun
        self._heard_at_ms = None

    def begin(self):
        """The next phase, if the board is online at once."""
        sim = self._sim
        is_first = self._phase is None
        self._phase = self._phases.pop(0)
        self._began_ms = virtualtime.now_ms
        self._codes_before = len(sim.broker.codes)
        self._slot_before = sim.slot_operations
        self._heard_at_ms = None
        if self._phase == "valid":
            peers.disarm(sim)
        elif self._phase == "owner":
            peers.stay(sim)
        else:
            peers.arm(sim)
        if self._phase != "attack":
            self._expects_new = True
        if not is_first:
            sim.broker.again_at_ms = virtualtime.now_ms

    def may_boot(self, is_new):
        if is_new and not self._expects_new:
            raise Verdict("accepted", "an image that no operator offers: " + self._story())

    def escaped(self, error):
        raise Verdict("crashed", "%r escaped: %s" % (error, self._story()))

    def verified(self):
        """The device has just found the signature good: what happens to its flash now."""
        if self._phase != "valid":
            for action, argument in self._sim.case.get("after_verify", ()):
                getattr(self._sim.events, action)(argument)

    def prepare(self):
        """The file system of the first boot is mounted: what the board remembers from an earlier life."""
        changes = self._sim.case.get("state")
        if changes and self._sim.boots == 1:
            with open("ota_state.json") as file:
                values = json.load(file)
            values.update(changes)
            with open("ota_state.json", "w") as file:
                json.dump(values, file)

    def look(self):
        if not self._is_over():
            return False
        if self._phase not in ("valid", "owner"):
            self._check_phase()
        if self._phases:
            self.begin()
            return False
        self.is_last_look = True
        return True

    def check_time(self):
        if self._phase != "attack" and self._lasted_ms() > _PATIENCE_MS:
            raise Verdict("lost", "the valid update does not come through: " + self._story())

    def _lasted_ms(self):
        return virtualtime.now_ms - self._began_ms

    def _is_over(self):
        sim = self._sim
        self.check_time()
        if self._phase != "attack":
            wanted = ("UPDATE", sim.version)
            if self._phase == "owner":  # of the attack there is always more to come
                sim.broker.again_at_ms = sim.broker.again_at_ms if sim.broker.every_ms else None
            return wanted in sim.broker.reports and self._is_settled()
        if self._heard_at_ms is None and len(sim.broker.codes) > self._codes_before:
            self._heard_at_ms = virtualtime.now_ms
        case = sim.case
        is_reported = self._heard_at_ms is not None and not case.get("watches")
        if is_reported and virtualtime.now_ms - self._heard_at_ms > _AFTER_CODE_MS:
            return True
        return self._lasted_ms() > case.get("ends_ms", _ENDS_MS)

    def _check_phase(self):
        sim, case = self._sim, self._sim.case
        codes = sim.broker.codes[self._codes_before :]
        if case.get("silent") and codes:
            raise Verdict("wrong", "an error was reported: " + self._story())
        if "codes" in case and not any(code in case["codes"] for code in codes):
            raise Verdict("wrong", "none of %r was reported: %s" % (case["codes"], self._story()))
        if case.get("untouched") and sim.slot_operations != self._slot_before:
            raise Verdict("wrong", "the slot was written to before the image was refused")
        for name in case.get("unused", ()):
            if sim.servers[name].requests:
                raise Verdict("accepted", "a request went to the server %r" % name)
        downloads = len(sim.files.requests)
        if downloads > case.get("max_downloads", downloads):
            raise Verdict("wrong", "%d downloads" % downloads)
        worn = max(sim.erases.values(), default=0)
        if worn > case.get("max_erases", worn):
            raise Verdict("wrong", "a block was erased %d times" % worn)
        if sim.boots > case.get("max_boots", sim.boots):
            raise Verdict("wrong", "%d boots" % sim.boots)
        if case.get("needs_downloads", 0) > downloads:
            raise Verdict("wrong", "only %d downloads: the attack did not take place" % downloads)

    def conclude(self, runs_new):
        if fakenet.showed_certificate != {"broker"}:
            raise Verdict(
                "wrong", "the client certificate was shown to %s" % sorted(fakenet.showed_certificate)
            )
        if runs_new != self._expects_new:
            raise Verdict("lost" if self._expects_new else "accepted", "wrong version: " + self._story())
        raise Verdict("ok", "")


def count_slot_operation(sim, address):
    """An erase or a write at this address: is it the spare slot's?"""
    (spare,) = [slot for slot in partitions.app_slots() if slot.label != bootloader.running.label]
    if spare.address <= address < spare.address + spare.size:
        sim.slot_operations += 1
