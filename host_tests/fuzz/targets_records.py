"""What lies in the file system: configuration, state record, journal, with any content."""

import os

import makeoffer
from check import patched, raises_code
from fakeagent import FakeAgent
from targets import TARGETS, show

from device import clock, config, config_table, download, errors, offers, strict, trial, tries
from device.offer import parse

NOW = 1800000000
_FILE = "fuzz.record"
_PARTS = ("slots", "trial", "waiting", "failed", "refused", "wear", "known_time", "doubts")


def settings(raw):
    values = strict.json_object(raw)
    made = config_table.fill(config.Config(), values) if values is not None else None
    return made and {name: getattr(made, name) for name in config_table.KEYS}


def state(raw):
    """What is read, is the same after it was saved; and whatever it is, it can be worked with."""
    for name in (_FILE + ".new", _FILE + ".old", "ota_floor"):
        _remove(name)
    _write(_FILE, raw)
    first = FakeAgent(_FILE)
    found = {name: first.state[name] for name in _PARTS}
    found["floor"] = strict.version(first.state["floor"])
    first.save_state()
    second = FakeAgent(_FILE)
    for name in first.state:
        assert show(second.state[name]) == show(first.state[name]), name
    _use(second)
    return found


def _use(agent):
    """As the agent does after a start, for an offer that has failed before."""
    record = agent.state
    if record["waiting"]:
        try:
            parse(record["waiting"])
        except errors.OtaError as error:
            assert error.code == errors.BAD_MESSAGE
    agent.running = {"version": "1.0.0"}
    raises_code(errors.DOWNGRADE, offers.check, agent, makeoffer.offer(version="0.99.99"))
    agent.offer = offer = makeoffer.offer()
    if record["failed"]:
        record["failed"]["offer"] = [offer.version, offer.signature_text, offer.url, offer.size]
    with patched(clock, "now", lambda: NOW):
        assert 0 <= tries.pause_left_s(agent, offer) <= 86400
        tries.begin(agent, 0)
        tries.fail(agent, errors.OtaError(errors.TIMEOUT))
        assert 0 <= tries.pause_left_s(agent, offer) <= 86400
        offers.refuse(agent, record["trial"] or {})
        try:
            offers.check_refused(agent, offer)
        except errors.OtaError as error:
            assert error.code == errors.REFUSED_IMAGE
    trial.drop_waiting(record, offer.signature_text)
    agent.clear_refused()


def checkpoints(raw):
    """u8 length of the first file, the first file, the second file. Returns (position, ETag)."""
    length = raw[0] if raw else 0
    for number, content in ((0, raw[1 : 1 + length]), (1, raw[1 + length :])):
        _write("ota_journal.%d" % number, content)
    offer = makeoffer.offer()
    found = download.find(offer)
    download.Journal(offer).save(8192, '"tag"')
    assert download.find(offer) == (8192, '"tag"'), download.find(offer)
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
TARGETS["journal"] = checkpoints
