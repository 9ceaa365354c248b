"""Wi-Fi: a list of networks tried in order, every wait bounded."""

import time

from . import backoff, errors, log


class Wifi:
    """Joins and rejoins. wlan: a `network.WLAN` station."""

    def __init__(self, wlan, config):
        self._wlan = wlan
        self._networks = config.wifi
        self._timeout_ms = config.wifi_timeout_s * 1000

    def is_up(self):
        return self._wlan.isconnected()

    def join(self):
        """Generator: returns once connected; at once if it is. Raises OtaError(NO_GOT_IP)."""
        if self.is_up():
            return
        for ssid, password in self._networks:
            self._start(ssid, password)
            started = time.ticks_ms()
            while not self.is_up() and time.ticks_diff(time.ticks_ms(), started) < self._timeout_ms:
                yield backoff.IDLE_MS
            if self.is_up():
                log.info("sta got ip %s" % self._wlan.ifconfig()[0])
                return
            log.warning("Wi-Fi %r: no connection" % ssid)
        raise errors.OtaError(errors.NO_GOT_IP, "no network of the list")

    def _start(self, ssid, password):
        """Leave whatever half-open attempt there is, then connect. ESP32 raises if it is busy."""
        try:
            self._wlan.active(True)
            self._wlan.disconnect()
        except OSError:
            pass
        try:
            self._wlan.connect(ssid, password)
        except OSError as error:
            log.warning("Wi-Fi %r: %r" % (ssid, error))
