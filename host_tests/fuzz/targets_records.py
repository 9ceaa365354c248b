"""What lies in the file system: configuration, state record, journal, with any content."""

import os

import makeoffer
from check import patched
from targets import TARGETS, show

from device import clock, config, errors, jsontext, messages
from device.failures import Failures
from device.journal import Journal
from device.state import State

NOW = 1800000000
_FILE = "fuzz.record"
_PARTS = ("slots", "trial", "waiting", "failed", "floor", "refused")


def settings(raw):
    values = jsontext.parse_object(raw)
    made = config.Config(values) if values is not None else None
    return made and {name: getattr(made, name) for name in config.KEYS}


def state(raw):
    """What is read, is the same after it was saved; and whatever it is, it can be worked with."""
    _remove(_FILE + ".new")
    _write(_FILE, raw)
    first = State(_FILE)
    found = {name: getattr(first, name) for name in _PARTS}
    found["lowest"] = first.lowest_allowed("1.0.0")
    first.save()
    second = State(_FILE)
    for name in _PARTS:
        assert show(getattr(second, name)) == show(getattr(first, name)), name
    _use(second)
    return found


def _use(record):
    """As the agent does after a start, for an offer that has failed before."""
    if record.waiting:
        try:
            messages.Offer(record.waiting)
        except errors.OtaError as error:
            assert error.code == errors.BAD_MESSAGE
    offer = makeoffer.offer()
    if record.failed:
        record.failed["offer"] = [offer.version, offer.signature_text, offer.url, offer.size]
    failures = Failures(record)
    with patched(clock, "now", lambda: NOW):
        assert 0 <= failures.pause_left_s(offer) <= 86400
        failures.start(offer, 0)
        failures.end(offer, errors.TIMEOUT)
        assert 0 <= failures.pause_left_s(offer) <= 86400
    record.refuse(record.trial or {})
    record.drop_waiting(offer.signature_text)
    record.is_refused("digest", "ab")
    record.clear_refused()


def journal(raw):
    """u8 length of the first file, the first file, the second file. Returns (position, ETag)."""
    length = raw[0] if raw else 0
    for number, content in ((0, raw[1 : 1 + length]), (1, raw[1 + length :])):
        _write("%s.%d" % (_FILE, number), content)
    offer = makeoffer.offer()
    made = Journal(_FILE)
    made.bind(offer)
    found = (made.position, made.etag)
    made.save(8192, '"tag"')
    again = Journal(_FILE)
    again.bind(offer)
    assert (again.position, again.etag) == (8192, '"tag"'), again.position
    return found


def _write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


TARGETS["config"] = settings
TARGETS["state"] = state
TARGETS["journal"] = journal
