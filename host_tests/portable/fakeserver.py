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

from device import board, connection, download, files, trial, update
from device.trial import release_head as release

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


class Download:
    """One update from scripts into a NOR partition, in fake time. make_context(ca): of TLS; contexts: how
    many it made. saved: every (position, etag) that went into the journal. transfer: see update.py, once it
    has begun; record: what the trial was to begin with."""

    def __init__(
        self, scripts, offer, chunk=1 << 20, kind="raw", wlan=None, make_context=None, **changes
    ):  # fmt: skip
        gc.collect()
        for name in download._NAMES:
            files.write(name, b"")
        files.write("file_ca.der", b"ca")
        self.nor = Nor(4, BLOCK)
        self.clock = FakeTime()
        self.server = Server(scripts, self.clock, chunk)
        values = dict(SMALL, image=kind, signing_key=fakekeys.put(), file_ca="file_ca.der")
        values.update(changes)
        self.agent = FakeAgent(**values)
        self.agent.offer = offer
        self.agent.wlan = wlan or self.agent.wlan
        self.report = self.agent.report
        self.contexts = 0
        self.make_context = make_context or self._make_context
        self.saved = []
        self.transfer = self.record = None

    def run(self):
        """The download alone."""
        self._play(self._fetch)

    def verified(self):
        """The record of the image: of an update that ends where the trial begins."""
        self._play(lambda: update.install(self.agent))
        return self.record

    def holds(self, data):
        """Is that what is there once the head is released?"""
        release(self.nor, self.transfer.head)
        return self.nor.holds(data)

    def _play(self, function):
        patches = [
            patched(connection, "connect", self.server.connect),
            patched(connection, "client_context", self.make_context),
            patched(board, "spare", lambda: self.nor),
            patched(board, "chip", lambda: None),
            patched(trial, "begin", self._begin_trial),
            patched(update, "Transfer", self._noted_transfer(update.Transfer)),
            patched(download.Journal, "save", self._noted(download.Journal.save)),
        ]
        with self.clock:
            for patch in patches:
                patch.__enter__()
            try:
                run(function(), self.clock.advance)
            finally:
                for patch in patches:
                    patch.__exit__()

    def _fetch(self):
        transfer = update.Transfer(self.agent)
        transfer.position, transfer.etag = download.find(transfer.offer)
        download.prepare(transfer)
        return update.fetch(transfer)

    def _begin_trial(self, _, record):
        self.record = record

    def _noted_transfer(self, make):
        def noted(agent):
            self.transfer = make(agent)
            self.transfer.block = bytearray(BLOCK)  # as the partition's, or a longer one would come first
            return self.transfer

        return noted

    def _noted(self, save):
        def noted(made, position, etag):
            self.saved.append((position, etag))
            save(made, position, etag)

        return noted

    def _make_context(self, _):
        self.contexts += 1
        return "tls"


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
