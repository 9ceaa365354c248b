"""The clock: Unix seconds as integers, whatever the port's epoch, set by NTP and only if plausible."""

import time

from micropython import const

from . import backoff, errors, log

_EPOCH_2000 = 946684800 if time.gmtime(0)[0] == 2000 else 0
_OLDEST = const(1767225600)  # 2026-01-01: earlier than this code there is no now
_SPAN = const(630720000)  # 20 years: a build older than that asks for service
_NTP_ERA_END = 2085978496  # 2036-02-07 06:28:16, what an all-zero or kiss-of-death answer decodes to
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def now():
    """Unix seconds, int."""
    return int(time.time()) + _EPOCH_2000


def now_ms():
    """Unix milliseconds in whole seconds, 13 digits."""
    return now() * 1000


def build_seconds(text):
    """"May 24 2024 10:33:41" -> Unix seconds; 0 for anything else."""
    parts = text.replace(":", " ").split()
    if len(parts) != 6 or len(parts[0]) != 3:
        return 0
    month = _MONTHS.find(parts[0])
    try:
        day, year, hour, minute, second = [int(part) for part in parts[1:]]
    except ValueError:
        return 0
    in_range = 1 <= day <= 31 and 2000 <= year <= 2100
    in_range = in_range and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 61
    if month < 0 or month % 3 or not in_range:
        return 0
    return int(time.mktime((year, month // 3 + 1, day, hour, minute, second, 0, 0))) + _EPOCH_2000


class Clock:
    """Decides whether the time is known, and asks for it when it is not."""

    def __init__(self, config, board, build_time):
        """build_time: of the running image, in the vendor's form, "" = unknown."""
        self._config = config
        self._board = board
        self._floor = max(build_seconds(build_time), _OLDEST)
        self._synced_at = None  # ticks in seconds of uptime

    def is_plausible(self, seconds):
        return self._floor <= seconds <= self._floor + _SPAN and seconds != _NTP_ERA_END

    def sync_if_due(self):
        """Generator: returns once the clock may be trusted. Raises OtaError(NO_CLOCK).

        A failed daily resync of a clock that is still plausible is only logged.
        """
        uptime_s = log.uptime_ms() // 1000
        if self._synced_at is not None and uptime_s - self._synced_at < self._config.ntp_resync_s:
            return
        for host in self._config.ntp_hosts:
            seconds = self._ask(host)
            yield
            if seconds is not None and self._accept(host, seconds):
                self._synced_at = uptime_s
                return
        if self._synced_at is None or not self.is_plausible(now()):
            raise errors.OtaError(errors.NO_CLOCK, "no NTP server gave a plausible time")
        log.warning("clock not resynchronised")
        retry_in_s = 600 + backoff.random_below(600)
        self._synced_at = uptime_s - self._config.ntp_resync_s + retry_in_s

    def _ask(self, host):
        try:
            return self._board.ntp_time(host) + _EPOCH_2000
        except (OSError, IndexError, ValueError) as error:
            log.warning("NTP %s: %r" % (host, error))
            return None

    def _accept(self, host, seconds):
        if not self.is_plausible(seconds):
            log.warning("NTP %s: implausible time %d refused" % (host, seconds))
            return False
        self._board.set_clock(time.gmtime(seconds - _EPOCH_2000))
        log.info("Now datetime: %d-%d-%d %d:%d:%d" % time.gmtime(seconds - _EPOCH_2000)[:6])
        return True
