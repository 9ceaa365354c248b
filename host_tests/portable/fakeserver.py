"""A file server as a script of answers: each connection of a download takes the next one."""

import gc

import fakekeys
import makeoffer
from check import patched, raises_code, run
from fakeagent import FakeAgent
from fakestream import CLOSE, FakeStream, Peer
from faketime import FakeTime
from makeimage import content
from nor import Nor

from device import connection, download, update
from device.slot import Slot

BLOCK = 1024  # a quarter of the real one: four of them and an image fit a heap of 192 KiB well
DATA = content(2500)
ETAG = 'ETag: "a"\r\n'
SMALL = {
    "http_timeout_s": 5, "retry_window_s": 20, "backoff_min_s": 1, "backoff_max_s": 4,
}  # fmt: skip


def head(status=200, length=None, first=None, total=None, more=""):
    lines = ["HTTP/1.1 %d X" % status]
    if length is not None:
        lines.append("Content-Length: %d" % length)
    if first is not None:
        lines.append("Content-Range: bytes %d-%d/%d" % (first, total - 1, total))
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()


def whole(data, more=""):
    """A good answer with all of the file."""
    return [head(200, len(data), more=more), data, CLOSE]


def rest(data, first, more=""):
    """A good answer to a request that resumes at `first`."""
    return [head(206, len(data) - first, first, len(data), more), data[first:], CLOSE]


class Server:
    """scripts: what each connection says, see fakestream.Peer; an exception refuses it."""

    def __init__(self, scripts, clock, chunk=1 << 20):
        self.scripts = list(scripts)
        self.clock = clock
        self.chunk = chunk
        self.peers = []
        self.hosts = []  # (host, port, over TLS?)

    def connect(self, host, port, context, timeout_ms):
        self.hosts.append((host, port, context is not None))
        assert self.scripts, "one connection more than the test foresees"
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        peer = Peer(script, self.chunk)
        self.peers.append(peer)
        stream = FakeStream(peer, self.clock)
        stream.limit(timeout_ms)
        return stream

    def requests(self):
        """The first byte that each connection asked for, and its If-Range."""
        names = (b"Range: bytes=", b"If-Range: ")
        return [tuple(_header(peer.sent, name) for name in names) for peer in self.peers]


def _header(request, name):
    start = request.find(b"\r\n" + name)
    if start < 0:
        return ""
    start += len(name) + 2
    return request[start : request.find(b"\r\n", start)].decode()


class FakeJournal:
    """A journal in RAM. saved: every (position, etag) that was written."""

    def __init__(self, position=0, etag=None):
        self.position = position
        self.etag = etag
        self.saved = []

    def save(self, position, etag):
        self.position, self.etag = position, etag
        self.saved.append((position, etag))

    def forget(self):
        if self.position:
            self.save(0, None)


class Download:
    """One update from scripts into a NOR partition, in fake time. make_context(config): of TLS; contexts: how
    many it made. slot: with what was downloaded."""

    def __init__(
        self, scripts, offer, chunk=1 << 20, kind="raw", wlan=None, make_context=None, **changes
    ):  # fmt: skip
        gc.collect()
        self.nor = Nor(4, BLOCK)
        self.clock = FakeTime()
        self.server = Server(scripts, self.clock, chunk)
        values = dict(SMALL)
        values.update(changes)
        self.agent = FakeAgent(image=kind, signing_key=fakekeys.put(), **values)
        self.agent.block = bytearray(BLOCK)
        self.agent.offer = offer
        self.agent.wlan = wlan or self.agent.wlan
        self.report = self.agent.report
        self.journal = FakeJournal()
        self.contexts = 0
        self.make_context = make_context or self._make_context
        self.slot = None

    def run(self):
        """The download alone."""
        self._play(self._downloads)

    def verified(self):
        """The record of the image."""
        head, record = self._play(self._update)
        self.slot = Slot(self.nor, self.agent.block, head)
        return record

    def holds(self, data):
        self.slot.release_head()
        return bytes(self.nor.data[: len(data)]) == data

    def _play(self, function):
        progress = update.Progress(self.agent.offer.size, self.report.progress)
        with self.clock, patched(connection, "connect", self.server.connect):
            with patched(connection, "file_context", self.make_context):
                return run(function(progress), self.clock.advance)

    def _make_context(self, _):
        self.contexts += 1
        return "tls"

    def _downloads(self, progress):
        context = self.make_context(None) if self.agent.offer.address[0] == "https" else None
        steps = download.Download(self.agent, self.nor, None, context, self.journal, progress)
        self.slot = steps.slot
        steps.resume()
        return steps.run()

    def _update(self, progress):
        return update.fetch_and_verify(self.agent, self.nor, None, self.journal, progress)


def download_of(scripts, data=DATA, https=False, **options):
    changes = {"size": len(data)}
    changes["http_url" if https else "https_url"] = makeoffer.ABSENT
    return Download(scripts, makeoffer.offer(**changes), **options)


def succeeds(scripts, data=DATA, starts_over=0, **options):
    """starts_over: how often the progress goes back to 0."""
    played = download_of(scripts, data, **options)
    played.run()
    assert played.holds(data)
    assert not played.server.scripts, "a connection was not needed"
    assert all(peer.is_closed for peer in played.server.peers)
    percents = played.report.percents
    assert percents[0] == 0 and percents[-1] == 100
    assert sum(after < before for before, after in zip(percents, percents[1:])) == starts_over
    return played


def fails(code, scripts, data=DATA, connections=1, **options):
    played = download_of(scripts, data, **options)
    raises_code(code, played.run)
    assert len(played.server.hosts) == connections, len(played.server.hosts)
    assert all(peer.is_closed for peer in played.server.peers)
    return played
