"""The image on its way from the file server into the slot: which answers are taken, and how often it is asked for;
interrupted by whatever, it goes on at the last whole block.

The journal gets a checkpoint at most once an interval. After a reboot the 64 bytes that the slot had
held back are fetched again first.
"""

import time

from . import clock, errors, log, phases, update
from .report import log_error
from .slot import HEAD, Slot

_MAX_REDIRECTS = 3
_MAX_RESTARTS = 3  # from byte 0, because the file has changed
_MAX_GRANT_MS = 3600_000  # what Retry-After may add to a window
_NO_MEMORY = (errors.NO_MEM, errors.NO_INIT)  # a certificate that does not fit is said to be unusable
_TRANSIENT = (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP)


def download(agent, partition, chip, context, journal, progress):
    """Generator: fetch until the slot holds the whole image. Returns the head that is held back, the image's
    header (see image.py), and whether it was spliced from several answers.

    chip: ESP chip id or None. context: of TLS for the file server, None for http. journal: journal.Journal bound to
    the offer. progress: update.Progress. Network failures are tried again until the window without a new block is
    over. Raises OtaError.
    """
    steps = Download(agent, partition, chip, context, journal, progress)
    steps.resume()
    return (yield from steps.run())


class _Retry(Exception):
    """The answer was clear, but the same question may get a better one: (code, detail, seconds the
    server asks us to wait)."""


class RetryWindow:
    """Tries again and again, until a window that begins anew with each progress is over."""

    def __init__(self, config):
        self._config = config
        self._window_ms = config.retry_window_s * 1000
        self._ceiling_ms = 0  # of the next pause; 0 = the first
        self._granted_ms = 0
        self.progress()

    def progress(self):
        """Allocates nothing, and is short, because each block calls it."""
        self._last = time.ticks_ms()
        if self._ceiling_ms:
            self._ceiling_ms = self._granted_ms = 0

    def is_over(self):
        waited_ms = time.ticks_diff(time.ticks_ms(), self._last) - self._granted_ms
        return waited_ms >= self._window_ms

    def pause(self, asked_s):
        """Generator: yields until the next try. asked_s: what the peer asked for; the window does not
        shrink by it."""
        granted_ms = min(asked_s * 1000, _MAX_GRANT_MS - self._granted_ms)
        self._granted_ms += granted_ms
        self._ceiling_ms, delay_ms = clock.back_off(self._config, self._ceiling_ms)
        yield from clock.sleep(granted_ms + delay_ms)


