"""Offers of an attacker who owns the broker's account and never ends."""

import binascii
import json

import virtualtime

_MAX_WAITING = 4  # messages the device has not acknowledged


class Noise:
    """Each offer is that of the case's image, but for what varies: "signature" is noise, and another each
    time; "url", "delay", "version" are others; "cancel" takes each one back.

    Of the case: noise {"every_ms", "vary": [...], "fields": {...} of all}.
    """

    def __init__(self, broker, offer, plan):
        self._broker = broker
        self._offer = dict(offer)
        self._offer.update(plan.get("fields", {}))
        self._plan = plan
        self._next_ms = virtualtime.now_ms
        self.count = 0

    def tick(self):
        if virtualtime.now_ms < self._next_ms or self._broker.waiting() >= _MAX_WAITING:
            return
        self._next_ms = virtualtime.now_ms + self._plan["every_ms"]
        self.count += 1
        if "cancel" in self._plan["vary"] and self.count % 2 == 0:
            self._say({"cancel": "*"})
        else:
            self._say(self._next())

    def _next(self):
        count, data = self.count, dict(self._offer)
        for name in self._plan["vary"]:
            if name == "signature":
                number = b"\x30\x06\x02\x01\x11\x02\x01" + bytes([1 + count % 120]) + count.to_bytes(4, "big")
                data["sig-sha256-ecdsa"] = binascii.b2a_base64(number).decode().strip()
            elif name == "url":
                data["https_url"] = "https://files/%d" % count
            elif name == "delay":
                data["upgrade_delay"] = virtualtime.START_S + virtualtime.now_ms // 1000 + 9000 + count
            elif name == "version":
                data["version"] = "2.%d.%d" % (count // 100 % 100, count % 100)
        return data

    def _say(self, data):
        message = {"msg_sequence": self.count, "time": virtualtime.START_S, "data": data}
        self._broker.send("update", json.dumps(message).encode())
