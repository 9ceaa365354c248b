"""Sets the clock by NTP, as far as an answer is plausible.

NTP is not authenticated. So a time before the build of the running image, or before a time at which this
board was already online, is taken for a lie. Without a time to be believed the board goes on with the last
one it knows: certificates are verified by that, and nothing is locked out.

The broker's messages, over TLS, are a second witness. Where one server agrees with them, both are believed,
also behind a known time, but not behind the last one on which they agreed. Where no server is believed they
are a lower bound: they may be old, for they wait at the broker, but none comes from the future.

Of the record (see state.py): known_time is the latest time at which this board was online over TLS, doubts
how often NTP has gone back behind it, agreed_time the latest on which NTP and the broker agreed.
"""

import time

from micropython import const

from . import clock, errors, log, phases

_OLDEST = const(1767225600)  # 2026-01-01: no time before this code was written is right
_SPAN = const(630720000)  # 20 years: a build older than that asks for service
_NTP_ERA_END = 2085978496  # 2036-02-07 06:28:16, what an all-zero or kiss-of-death answer decodes to
_AGREED_S = const(60)
_RESYNC_SOON_MS = const(600000)
_DAY = const(86400)
_HEARD_PAUSE_MS = const(900000)  # no message has NTP asked more often
_REJECTED_CHANCE = const(4)  # asked four times an hour, or at each start of a board that sleeps
_MAX_REJECTED = const(168)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def check_state(state):
    """Drop from the record what is not of the right form."""
    from . import strict  # for no more than this

    for key in ("known_time", "doubts", "agreed_time"):
        if not (strict.is_number(state[key]) and state[key] > 0):
            state[key] = 0


def begin(agent):
    """Generator: Wi-Fi, then the clock, each where that is due. Raises OtaError(NO_GOT_IP)."""
    yield from phases.steps("connection", "join", agent.wlan, agent.config)
    if log.uptime_ms() >= agent.sync_due_ms:
        yield from sync(agent)


def sync(agent):
    """Generator: set the clock by NTP, else to the last known time if it stands before that. A time that is
    not known keeps nobody offline: it is reported, at the first of several failures. Then certificates that
    expire soon are named."""
    try:
        yield from Sync(agent).steps()
    except errors.OtaError as error:
        agent.report.error(error)
    if agent.offer:
        phases.call("offers", "plan", agent)
    phases.call("expiry", "warn", agent.config)


def note_known(agent):
    """The board is online. If that took a certificate, the clock was good enough for it."""
    if agent.config.broker_address[0] == "mqtts":
        agent.time_proven = clock.now() - log.uptime_ms() // 1000
        Sync(agent).keep_known()


def resync_soon(agent):
    """A certificate was refused, which a wrong time may have done: ask again soon, and no more often than
    every ten minutes."""
    agent.is_time_doubtful = True
    agent.sync_due_ms = min(agent.sync_due_ms, agent.sync_asked_ms + _RESYNC_SOON_MS)


