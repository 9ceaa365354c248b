"""One update: from the URL into the spare slot, block by block, and then judged.

`Update.steps()` is a generator; one step is one block at most. It ends with a record of an image that
is in place, verified and still unable to boot; releasing it is the installer's part.
"""

import time

from micropython import const

from . import backoff, errors, http, image, judge, log, net, url
from .slot import Slot

_REDIRECTS = const(3)
_RESTARTS = const(3)  # from byte 0, within one update
_STALL_MS = const(20)  # longest sleep of one step while nothing comes

START = const(0)
CONNECTION_START = const(1)
CONNECTION_FAILED = const(2)
CONNECTED = const(3)
DOWNLOAD_START = const(4)
DOWNLOAD_FAILED = const(5)
DOWNLOADED = const(6)
UPGRADE_START = const(7)
UPGRADE_FAILED = const(8)

_TRANSIENT = (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP)


class _Retry(Exception):
    """The answer was clear, but the same question may get a better one: (OtaError code, detail)."""


class Update:
    """What is being installed. offer: messages.Offer; partition: the spare slot's block device."""

    def __init__(self, config, offer, partition, chip, tls_context, key, wifi, report):
        """chip: ESP chip id or None. tls_context(): for the file server. key: the owner's public key.
        wifi: wifi.Wifi. report(percent): called when the percentage moved."""
        self._config = config
        self.offer = offer
        self._chip = chip
        self._tls_context = tls_context
        self._key = key
        self._wifi = wifi
        self._report = report
        self.slot = Slot(partition)
        self._header = None
        self._etag = None
        self._restarts = 0
        self._state = START
        self._percent = 0
        self._last_progress = time.ticks_ms()

    def steps(self):
        """Generator: returns the record of the image. Raises OtaError."""
        try:
            self._enter(START)
            if self.offer.size > self.slot.capacity:
                raise errors.OtaError(errors.FW_OVERFLOW, "slot holds %d" % self.slot.capacity)
            yield from self._download()
            self._enter(UPGRADE_START)
            record = yield from judge.judge(
                self.slot, self.offer, self._header, self._key, self._config
            )
        except errors.OtaError:
            self._enter(self._failed_state())
            raise
        return record

    def _failed_state(self):
        if self._state >= UPGRADE_START:
            return UPGRADE_FAILED
        return DOWNLOAD_FAILED if self._state >= CONNECTED else CONNECTION_FAILED

    def _enter(self, state):
        self._state = state
        log.debug("OTA progress:%d-%d%%" % (state, self._percent))

    def _download(self):
        """Fetch until the slot holds the whole image; network failures are tried again inside the
        vendor's numbers, both counted from the last block that arrived."""
        pause = backoff.Backoff(self._config.backoff_min_s, self._config.backoff_max_s)
        failures = 0
        while self.slot.position < self.offer.size:
            before = self.slot.position
            try:
                yield from self._wifi.join()
                yield from self._fetch()
            except _Retry as retry:
                error = errors.OtaError(*retry.args)
            except errors.OtaError as problem:
                if problem.code not in _TRANSIENT:
                    raise
                error = problem
            else:
                continue
            if self.slot.position > before:
                failures = 0
                pause.reset()
            failures += 1
            log.warning("download at byte %d: %s" % (self.slot.position, error.detail))
            if failures > self._config.http_retries or self._window_is_over():
                raise error
            yield from pause.pause()
        self._enter(DOWNLOADED)

    def _window_is_over(self):
        waited_ms = time.ticks_diff(time.ticks_ms(), self._last_progress)
        return waited_ms >= self._config.retry_window_s * 1000

    def _fetch(self):
        """One connection's worth of the image."""
        stream, response = yield from self._open()
        try:
            self._check(response)
            self._enter(DOWNLOAD_START)
            self._report(self._percent)
            yield from self._receive(stream)
        finally:
            stream.close()

    def _open(self):
        """Send the request, follow redirects: returns (stream, response)."""
        scheme = self.offer.url.split(":", 1)[0]
        host, port, path = url.parse(self.offer.url, scheme)
        for _ in range(_REDIRECTS + 1):
            self._enter(CONNECTION_START)
            stream = self._connect(scheme, host, port)
            try:
                stream.write(http.request(scheme, host, port, path, self.slot.position, self._etag))
                self._enter(CONNECTED)
                response = yield from self._head(stream)
            except BaseException:
                stream.close()
                raise
            if response.status not in (301, 302, 303, 307, 308):
                return stream, response
            stream.close()
            scheme, host, port, path = http.redirect_target(response, host, port, path, scheme)
        raise errors.OtaError(errors.HTTP_STATUS, "too many redirects")

    def _connect(self, scheme, host, port):
        timeout_ms = self._config.http_timeout_s * 1000
        context = self._tls_context() if scheme == "https" else None
        return net.connect(host, port, context, timeout_ms)

    def _head(self, stream):
        started = time.ticks_ms()
        head = http.read_head(stream)
        while True:
            try:
                next(head)
            except StopIteration as stop:
                return stop.value
            self._stall(stream, started)
            yield

    def _stall(self, stream, since):
        """Nothing has come: wait a little. Raises OtaError: NO_GOT_IP, or TIMEOUT if that lasts too long."""
        if not self._wifi.is_up():
            raise errors.OtaError(errors.NO_GOT_IP, "Wi-Fi dropped")
        if time.ticks_diff(time.ticks_ms(), since) > self._config.http_timeout_s * 1000:
            raise errors.OtaError(errors.TIMEOUT, "server stalled")
        stream.wait(_STALL_MS)

    def _check(self, response):
        """Is this the part of the file that was asked for? Raises OtaError or _Retry."""
        if response.status == 429 or response.status >= 500:
            raise _Retry(errors.HTTP_STATUS, "HTTP status %d" % response.status)
        if response.status == 416 and self.slot.position:
            self._start_over("the file has become shorter")
        if response.status not in (200, 206) or not response.plain:
            raise errors.OtaError(errors.HTTP_STATUS, "HTTP status %d" % response.status)
        if self.slot.position and response.status == 200:
            self._count_restart("the server sends the whole file again")
        elif self._etag and response.etag != self._etag:
            self._start_over("the file has changed")
        self._check_span(response)
        self._etag = response.etag

    def _check_span(self, response):
        size = self.offer.size
        if response.length != size - self.slot.position:
            raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Length %d" % response.length)
        expected = (self.slot.position, size) if response.status == 206 else (-1, -1)
        if (response.first, response.total) != expected:
            raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Range")

    def _start_over(self, why):
        self._count_restart(why)
        raise _Retry(errors.SIZE_MISMATCH, why)

    def _count_restart(self, why):
        log.warning("starting over: " + why)
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise errors.OtaError(errors.SIZE_MISMATCH, why)
        self._etag = None
        self.slot.restart()

    def _receive(self, stream):
        """The block loop: allocates nothing while the blocks come whole."""
        slot = self.slot
        while slot.position < self.offer.size:
            want = min(slot.block_size, self.offer.size - slot.position)
            got = stream.readinto(slot.block, want)
            if got != want:
                yield from self._fill(stream, want, got)
            if slot.position == 0:
                self._header = image.read_header(
                    self._config.image, slot.block, self.offer.size, self._chip
                )
            slot.write_block(want)
            self._last_progress = time.ticks_ms()
            self._note_progress()
            yield

    def _fill(self, stream, want, got):
        """Read the rest of the block after a read that gave `got`; a trickle counts as a stall."""
        started = time.ticks_ms()
        done = got or 0
        while done < want:
            if got == 0:
                raise errors.OtaError(errors.CONNECTION_FAILED, "connection closed early")
            if got is None:
                self._stall(stream, started)
                yield
            got = stream.readinto(self.slot.view[done:want])
            done += got or 0

    def _note_progress(self):
        percent = self.slot.position * 100 // self.offer.size
        if percent != self._percent:
            self._percent = percent
            self._enter(DOWNLOAD_START)
            self._report(percent)
