"""Wi-Fi: a list of networks tried in order, every wait bounded."""

import time

from . import clock, errors, log


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