def hear(agent, seconds):
    """seconds: the time of a message of the broker's, in s or ms, but it may be anything. One that
    contradicts the clock has NTP asked again."""
    if agent.config.broker_address[0] == "mqtts" and isinstance(seconds, int):
        Sync(agent).hear(seconds // 1000 if seconds > _NTP_ERA_END * 10 else seconds)


class Sync:
    """One look at the time. agent: what is said of the time there, state, config and running."""

    def __init__(self, agent):
        self._agent = agent
        self._state = agent.state
        self._lowest = max(build_seconds(agent.running["build_time"]), _OLDEST)
        if not self._is_plausible(self._state["known_time"]):
            self._state["known_time"] = 0
        self._witness = None  # as agent.witness

    def _is_plausible(self, seconds):
        return self._lowest <= seconds <= self._lowest + _SPAN and seconds != _NTP_ERA_END

    def steps(self):
        """Generator. Raises OtaError(NO_CLOCK) at the first of several failures."""
        agent = self._agent
        self.keep_known()
        agent.sync_asked_ms = log.uptime_ms()
        self._witness, agent.witness = agent.witness, None
        seconds = yield from self._ask_all()
        is_believed = seconds is not None and self._is_believed(seconds)
        if is_believed:
            _set(seconds)
        elif agent.is_time_doubtful or not self._is_plausible(clock.now()) or clock.now() < self._least():
            _set(max(self._lowest, self._least()))
        agent.is_time_doubtful = False
        pause_s = agent.config.ntp_resync_s if is_believed else 600 + clock.random_below(600)
        agent.sync_due_ms = log.uptime_ms() + pause_s * 1000
        was_told, agent.is_sync_reported = agent.is_sync_reported, not is_believed
        if not is_believed and not was_told:
            raise errors.OtaError(errors.NO_CLOCK, "no NTP server is believed: the last known time counts")

    def hear(self, seconds):
        agent = self._agent
        now = clock.now()
        if abs(seconds - now) > _AGREED_S:
            agent.witness = seconds - log.uptime_ms() // 1000
            agent.sync_due_ms = min(agent.sync_due_ms, agent.sync_asked_ms + _HEARD_PAUSE_MS)
        elif agent.sync_asked_ms and not agent.is_sync_reported and now >= self._state["agreed_time"] + _DAY:
            self._state["agreed_time"] = now
            self._save()

    def _known(self):
        """No time before this one is now."""
        proven = self._agent.time_proven
        return max(self._state["known_time"], proven + log.uptime_ms() // 1000 if proven else 0)

    def _least(self):
        """Nor before this one, by the broker's word, which stands where no server is believed."""
        said = log.uptime_ms() // 1000 + (self._witness or 0)
        return max(self._known(), said if self._witness and self._is_plausible(said) else 0)

    def keep_known(self):
        """On record once a day."""
        known = self._known()
        if known >= self._state["known_time"] + _DAY:
            self._state["known_time"] = known
            self._save()

    def _save(self):
        """A record that cannot be written costs what it is for, not the time."""
        try:
            self._agent.save_state()
        except errors.OtaError as error:
            log.error(error.detail)

    def _ask_all(self):
        """Generator: the time that two servers agree on. If only one answers, its; if they disagree, the
        earliest that is not behind what is known. None if none gives a plausible one."""
        offsets: list[int] = []  # against the uptime, which goes on while the others are asked
        for host in self._agent.config.ntp_hosts:
            seconds = self._ask(host)
            if seconds is not None:
                offset = seconds - log.uptime_ms() // 1000
                witness = self._witness
                for other in offsets if witness is None else (witness,):  # beside it, two may be one liar
                    if abs(offset - other) <= _AGREED_S:
                        return seconds
                offsets.append(offset)
            yield
        uptime_s = log.uptime_ms() // 1000
        lowest = self._known() - _AGREED_S - uptime_s
        later = [offset for offset in offsets if offset >= lowest] or offsets
        return min(later) + uptime_s if later else None

    def _ask(self, host):
        try:
            seconds = phases.call("board", "ntp_time", host) + clock.EPOCH_2000
            if self._is_plausible(seconds):
                return seconds
            why = "implausible time %d" % seconds
        except (OSError, IndexError, ValueError) as error:
            why = repr(error)
        log.warning("NTP %s: %s" % (host, why))
        return None

    def _is_believed(self, seconds):
        """Not if it goes back behind a known time, unless NTP says so for about a week: then that one was a
        lie, and to insist on it would lock the board out."""
        state = self._state
        known = self._known()
        if seconds >= known - _AGREED_S:
            state["doubts"] = 0
            return True
        if self._is_witnessed(seconds) and seconds >= state["agreed_time"] - _AGREED_S:
            return self._forget_known()
        log.warning("NTP goes back from %d to %d" % (known, seconds))
        if clock.random_below(_REJECTED_CHANCE):
            return False
        state["doubts"] += 1
        if state["doubts"] > _MAX_REJECTED:
            state["agreed_time"] = 0
            return self._forget_known()
        self._save()
        return False

    def _is_witnessed(self, seconds):
        said = self._witness
        return said is not None and abs(seconds - log.uptime_ms() // 1000 - said) <= _AGREED_S

    def _forget_known(self):
        self._state["known_time"] = self._state["doubts"] = self._agent.time_proven = 0
        self._save()
        return True


def _set(seconds):
    moment = time.gmtime(seconds - clock.EPOCH_2000)
    phases.call("board", "set_clock", moment)
    log.info("Now datetime: %d-%d-%d %d:%d:%d" % moment[:6])


def unix(year, month, day, hour, minute, second):
    """UTC -> Unix seconds, from 1970 on; `time.mktime` ends in 2038 on some ports."""
    if month < 3:
        year -= 1
        month += 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def build_seconds(text):
    """ "May 24 2024 10:33:41" -> Unix seconds; 0 for anything else."""
    parts = text.replace(":", " ").split()
    if len(parts) != 6 or len(parts[0]) != 3:
        return 0
    month = _MONTHS.find(parts[0])
    try:
        day, year, hour, minute, second = [int(part) for part in parts[1:]]
    except ValueError:
        return 0
    is_time = 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 61
    if is_time and month >= 0 and not month % 3 and 1 <= day <= 31 and 2000 <= year <= 2100:
        return unix(year, month // 3 + 1, day, hour, minute, second)
    return 0
