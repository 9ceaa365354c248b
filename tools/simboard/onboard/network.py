"""Shim of `network`: a station that joins the networks the host made up, and loses them on command."""

import boardtime as time
import facts
import sharedmemory

STA_IF = 0
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 201, 202

_JOIN_MS = 60
_SSID, _KEY = 32, 64  # bytes that ESP-IDF has room for
_IMPOSSIBLE = range(1, 8)  # lengths of a password

_joined_to = None
_join_started = 0
_outcome = STAT_IDLE
_joins = 0


def joins():
    """How often the station was joined: a socket does not outlive its join."""
    return _joins


def is_up():
    """Has the station an address, as far as sockets are concerned?"""
    global _joined_to, _outcome
    if _joined_to and _air_was_off():
        _joined_to, _outcome = None, STAT_NO_AP_FOUND  # the address is gone even if the air comes back
    return _joined_to is not None and _outcome == STAT_GOT_IP


def _air_was_off():
    """Is the switch off, or has the schedule had a drop since the join began?"""
    if sharedmemory.get(sharedmemory.WIFI_OFF):
        return True
    joined, now = _since_boot(_join_started), _since_boot(time.ticks_ms())
    drops = facts.get("wifi_drops", ())
    return any(start <= now and start + length > joined for start, length in drops)


def _since_boot(ticks):
    """ms; twelve days at most."""
    return (ticks - time._TICKS_START) & time._TICKS_MASK


class WLAN:
    def __init__(self, interface=STA_IF):
        self._active = False

    def active(self, on=None):
        if on is not None:
            self._active = on
        return self._active

    def connect(self, ssid, key=None):
        global _joined_to, _join_started, _outcome, _joins
        if not self._active:
            raise OSError("Wifi Not Started")
        if _outcome == STAT_CONNECTING:
            raise OSError("Wifi Internal Error")
        if is_up():
            raise OSError("Wifi Internal State Error")
        # As ESP-IDF: so many bytes as there is room for.
        _joined_to = (ssid.encode()[:_SSID], (key or "").encode()[:_KEY])
        _join_started, _outcome = time.ticks_ms(), STAT_CONNECTING
        _joins += 1

    def disconnect(self):
        global _joined_to, _outcome
        _joined_to, _outcome = None, STAT_IDLE

    def status(self):
        global _outcome
        elapsed = time.ticks_diff(time.ticks_ms(), _join_started)
        if _outcome == STAT_CONNECTING and elapsed >= _JOIN_MS:
            _outcome = self._judge_join()
        return STAT_GOT_IP if is_up() else _outcome

    def _judge_join(self):
        ssid, key = _joined_to
        networks = {name.encode(): password for name, password in facts.get("networks").items()}
        if _air_was_off() or ssid not in networks:
            return STAT_NO_AP_FOUND
        is_right = networks[ssid].encode() == key and len(key) not in _IMPOSSIBLE
        return STAT_GOT_IP if is_right else STAT_WRONG_PASSWORD

    def isconnected(self):
        return self.status() == STAT_GOT_IP

    def ifconfig(self):
        return ("10.17.1.111", "255.255.255.0", "10.17.1.1", "10.17.1.1")

    def config(self, key):
        if key == "mac":
            return bytes.fromhex(facts.get("mac"))
        raise ValueError("unknown config param")
