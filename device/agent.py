"""The agent: owns the loop, the broker link, and the one place that turns an error into a report.

Everything runs as steps of one generator; each step yields how many ms it has nothing to do.
`run()`, or `poll()` in an application's own loop, or `task()` under asyncio; README.md has the steps' limits.
"""

import time

from . import backoff, clock, config, errors, expiry, files, hooks, log
from .board import Board, label
from .installer import Installer
from .keyring import KeyRing
from .link import SUBSCRIBED, Link
from .offers import Offers
from .reporter import Reporter, log_error
from .state import State
from .trial import Trial
from .wifi import Wifi


class Agent:
    """One board under OTA. Hooks of the application, each called without arguments:

    may_start() -> bool: may an update start now? It is asked again until it says yes.
    before_reboot(): a new image is in place and the board is about to restart.
    self_test() -> bool: does the new image work? False, or an exception, sends the old one back.
    """

    def __init__(self, settings, may_start=hooks.always, before_reboot=hooks.always, self_test=hooks.always):
        """settings: config.Config. Raises OtaError(NO_INIT) if a certificate or key is missing."""
        self._config = settings
        self._may_start = may_start
        self._before_reboot, self._self_test = before_reboot, self_test
        self._board = Board()
        self._link = Link(settings, self._board.mac())
        self._reporter = Reporter(self._link, settings)
        keys = KeyRing(settings, self._reporter.error)
        self._state = State("ota_state.json")
        self._trial = Trial(self._state, self._board, settings, keys)
        self._wifi = Wifi(self._board.wlan, settings)
        self._clock = None
        self._next_get = self._last_code = self._memory_failures = 0  # uptime in ms; why offline; in a row
        self._offers = Offers(settings, self._state, self._trial, self._board, self._reporter, keys)
        self._installer = Installer(
            settings, self._board, self._state, self._trial, self._wifi, self._reporter, keys
        )
        self._steps = self._life()
        if settings.watchdog_s:
            self._board.start_watchdog(settings.watchdog_s)

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
        self._board.feed()
        if files.is_broken and log.uptime_ms() > 10_000:  # as seldom as main.py restarts
            self._restart("the file system met bad flash")
        if self._trial.can_return and log.uptime_ms() > self._config.trial_limit_s * 1000:
            limit_s = self._config.trial_limit_s
            self._give_up("not confirmed within %d s, last error %d" % (limit_s, self._last_code))
        return next(self._steps) or 0

    def is_busy(self):
        """An update runs or is due, or an image is on trial: no time for a deep sleep."""
        return bool(self._state.trial) or self._offers.updating or self._offers.is_due()

    def _life(self):
        yield from self._trial.identify()
        running = self._trial.running
        log.info("%s build at %s" % (running["version"], running["build_time"]))
        self._clock = clock.Clock(self._config, self._board, self._state, running["build_time"])
        pause = backoff.Backoff(self._config.backoff_min_s, self._config.backoff_max_s)
        while True:
            started = log.uptime_ms()
            try:
                yield from self._connect()
                yield from self._serve()
            except errors.OtaError as error:
                self._note_failure(error)
            except MemoryError:
                self._note_failure(errors.OtaError(errors.NO_MEM, "online"))
            self._link.close()
            if log.uptime_ms() - started > self._config.backoff_max_s * 1000:
                pause.reset()
            yield from pause.pause()

    def _note_failure(self, error):
        """Something ended the connection, or kept it from coming about."""
        before, self._last_code = self._last_code, error.code
        self._trial.network_failed = True
        if error.code == errors.TLS_REFUSED:
            self._clock.hurry()
            if before != error.code:  # a lack of memory and bytes damaged on the way look the same
                return log.warning(error.detail)
        self._memory_failures = self._memory_failures + 1 if error.code == errors.NO_MEM else 0
        if self._memory_failures == 10:
            self._give_up("no memory to get online")
        is_told = error.code in (errors.TLS_REFUSED, errors.FLASH, errors.NO_MEM)
        (self._reporter.error if is_told else log_error)(error)

    def _connect(self):
        """Wi-Fi, clock, broker, report; then the image that runs has proved itself."""
        yield from self._wifi.join()
        yield from self._mind_clock()
        self._link.connect()
        if self._last_code == errors.TLS_REFUSED and self._clock.is_doubtful:
            log_error(errors.OtaError(errors.NO_MEM, "TLS refused before"))
        log.info("MQTTS connected" if self._config.broker.startswith("mqtts") else "MQTT connected")
        yield
        if self._trial.is_new:
            self._test_self()
        for name in SUBSCRIBED:  # before the report, which a server may answer with an offer at once
            self._link.subscribe(name)
            yield
        kind = "UPDATE" if self._trial.is_new else "INIT"
        self._reporter.version(kind, self._trial.running, label(self._board.running))
        yield
        self._offers.has_rollback = self._board.confirm()
        if self._trial.is_new:
            self._trial.confirm()
        elif self._state.trial:
            yield from self._settle_return()
        while self._reporter.has_waiting():
            self._reporter.send_waiting()
            yield
        self._last_code = self._memory_failures = 0
        self._clock.note_known()
        if not self._state.trial:
            self._offers.restore()
        self._next_get = log.uptime_ms() + backoff.jittered_ms(self._config.check_interval_s)

    def _mind_clock(self):
        """Generator: once a day. A time that is not known keeps nobody offline."""
        if self._clock.is_due():
            try:
                yield from self._clock.sync()
            except errors.OtaError as error:
                self._reporter.error(error)
            expiry.warn(self._config)

    def _test_self(self):
        """A failed one is ignored where a reset would only bring the same image back."""
        if not hooks.call(self._self_test) and self._trial.can_return:
            self._give_up("self test failed")

    def _give_up(self, cause):
        """A restart makes the heap whole, and sends a new image back to the old one."""
        if self._trial.is_new:
            self._trial.note_cause(cause)
            cause = "trial of %s: %s" % (self._trial.running["version"], cause)
        self._restart(cause)

    def _settle_return(self):
        """An old image, online, with a trial on record: another boot of the new one, or the end of it."""
        try:
            partition = yield from self._trial.settle_return()
        except errors.OtaError as error:
            if error.code != errors.ROLLED_BACK:
                raise
            self._reporter.error(error)
            if not self._reporter.has_waiting():
                self._trial.abandon()  # the server knows
            return
        if partition:
            while not hooks.call(self._may_start):
                self._tend_link()
                self._check_link()
                yield backoff.IDLE_MS
            self._trial.begin_retry()
            self._board.set_boot(partition)
            self._reboot()

    def _serve(self):
        """Until something fails: take offers, ask for offers, install what is due."""
        while True:
            self._check_link()
            yield from self._mind_clock()
            self._handle_messages()
            self._ask_if_due()
            if self._offers.is_due() and hooks.call(self._may_start):
                yield from self._update()
            yield backoff.IDLE_MS

    def _check_link(self):
        if not self._wifi.is_up():
            raise errors.OtaError(errors.NO_GOT_IP, "Wi-Fi dropped")
        if not self._link.is_open:
            raise errors.OtaError(errors.CONNECTION_FAILED, "broker lost")

    def _handle_messages(self):
        message = self._link.receive()
        self._link.keep_alive()
        name = message and self._link.name_of(message[0])
        if name:
            self._offers.take(name, message[1])

    def _ask_if_due(self):
        if self._config.check_interval_s and log.uptime_ms() >= self._next_get:
            self._next_get = log.uptime_ms() + backoff.jittered_ms(self._config.check_interval_s)
            self._reporter.ask()

    def clear_refused(self):
        """An operator's word, by button or console: failed images may be offered again."""
        self._state.clear_refused()

    def _update(self):
        self._offers.updating = True
        try:
            yield from self._installer.install(self._offers, self._tend_link)
            self._reboot()
        except errors.OtaError as error:
            self._offers.fail(error)
        except MemoryError as error:
            self._offers.fail(errors.OtaError(errors.NO_MEM, "update: %s" % error))

    def _tend_link(self):
        """During an update the broker is welcome but not needed."""
        if self._link.is_open:
            try:
                self._handle_messages()
            except errors.OtaError as error:
                log_error(error)

    def _reboot(self):
        hooks.call(self._before_reboot)
        self._restart("ota reboot, please wait for the restart...")

    def _restart(self, why):
        log.info(why)
        self._link.close()
        self._board.reset()


def main(path):
    """Run the agent with the configuration at path. Returns, having logged it, only if it cannot start."""
    try:
        Agent(config.load(path)).run()
    except errors.OtaError as error:
        log_error(error)
