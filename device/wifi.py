"""Wi-Fi: a list of networks tried in order, every wait bounded. And what comes next, the clock."""

import time

from . import clock, errors, log, phases


def begin(agent):
    """Generator: Wi-Fi and the clock, each where that is due. Raises OtaError(NO_GOT_IP)."""
    yield from join(agent.wlan, agent.config)
    if log.uptime_ms() >= agent.sync_due_ms:
        yield from sync(agent)


def sync(agent):
    """Generator: set the clock, then name certificates that expire soon."""
    yield from phases.steps("ntp", "sync", agent)
    phases.call("expiry", "warn", agent.config)


def join(wlan, config):
    """Generator: returns once the station (a `network.WLAN`) is connected; at once if it is. At most
    wifi_timeout_s a network. Raises OtaError(NO_GOT_IP)."""
    if wlan.isconnected():
        return
    for ssid, password in config.wifi:
        _start(wlan, ssid, password)
        started = time.ticks_ms()
        while not wlan.isconnected():
            if time.ticks_diff(time.ticks_ms(), started) >= config.wifi_timeout_s * 1000:
                break
            yield clock.IDLE_MS
        if wlan.isconnected():
            log.info("sta got ip %s" % wlan.ifconfig()[0])
            return
        log.warning("Wi-Fi %r: no connection" % ssid)
    raise errors.OtaError(errors.NO_GOT_IP, "no network of the list")


def _start(wlan, ssid, password):
    """Leave whatever half-open attempt there is, then connect. ESP32 raises if it is busy."""
    try:
        wlan.active(True)
        wlan.disconnect()
    except OSError:
        pass
    try:
        wlan.connect(ssid, password)
    except OSError as error:
        log.warning("Wi-Fi %r: %r" % (ssid, error))
