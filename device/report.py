"""What the server hears: version, progress and errors, each with the next sequence number."""

from micropython import const

from . import clock, errors, log, phases

_LAST_SEQUENCE = const((1 << 30) - 1)  # the largest int that needs no heap


class Report:
    """Publishes over a link.Link. Errors that cannot be sent now wait for the next connection.

    sequence: number of the next message. unsent: OtaErrors, each code once. asked: msg_sequence of the `get`
    that has no answer yet.
    """

    def __init__(self, link, language):
        self.link = link
        self._language = language
        self.sequence = 0
        self._tenth = -1  # the last progress reported
        self._may_reconnect = False
        self.unsent = []
        self.asked = None

    def start(self):
        self._tenth = -1
        self._may_reconnect = True

    def progress(self, percent):
        """Once for each 10 %, and not waited for: a broker that does not answer never holds up the update. A
        lost link is connected anew until that fails once."""
        if percent // 10 != self._tenth:
            self._tenth = percent // 10
            self.add('{"progress": %d}' % percent)

    def add(self, data, waits=False):
        """data (JSON) of an update, which goes on if the broker does not hear it."""
        try:
            if self.link.is_open or self._may_reconnect:
                if not self.link.is_open:
                    self.link.connect()  # the session is kept, and with it the subscriptions
                self.link.publish("progress/report", self._envelope(data), waits)
        except (errors.OtaError, MemoryError) as problem:
            self._may_reconnect = False
            self.link.close()
            log_error(problem)

    def free_memory(self):
        """For the rest of an update the broker's link is given up, because a second TLS connection does not
        fit beside it. Returns False if it was closed already."""
        if not self.link.is_open:
            return False
        log.warning("no room for two connections: the broker must wait")
        self._may_reconnect = False
        self.link.close()
        self.link.context = None  # it is made anew
        return True

    def error(self, error):
        """Log an OtaError, and report it to the server now or later."""
        log_error(error)
        if not any(waiting.code == error.code for waiting in self.unsent):
            self.unsent.append(error)
        try:
            while self.link.is_open and self.unsent:
                self.send_waiting()
        except (errors.OtaError, MemoryError) as problem:
            log_error(problem)

    def send_waiting(self):
        """Send the oldest error that waits. Raises OtaError."""
        error = self.unsent[0]
        self.publish("progress/report", phases.call("failure", "report_data", error, self._language))
        self.unsent.pop(0)

    def publish(self, name, data):
        """data: JSON, which gets its envelope; more fields of that may follow. Raises OtaError if it is not
        acknowledged."""
        payload = self._envelope(data)
        log.info("Publish ota %s, payload: %s" % (name, payload))
        self.link.publish(name, payload)

    def _envelope(self, data):
        """By hand: MicroPython's dicts do not keep their order."""
        facts = (self.sequence, clock.now(), data)
        self.sequence = (self.sequence + 1) & _LAST_SEQUENCE
        return '{"msg_sequence": %d, "time": %d000, "data": %s}' % facts


def log_error(error):
    """error: an OtaError or a MemoryError. Its text is left out where that cannot be loaded."""
    try:
        line = phases.call("failure", "line", error)
    except (errors.OtaError, MemoryError):
        line = str(error)
    log.error(line)
