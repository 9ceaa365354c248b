"""The clock: Unix seconds as integers, whatever the port's epoch; from NTP, as far as it is plausible.

NTP is not authenticated. So a time before the build of the running image, or before a time at which this
board was already online, is taken for a lie. Without a time to be believed the board goes on with the last
one it knows: certificates are judged by that, and nothing is locked out.
"""

import time

from micropython import const

from . import backoff, errors, log

_EPOCH_2000 = 946684800 if time.gmtime(0)[0] == 2000 else 0
_OLDEST = const(1767225600)  # 2026-01-01: earlier than this code there is no now
_SPAN = const(630720000)  # 20 years: a build older than that asks for service
_NTP_ERA_END = 2085978496  # 2036-02-07 06:28:16, what an all-zero or kiss-of-death answer decodes to
_AGREED_S = const(60)
_DAY = const(86400)
_HURRY_MS = const(600000)
_DOUBT_CHANCE = const(4)  # asked four times an hour, or at each start of a board that sleeps
_MOST_DOUBTS = const(168)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def now():
    """Unix seconds, int."""
    return int(time.time()) + _EPOCH_2000


def unix(year, month, day, hour, minute, second):
    """UTC -> Unix seconds, from 1970 on; `time.mktime` ends in 2038 on some ports."""
    if month < 3:
        year -= 1
        month += 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 + second


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
    return unix(year, month // 3 + 1, day, hour, minute, second)


class Clock:
    """state.known_time: the latest time at which this board was online over TLS."""

    def __init__(self, config, board, state, build_time):
        """build_time: of the running image, in the vendor's form, "" = unknown."""
        self._config = config
        self._board = board
        self._state = state
        self._floor = max(build_seconds(build_time), _OLDEST)
        self._asked_ms = self._due_ms = 0  # uptime
        self._is_told = False
        self.is_doubtful = False  # a certificate was refused since the clock was last set or asked for
        self._proven = 0  # the time at which the uptime was 0, by a clock that a certificate has confirmed
        if not self.is_plausible(state.known_time):
            state.known_time = 0

    def is_plausible(self, seconds):
        return self._floor <= seconds <= self._floor + _SPAN and seconds != _NTP_ERA_END

    def is_due(self):
        return log.uptime_ms() >= self._due_ms

    def sync(self):
        """Generator: set the clock by NTP, else to the last known time if it stands before that.

        Raises OtaError(NO_CLOCK), having done the latter, at the first of several failures.
        """
        self._keep_known()
        self._asked_ms = log.uptime_ms()
        seconds = yield from self._ask_all()
        is_believed = seconds is not None and self._is_believed(seconds)
        if is_believed:
            self._set(seconds)
        elif self.is_doubtful or not self.is_plausible(now()) or now() < self._known():
            self._set(max(self._floor, self._known()))
        self.is_doubtful = False
        pause_s = self._config.ntp_resync_s if is_believed else 600 + backoff.random_below(600)
        self._due_ms = log.uptime_ms() + pause_s * 1000
        was_told, self._is_told = self._is_told, not is_believed
        if not is_believed and not was_told:
            raise errors.OtaError(errors.NO_CLOCK, "no NTP server is believed, the last known time is used")

    def hurry(self):
        """A certificate was refused, which a wrong time may have done: ask again soon, and no more often than
        every ten minutes."""
        self.is_doubtful = True
        self._due_ms = min(self._due_ms, self._asked_ms + _HURRY_MS)

    def note_known(self):
        """The board is online. If that took a certificate, the clock was good enough for it."""
        if self._config.broker.startswith("mqtts://"):
            self._proven = now() - log.uptime_ms() // 1000
            self._keep_known()

    def _known(self):
        """No time before this one is now."""
        proven = self._proven + log.uptime_ms() // 1000 if self._proven else 0
        return max(self._state.known_time, proven)

    def _keep_known(self):
        """On record once a day."""
        known = self._known()
        if known < self._state.known_time + _DAY:
            return
        self._state.known_time = known
        self._save()

    def _save(self):
        """A record that cannot be written costs what it is for, not the time."""
        try:
            self._state.save()
        except errors.OtaError as error:
            log.error(error.detail)

    def _ask_all(self):
        """Generator: the time that two servers agree on. If only one answers, its; if they disagree, the
        earliest that is not behind what is known. None if none gives a plausible one."""
        offsets: list[int] = []  # against the uptime, which goes on while the others are asked
        for host in self._config.ntp_hosts:
            seconds = self._ask(host)
            if seconds is not None:
                offset = seconds - log.uptime_ms() // 1000
                if any(abs(offset - other) <= _AGREED_S for other in offsets):
                    return seconds
                offsets.append(offset)
            yield
        uptime_s = log.uptime_ms() // 1000
        lowest = self._known() - _AGREED_S - uptime_s
        later = [offset for offset in offsets if offset >= lowest] or offsets
        return min(later) + uptime_s if later else None

    def _ask(self, host):
        try:
            seconds = self._board.ntp_time(host) + _EPOCH_2000
        except (OSError, IndexError, ValueError) as error:
            log.warning("NTP %s: %r" % (host, error))
            return None
        if self.is_plausible(seconds):
            return seconds
        log.warning("NTP %s: implausible time %d refused" % (host, seconds))
        return None

    def _is_believed(self, seconds):
        """Not if it goes back behind a known time, unless NTP says so for about a week: then that one was a
        lie, and to insist on it would lock the board out."""
        state = self._state
        known = self._known()
        if seconds >= known - _AGREED_S:
            state.doubts = 0
            return True
        log.warning("NTP goes back from %d to %d" % (known, seconds))
        if backoff.random_below(_DOUBT_CHANCE):
            return False
        state.doubts += 1
        if state.doubts > _MOST_DOUBTS:
            state.known_time = state.doubts = self._proven = 0
        self._save()
        return not state.known_time

    def _set(self, seconds):
        moment = time.gmtime(seconds - _EPOCH_2000)
        self._board.set_clock(moment)
        log.info("Now datetime: %d-%d-%d %d:%d:%d" % moment[:6])
