"""`ntptime` of the in-process board: the answers of the case's NTP server."""

import boardtime
import virtualtime

host = "pool.ntp.org"
answer = "right"  # "dead", or seconds that a lying server is off
_NTP_ERA_END = 2085978496


def time():
    """Seconds of the board's epoch."""
    virtualtime.advance(1000 if answer == "dead" else 10)
    if answer == "dead":
        raise OSError(110)
    if answer == "zero":
        return _NTP_ERA_END - boardtime.epoch()
    truth = virtualtime.START_S + virtualtime.now_ms // 1000 - boardtime.epoch()
    return truth if answer == "right" else truth + answer
