"""The agent: the loop of a board that updates itself, and what its phases share.

Everything runs as steps of one generator; each step yields how many ms it has nothing to do.
`run()`, or `poll()` in an application's own loop, or `task()` under asyncio; APPLICATION.md has limits.
"""

import sys
import time

from micropython import const

from . import clock, config, errors, files, log, phases
from .link import Link
from .report import Report, log_error

_SETTLE_MS = const(10_000)  # no restarts in faster succession than main.py's
_FLOOD_S = const(60)  # messages without end hold up an update for so long
_POLL_STEPS = const(16)  # of an update: looking for messages costs as much as two blocks' reading back


def _always():
    return True


class Agent:
    """One board that updates itself. Hooks of the application, each called without arguments:

    may_start() -> bool: may an update start now? It is asked again until it says yes.
    before_reboot(): a new image is in place and the board is about to restart.
    self_test() -> bool: does the new image work? False, or an exception, sends the old one back.
    """

    # Cleared by start.py, and set by it, state.py and board.py:
    feed: type | None  # called to feed the watchdog, None without one
    state: dict  # what survives a reboot, see state.py
    running: dict  # the record of the image that runs
    is_new: bool  # it is on trial
    can_return: bool  # a reset would bring back the image before it
    # Set by ntp.py:
    sync_due_ms: int  # when to ask for the time, by the uptime
    sync_asked_ms: int  # when that was done
    is_sync_reported: bool  # that no server is believed
    witness: int | None  # the time by the uptime, as the broker has said since
    is_time_doubtful: bool  # a certificate was refused since the clock was last set or asked for
    time_proven: int  # the time at which the uptime was 0, by a clock that a certificate has confirmed
    # Set by online.py, connection.py, failure.py and trial.py:
    has_rollback: bool  # the boot loader can return
    is_file_host_known: bool  # to a new image, see connection.py
    is_cut_off: bool | None  # all tries since the start met no network; None before the first
    last_code: int  # why the board was offline, 0 = it was not
    memory_failures: int  # in a row
    pause_ms: int  # before the next try
    failed_adoptions: int  # failed writes of a new signing key
    # Set by offers.py, offer_signature.py, tries.py:
    offer: object  # the accepted one, see offer.py
    due: int  # from when on it may start, in Unix s
    is_updating: bool
    checked_s: int  # the uptime from which on checks of signed offers are paid for
    counted_s: int  # the uptime at which the wear on record was right, 0 = at none
    # Set by download.py:
    progressed_ms: int  # ticks of the last block

    def __init__(self, settings, may_start=_always, before_reboot=_always, self_test=_always):
        """settings: config.Config. Raises OtaError(NO_INIT) if a certificate or key is missing."""
        phases.reset()
        self.config = settings
        self.may_start, self._before_reboot, self.self_test = may_start, before_reboot, self_test
        self.wlan, self.reset, mac = phases.call("board", "start")
        self.link = Link(settings, mac)
        self.report = Report(self.link, settings.language)
        phases.call("start", "prepare", self)
        self.state = phases.call("state", "load")
        self._next_get = self._step = 0  # uptime in ms; steps of an update
        self._steps = self._main()

    def run(self):
        """Never returns."""
        while True:
            pause_ms = self.poll()
            if pause_ms:
                time.sleep_ms(pause_ms)

    async def task(self):
        """The same for asyncio."""
        import asyncio

        while True:
            await asyncio.sleep(self.poll() / 1000)

    def poll(self):
        """One step. Returns how many ms the caller may do as it likes before the next call."""
        if self.feed:
            self.feed()
        if files.is_broken and log.uptime_ms() > _SETTLE_MS:
            self.restart("the file system met bad flash")
        if self.can_return and log.uptime_ms() > self.config.trial_limit_s * 1000:
            limit_s = self.config.trial_limit_s
            self.give_up("not confirmed within %d s, last error %d" % (limit_s, self.last_code))
        if self.is_updating and self.link.is_open:  # the broker is welcome then, but not needed
            self._step += 1
            if self._step % _POLL_STEPS == 0:
                self._check_messages_in_update()
        return next(self._steps) or 0

    def is_busy(self):
        """For an application: an update runs or is due, or an image is on trial, so no deep sleep now."""
        return bool(self.state["trial"]) or self.is_updating or self.is_due()

    def is_due(self):
        return self.offer is not None and clock.now() >= self.due

    def clear_refused(self):
        """An operator's word, by button or console: failed images and offers get another chance. Raises
        OtaError(FLASH)."""
        phases.call("state", "clear_refused", self.state)
        self.save_state()

    def save_state(self):
        """Raises OtaError(FLASH) if the file system cannot take it."""
        phases.call("record", "save", self.state)

    def _main(self):
        try:
            yield from phases.steps("start", "identify", self)
        except (errors.OtaError, MemoryError) as error:
            log_error(error)
            yield from clock.sleep(_SETTLE_MS)
            self.restart("which image runs is not known")
        while True:
            started = log.uptime_ms()
            try:
                yield from phases.steps("ntp", "begin", self)  # by itself: less has to be in memory
                yield from phases.steps("online", "connect", self)
                phases.call("offers", "restore", self)
                self._plan_question()
                while True:
                    yield from self._wait_for_update()
                    try:
                        yield from phases.steps("update", "install", self)
                    except (errors.OtaError, MemoryError) as error:
                        failure = error
                        phases.call("tries", "fail", self, failure)
            except (errors.OtaError, MemoryError) as error:
                failure = error
            self.is_updating = False
            try:
                yield from phases.steps("failure", "fail", self, failure, started)
            except (errors.OtaError, MemoryError) as error:
                log_error(error)
                self.link.close()
                yield from clock.sleep(self.config.backoff_max_s * 1000)

    def _wait_for_update(self):
        """Generator: take offers, ask for offers, until one is due. Raises OtaError when something fails."""
        while True:
            self.check_link()
            if log.uptime_ms() >= self.sync_due_ms:
                yield from phases.steps("ntp", "sync", self)
            message = self.check_messages()
            if self.config.check_interval_s and log.uptime_ms() >= self._next_get:
                self._plan_question()
                phases.call("online", "ask", self)
            # The latest of all that are there is taken; but they must not keep it up for ever.
            if self.is_due() and (not message or clock.now() - self.due > _FLOOD_S):
                if call_hook(self.may_start):
                    self.is_updating = True
                    return
            yield clock.IDLE_MS

    def _plan_question(self):
        """When to ask for an offer: after check_interval_s, up to a quarter more or less."""
        quarter = self.config.check_interval_s * 250
        self._next_get = log.uptime_ms() + 3 * quarter + clock.random_below(2 * quarter)

    def check_wifi(self):
        if not self.wlan.isconnected():
            raise errors.OtaError(errors.NO_GOT_IP, "Wi-Fi dropped")

    def check_link(self):
        self.check_wifi()
        if not self.link.is_open:
            raise errors.OtaError(errors.CONNECTION_FAILED, "broker lost")

    def check_messages(self):
        """Take a message, if one has come; returns it. Raises OtaError when the link fails."""
        message = self.link.receive()
        self.link.keep_alive()
        if message:
            phases.call("offers", "receive", self, *message)
        return message

    def _check_messages_in_update(self):
        try:
            self.check_messages()
        except errors.OtaError as error:
            log_error(error)
        except MemoryError:  # the message does not fit beside the update
            self.report.free_memory()

    def give_up(self, cause):
        """A restart makes the heap whole, and sends a new image back to the old one."""
        if self.is_new:
            try:
                phases.call("rollback", "note_cause", self, cause)
            except (errors.OtaError, MemoryError) as error:  # it cannot be loaded
                log_error(error)
            cause = "trial of %s: %s" % (self.running["version"], cause)
        self.restart(cause)

    def reboot(self):
        call_hook(self._before_reboot)
        self.restart("ota reboot, please wait for the restart...")

    def restart(self, why):
        log.info(why)
        self.link.close()
        self.reset()


def call_hook(hook):
    """What the application's hook says; an exception counts as no."""
    try:
        return hook()
    except Exception as error:
        sys.print_exception(error)
        return False


def main(path):
    """Run the agent with the configuration at path. Raises OtaError, which is logged, if it cannot start."""
    try:
        Agent(config.load(path)).run()
    except errors.OtaError as error:
        log_error(error)
        raise
