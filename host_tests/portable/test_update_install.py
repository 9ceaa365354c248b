"""device.update.install: what comes after what, and phases that cannot be loaded in the middle of it."""

import makeoffer
import signer
from check import patched, raises, raises_code
from fakeserver import DATA, Download, rest, whole
from fakestream import CLOSE
from makeimage import trailer

from device import errors, guard, phases, tries, update
from device.download import Journal, find

PROVES = {errors.NO_INIT: "test_a_phase_that_is_missing_ends_it_with_nothing_committed"}

IMAGE = DATA + trailer()
_HEAD_206 = "HTTP/1.1 206 X\r\nContent-Length: 64\r\nContent-Range: bytes 0-63/%d\r\n\r\n" % len(IMAGE)
# Phases, and how often they are loaded before that: of the download its beginning, and where it is resumed.
IN_FETCH = (("connection", 0), ("download", 3), ("response", 0), ("slot", 0), ("download", 4))
AROUND = tuple((name, name == "download") for name in "download tries board verify keys guard trial".split())


class Installed(Download):
    """An update of IMAGE. events: what was done, in order."""

    def __init__(self, scripts):
        signature = makeoffer.base64(signer.sign(IMAGE))
        offer = makeoffer.offer(size=len(IMAGE), signature=signature, https_url=makeoffer.ABSENT)
        super().__init__(scripts, offer)
        self.events = []
        self.agent._before_reboot = lambda: self.events.append("hook")
        self.agent.restart = self._restart

    def install(self):
        real = tries.begin

        def begin(agent, position):
            real(agent, position)
            self.events.append("offer begins at %d, %d connected" % (position, len(self.server.hosts)))

        with patched(tries, "begin", begin):
            self.verified()

    def _begin_trial(self, transfer, record):
        self.events.append("trial of %d" % record["size"])
        assert transfer is self.transfer and transfer.head == IMAGE[:64] and transfer.partition is self.nor
        super()._begin_trial(transfer, record)

    def _restart(self, why):
        self.events.append("restart")

    def has_left_nothing(self):
        """No trial, no restart, nothing that could boot; and no phase is open."""
        can_boot = bytes(self.nor.data[:64]) == IMAGE[:64]
        has_trial = self.agent.state["trial"] is not None
        return not (can_boot or has_trial or self.events[1:] or phases._depths)


def _set_threshold():
    """An application's, which CPython does not have."""
    update.gc.threshold(100_000)
    return update.gc.threshold()


class cannot_load:
    """Context: importing this phase raises that, so many times, after so many times without."""

    def __init__(self, name, error, times=99, passes=0):
        self._name = "device." + name
        self._error = error
        self._passes = passes
        self.left = times

    def __enter__(self):
        real = __import__

        def load(name):
            if name == self._name and self.left:
                if not self._passes:
                    self.left -= 1
                    raise self._error
                self._passes -= 1
            return real(name)

        phases.__import__ = load
        return self

    def __exit__(self, *_):
        del phases.__import__


def test_what_comes_after_what():
    download = Installed([whole(IMAGE)])
    download.install()
    begun = "offer begins at 0, 0 connected"
    assert download.events == [begun, "trial of %d" % len(IMAGE), "hook", "restart"]
    assert download.agent.state["failed"]["starts"] == 1 and download.agent.saves == 1


def test_why_an_image_before_was_given_up_is_forgotten():
    """A release of before may have gone on after it, which does not look."""
    guard.note_cause("ImportError: of another image")
    download = Installed([whole(IMAGE)])
    download.install()
    assert download.events[-1] == "restart" and guard.take_cause() == ""


def test_the_offer_begins_where_the_journal_says():
    download = Installed([[_HEAD_206.encode(), IMAGE[:64], CLOSE], rest(IMAGE, 2048)])
    download.nor.data[:64] = b"\xff" * 64
    download.nor.data[64:2048] = IMAGE[64:2048]
    Journal(download.agent.offer).save(2048, None)
    download.install()
    assert download.events[0] == "offer begins at 2048, 0 connected" and download.events[-1] == "restart"


def test_an_offer_that_may_not_begin_costs_no_connection():
    download = Installed([])
    download.agent.save_fails = True
    raises_code(errors.FLASH, download.install)
    assert download.events == [] and download.has_left_nothing() and download.nor.operations == 0


def test_no_memory_for_a_phase_makes_room_once_and_goes_on():
    for name, passes in IN_FETCH:
        download = Installed([whole(IMAGE)] * 2)
        with cannot_load(name, MemoryError("full"), 1, passes) as failing:
            download.install()
        assert failing.left == 0 and download.report.rooms == 0, name
        assert download.events[-1] == "restart", name
        assert all(peer.is_closed for peer in download.server.peers), name


def test_no_memory_for_the_verification_makes_room_once_and_goes_on():
    """What has been downloaded is not asked for again."""
    for name in ("verify", "keys"):
        download = Installed([whole(IMAGE)])
        with cannot_load(name, MemoryError("full"), 1) as failing:
            download.install()
        assert failing.left == 0 and download.report.rooms == 0, name
        assert download.events[-1] == "restart" and len(download.server.hosts) == 1, name


def test_a_verification_that_cannot_be_loaded_leaves_the_download():
    for name in ("verify", "keys"):
        download = Installed([whole(IMAGE)])
        download.agent.config.checkpoint_kib = 1
        with cannot_load(name, ImportError(name)):
            raises_code(errors.NO_INIT, download.install)
        assert download.has_left_nothing() and find(download.agent.offer)[0] == 2048, name


def test_no_memory_for_a_phase_in_the_middle_of_the_image():
    """What has come until then stays."""
    cut = [whole(IMAGE)[0], IMAGE[:1250], CLOSE]
    download = Installed([cut, rest(IMAGE, 1024), rest(IMAGE, 1024)])
    loads = []
    real = phases._load

    def load(name):
        loads.append(name)
        if loads[-2:] == ["response", "download"] and loads.count("response") == 2:
            raise MemoryError("full")
        return real(name)

    with patched(phases, "_load", load):
        download.install()
    assert download.report.rooms == 0 and download.events[-1] == "restart"
    assert [first for first, _ in download.server.requests()] == ["", "1024-", "1024-"]
    assert download.nor.erases == [1, 1, 1, 0]


def test_no_memory_for_a_phase_twice_is_the_end():
    for name, passes in IN_FETCH:
        download = Installed([whole(IMAGE)] * 2)
        with cannot_load(name, MemoryError("full"), 2, passes) as failing:
            raises(MemoryError, download.install)
        assert failing.left == 0 and download.report.rooms == 1 - 2, name
        assert download.has_left_nothing(), name
        assert all(peer.is_closed for peer in download.server.peers), name


def test_a_phase_that_is_missing_ends_it_with_nothing_committed():
    for name, passes in IN_FETCH + AROUND:
        download = Installed([whole(IMAGE)] * 2)
        threshold = _set_threshold()
        with cannot_load(name, ImportError("no module named 'device.%s'" % name), 99, passes):
            error = raises_code(errors.NO_INIT, download.install)
        assert name in error.detail and download.has_left_nothing(), name
        assert update.gc.threshold() == threshold, name
        assert all(peer.is_closed for peer in download.server.peers), name


def test_an_update_that_cannot_even_begin_leaves_the_collector_as_it_was():
    def load(name):
        raise MemoryError("full")

    download = Installed([])
    threshold = _set_threshold()
    with patched(phases, "_load", load):
        raises(MemoryError, download.install)
    assert update.gc.threshold() == threshold and download.has_left_nothing()
