"""When a case is over, and what is to be said of it."""

import virtualtime

_HOUR_MS = 3_600_000
_IDLE_STEPS = 20  # after so many without work in a row …
_IDLE_MS = 500  # … the application takes that long between two: hours may have to pass


class Verdict(BaseException):
    """The case is over: (outcome, detail). Outcomes: ok, bricked, unverified, hung, lost, silent, wrong;
    of attacks also accepted and crashed."""


class Verifier:
    """Looks at a simulation.Simulation after each step, and at what boots in the end.

    Of the case: `expect` "new" (the update is done), or "old" (it is not, after quiet_ms); `codes`, one of
    which must have been reported; `all_codes`; max_repeated (bytes), max_boots, max_new_boots.
    """

    def __init__(self, sim):
        self._sim = sim
        self.is_last_look = False
        self.naps_ms = sim.case.get("naps_ms", 1)  # what the application takes between two steps
        self._idle_steps = 0

    def begin(self):
        pass

    def prepare(self):
        pass

    def may_boot(self, is_new):
        pass

    def escaped(self, error):
        pass

    def verified(self):
        pass

    def look(self):
        """True when nothing more is to come but a last power cut."""
        case, broker = self._sim.case, self._sim.broker
        self.check_time()
        self._nap_if_idle()
        if case.get("expect", "new") == "new":
            is_over = self._is_settled() and broker.reports[-1][1] == self._sim.version
            is_over = is_over and self._sim.version in broker.confirmed
        else:
            is_over = virtualtime.now_ms > case.get("quiet_ms", 900_000)
            is_over = is_over and (self._is_settled() or case.get("restless", False))
        self.is_last_look = is_over
        return is_over

    def check_time(self):
        if virtualtime.now_ms > self._sim.case.get("limit_ms", 12 * _HOUR_MS):
            raise Verdict("lost", "not at rest after %d s: %s" % (virtualtime.now_ms // 1000, self._story()))

    def _nap_if_idle(self):
        """Idle: nothing is installed, nothing on trial."""
        made = self._sim.agent
        is_idle = not made.is_updating and not made.state["trial"]
        self._idle_steps = self._idle_steps + 1 if is_idle else 0
        is_long = self._idle_steps > _IDLE_STEPS
        self.naps_ms = _IDLE_MS if is_long else self._sim.case.get("naps_ms", 1)

    def _is_settled(self):
        sim = self._sim
        made = sim.agent
        if not made.link.is_open or made.offer or made.state["trial"] or sim.events.timers:
            return False
        return bool(sim.broker.reports) and sim.broker.again_at_ms is None

    def conclude(self, runs_new):
        """Of what has booted after the last power cut."""
        sim, case = self._sim, self._sim.case
        expects_new = case.get("expect", "new") == "new"
        if runs_new != expects_new:
            raise Verdict("lost" if expects_new else "unverified", "wrong version: " + self._story())
        self._check_codes(case, sim.broker.codes)
        for key, value in (
            ("max_repeated", sim.repeated()), ("max_new_boots", sim.new_boots),
            ("max_boots", sim.boots), ("max_escapes", sim.escapes),
        ):  # fmt: skip
            if value > case.get(key, 0 if key == "max_escapes" else value):
                raise Verdict("wrong", "%s: %d: %s" % (key, value, self._story()))
        if expects_new and ("UPDATE", sim.version) not in sim.broker.reports:
            raise Verdict("silent", "UPDATE was never reported: " + self._story())
        raise Verdict("ok", "")

    def _check_codes(self, case, reported):
        if case.get("no_codes") and reported:
            raise Verdict("wrong", "an error was reported: " + self._story())
        codes = case.get("codes")
        if codes is not None and not any(code in codes for code in reported):
            raise Verdict("silent", "none of %r was reported: %s" % (codes, self._story()))
        missing = [code for code in case.get("all_codes", ()) if code not in reported]
        if missing:
            raise Verdict("silent", "%r not reported: %s" % (missing, self._story()))

    def _story(self):
        sim = self._sim
        return "boots %d, reports %r, codes %r" % (sim.boots, sim.broker.reports[-9:], sim.broker.codes)