class Download:
    """is_spliced: the slot holds bytes of more than one answer. header: see image.py, once it is there."""

    def __init__(self, agent, partition, chip, context, journal, progress):
        self._agent = agent
        self._offer = agent.offer
        self.slot = Slot(partition, agent.block)
        self._chip = chip
        self._context = context
        self._journal = journal
        self._progress = progress
        self._window = RetryWindow(agent.config)
        self._etag = None
        self._restarts = 0
        self._was_refused = False  # the last TLS handshake
        self.is_spliced = False
        self.header = None

    def resume(self):
        """Go on where the last run was cut. Raises OtaError(FW_OVERFLOW)."""
        if self._offer.size > self.slot.capacity:
            raise errors.OtaError(errors.FW_OVERFLOW, "slot holds %d" % self.slot.capacity)
        position = self._journal.position
        if not 0 < position < self._offer.size or position % self.slot.block_size:
            self._journal.forget()
            return
        log.info("going on at byte %d of %d" % (position, self._offer.size))
        self.slot.resume(position)
        self._etag = self._journal.etag
        self.is_spliced = True

    def run(self):
        """Generator, see download()."""
        slot = self.slot
        while slot.position < self._offer.size:
            wait_s = 0
            try:
                stream = yield from self._open()
                try:
                    yield from self._receive(stream)
                finally:
                    stream.close()
                continue
            except _Retry as retry:
                code, detail, wait_s = retry.args
                error = errors.OtaError(code, detail)
            except errors.OtaError as problem:
                if not self._may_try_again(problem.code):
                    raise
                error = problem
            except MemoryError as problem:
                if not self._agent.report.free_memory():
                    raise
                error = errors.OtaError(errors.NO_MEM, str(problem))
            if error.code in _NO_MEMORY:
                log_error(errors.OtaError(errors.NO_MEM, error.detail))
            log.warning("download at byte %d: %s" % (slot.position, error.detail))
            if self._window.is_over():
                raise error
            yield from self._window.pause(wait_s)
        return slot.head, self.header, self.is_spliced

    def _may_try_again(self, code):
        """A refused handshake once, too: a lack of memory and bytes damaged on the way look the same."""
        if code == errors.TLS_REFUSED and not self._was_refused:
            self._was_refused = True
            self._agent.report.free_memory()
            return True
        return code in _TRANSIENT or (code in _NO_MEMORY and self._agent.report.free_memory())

    def _open(self):
        """Generator: ask for what is missing. Returns a net.Stream that gives it."""
        agent, slot = self._agent, self.slot
        if not agent.wlan.isconnected():
            yield from phases.steps("wifi", "join", agent.wlan, agent.config)
        first = 0 if slot.lacks_head else slot.position
        last = (HEAD if slot.lacks_head else self._offer.size) - 1
        address = self._offer.address
        for _ in range(_MAX_REDIRECTS + 1):
            self._progress.enter(update.CONNECTION_START)
            stream = self._connect(*address)
            try:
                question = (first, last, self._etag)
                answer, location = yield from phases.steps(
                    "http", "ask", agent, stream, address, question, self._connected
                )
                if location is None:
                    if self._was_refused:  # by one of the hosts; with TLS 1.3 it shows only in an answer
                        self._was_refused = False
                        log_error(errors.OtaError(errors.NO_MEM, "TLS refused before"))
                    self._check(answer, first, last)
                    return stream
            except BaseException:
                stream.close()
                raise
            stream.close()
            address = phases.call("strict", "redirect", location, *address)
        raise errors.OtaError(errors.HTTP_STATUS, "too many redirects")

    def _connect(self, scheme, host, port, _):
        context, timeout_ms = None, self._agent.config.http_timeout_s * 1000
        if scheme == "https":
            if not self._context:  # a redirect needs it
                self._context = phases.call("connection", "file_context", self._agent.config)
            context = self._context
        return phases.call("connection", "connect", host, port, context, timeout_ms)

    def _connected(self):
        self._progress.enter(update.CONNECTED)

    def _check(self, answer, first, last):
        """Is this what was asked for? answer: http.Answer. Raises OtaError or _Retry."""
        status, size = answer.status, self._offer.size
        if status in (408, 429) or status >= 500:
            raise _Retry(errors.HTTP_STATUS, "HTTP status %d" % status, answer.retry_after)
        if status == 416 and self.slot.position:
            self._ask_anew("the file has become shorter")
        if status not in (200, 206) or not answer.is_plain:
            raise errors.OtaError(errors.HTTP_STATUS, "HTTP status %d" % status)
        is_whole = status == 200 and self.slot.position > 0
        if is_whole:
            first, last = 0, size - 1
        elif self._etag and answer.etag != self._etag:
            self._ask_anew("the file has changed")
        if answer.length != last + 1 - first:
            raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Length %d" % answer.length)
        if is_whole:
            self._restart("the server sends the whole file again")
        if answer.span != ((first, last, size) if status == 206 else None):
            raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Range")
        self._etag = answer.etag
        self.is_spliced = self.slot.position > 0

    def _ask_anew(self, why):
        self._restart(why)
        raise _Retry(errors.SIZE_MISMATCH, why, 0)

    def _restart(self, why):
        """From byte 0."""
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            raise errors.OtaError(errors.SIZE_MISMATCH, why)
        log.warning("starting over: " + why)
        self._journal.forget()
        self._etag = None
        self.is_spliced = False
        self.slot.restart()

    def _receive(self, stream):
        """The block loop. A step is a block, a checkpoint or a report: the first allocates nothing while the
        blocks come whole."""
        slot, readinto, block = self.slot, stream.readinto, self.slot.block
        size, want = self._offer.size, slot.block_size
        checkpoint = self._agent.config.checkpoint_kib * 1024
        self._progress.receive(slot.position)
        if slot.lacks_head:
            yield from self._fill(stream, HEAD, readinto(block, HEAD))
            slot.hold_head()
            slot.read_block(0)
            self._read_header()
            return
        while slot.position < size:
            if size - slot.position < want:
                want = size - slot.position
            got = readinto(block, want)
            if got != want:
                yield from self._fill(stream, want, got)
            if slot.position == 0:
                self._read_header()
            slot.write_block(want)
            self._window.progress()
            yield
            if self._journal.position + checkpoint <= slot.position < size:
                self._journal.save(slot.position, self._etag)
                yield
            if slot.position >= self._progress.next:
                self._progress.receive(slot.position)
                yield

    def _fill(self, stream, want, got):
        """Generator: read the rest of block[:want] after a read that gave `got`; a trickle counts as a
        stall. Raises OtaError."""
        started = time.ticks_ms()
        done = got or 0
        while done < want:
            if got == 0:
                raise errors.OtaError(errors.CONNECTION_FAILED, "connection closed early")
            if got is None:
                self._agent.check_wifi()
                stream.stall(started, self._agent.config.http_timeout_s * 1000)
                yield
            got = stream.readinto(self.slot.view[done:want])
            done += got or 0

    def _read_header(self):
        kind, block = self._agent.config.image, self.slot.block
        self.header = phases.call("image", "read_header", kind, block, self._offer.size, self._chip)
