"""`ntptime` of the in-process board: the answers of the case's NTP server."""

import boardtime
import virtualtime

host = "pool.ntp.org"
answer = "right"  # "dead", "zero", or seconds that a lying server is off; a dict by host
_NTP_ERA_END = 2085978496


def time():
    """Seconds of the board's epoch."""
    said = answer.get(host, "right") if isinstance(answer, dict) else answer
    virtualtime.advance(1000 if said == "dead" else 10)
    if said == "dead":
        raise OSError(110)
    if said == "zero":
        return _NTP_ERA_END - boardtime.epoch()
    truth = virtualtime.unix_s() - boardtime.epoch()
    return truth if said == "right" else truth + said
