"""What the server hears: version, progress and errors, each with the next sequence number."""

from micropython import const

from . import clock, errors, log, messages

_LAST_SEQUENCE = const((1 << 30) - 1)  # the largest int that needs no heap


class Reporter:
    """Publishes over a Link. Errors that cannot be sent now wait for the next connection."""

    def __init__(self, link, config):
        self._link = link
        self._config = config
        self._sequence = 0
        self._tenth = -1  # the last progress reported
        self._may_reconnect = False
        self._unsent = []  # OtaErrors, each code once
        self._asked = None  # msg_sequence of the `get` that has no answer yet

    def version(self, kind, running, slot):
        """kind: "INIT" or "UPDATE". Raises OtaError if it is not acknowledged."""
        data = messages.report_data(kind, running["version"], running["build_time"], slot)
        self._publish(messages.REPORT, data)

    def ask(self):
        """Publish a `get`. Raises OtaError."""
        self._asked = self._sequence
        self._publish(messages.GET, "{}")

    def is_answer(self, sequence):
        """True once for the answer to the last `get`."""
        if sequence != self._asked:
            return False
        self._asked = None
        return True

    def begin_update(self):
        self._tenth = -1
        self._may_reconnect = True

    def progress(self, percent):
        """Once for each 10 %, and not waited for: a broker that does not answer never holds up the update. A
        lost link is connected anew until that fails once."""
        if percent // 10 == self._tenth:
            return
        self._tenth = percent // 10
        self.mention(messages.progress_data(percent))

    def mention(self, data, waits=False):
        """Of an update, which goes on if the broker does not hear it."""
        try:
            if self._link.is_open or self._may_reconnect:
                if not self._link.is_open:
                    self._link.connect()  # the session is kept, and with it the subscriptions
                self._link.publish(messages.PROGRESS, self._envelope(data), waits)
        except errors.OtaError as problem:
            self._may_reconnect = False
            log_error(problem)

    def make_room(self):
        """For the rest of an update the broker's link is given up, because a second TLS connection does not
        fit beside it. Returns False if it was closed already."""
        if not self._link.is_open:
            return False
        log.warning("no room for two connections: the broker waits until the update is over")
        self._may_reconnect = False
        self._link.close()
        return True

    def error(self, error):
        """Log it, and tell the server now or later."""
        log_error(error)
        if not any(waiting.code == error.code for waiting in self._unsent):
            self._unsent.append(error)
        try:
            while self._link.is_open and self._unsent:
                self.send_waiting()
        except errors.OtaError as problem:
            log_error(problem)

    def has_waiting(self):
        return bool(self._unsent)

    def send_waiting(self):
        """Send the oldest error that waits. Raises OtaError."""
        error = self._unsent[0]
        data = messages.error_data(error.code, self._config.language, error.facts)
        self._publish(messages.PROGRESS, data)
        self._unsent.pop(0)

    def _publish(self, name, data):
        payload = self._envelope(data)
        log.info("Publish ota %s, payload: %s" % (name, payload))
        self._link.publish(name, payload)

    def _envelope(self, data):
        payload = messages.envelope(self._sequence, clock.now(), data)
        self._sequence = (self._sequence + 1) & _LAST_SEQUENCE
        return payload


def log_error(error):
    log.error("%d %s: %s" % (error.code, errors.text(error.code), error.detail))
