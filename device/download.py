"""The image on its way from the file server into the slot: what is asked for, which answers are taken,
and how often; interrupted by whatever, it goes on at the last whole block.

The journal gets a checkpoint at most once an interval. After a reboot the 64 bytes that the slot had
held back are fetched again first.
"""

from . import backoff, errors, fetch, http, image, log, progress, url

_REDIRECTS = 3
_RESTARTS = 3  # from byte 0, because the file has changed
_NO_MEMORY = (errors.NO_MEM, errors.NO_INIT)  # a certificate that does not fit is said to be unusable
_TRANSIENT = (errors.TIMEOUT, errors.CONNECTION_FAILED, errors.NO_GOT_IP)


class _Retry(Exception):
    """The answer was clear, but the same question may get a better one: (code, detail, seconds the
    server asks us to wait)."""


class Download:
    """is_pieced: the slot holds bytes of more than one answer. header: image.Header, once it is there."""

    def __init__(self, config, offer, slot, chip, tls_context, wifi, journal, moves, make_room):
        """offer: messages.Offer. chip: ESP chip id or None. tls_context(): makes one for the file server.
        journal: journal.Journal bound to the offer. moves: progress.Progress. make_room(): called when
        memory runs out; True if another try is worth it."""
        self._config = config
        self._offer = offer
        self._slot = slot
        self._chip = chip
        self._tls_context = tls_context
        self._context = None
        self._wifi = wifi
        self._journal = journal
        self._moves = moves
        self._make_room = make_room
        self._patience = backoff.Patience(config)
        self._etag = None
        self._restarts = 0
        self._was_refused = False  # the last TLS handshake
        self.is_pieced = False
        self.header = None

    def resume(self):
        """Go on where the last run was cut."""
        position = self._journal.position
        if not 0 < position < self._offer.size or position % self._slot.block_size:
            self._journal.forget()
            return
        log.info("going on at byte %d of %d" % (position, self._offer.size))
        self._slot.resume(position)
        self._etag = self._journal.etag
        self.is_pieced = True

    def restart(self, why):
        """From byte 0."""
        log.warning("starting over: " + why)
        self._journal.forget()
        self._etag = None
        self.is_pieced = False
        self._slot.restart()

    def steps(self):
        """Generator: fetch until the slot holds the whole image. Network failures are tried again until
        the window without a new block is over. Raises OtaError."""
        while self._slot.position < self._offer.size:
            wait_s = 0
            try:
                yield from self._wifi.join()
                yield from self._fetch()
                continue
            except _Retry as retry:
                code, detail, wait_s = retry.args
                error = errors.OtaError(code, detail)
            except errors.OtaError as problem:
                if not self._may_try_again(problem.code):
                    raise
                error = problem
            except MemoryError as problem:
                if not self._make_room():
                    raise
                error = errors.OtaError(errors.NO_MEM, str(problem))
            if error.code in _NO_MEMORY:
                self._log_no_memory(error.detail)
            log.warning("download at byte %d: %s" % (self._slot.position, error.detail))
            if self._patience.is_over():
                raise error
            yield from self._patience.pause(wait_s)
        self._context = None  # the signature's check needs the room

    def _may_try_again(self, code):
        """A refused handshake once, too: a lack of memory and bytes damaged on the way look the same."""
        if code == errors.TLS_REFUSED and not self._was_refused:
            self._was_refused = True
            self._make_room()
            return True
        return code in _TRANSIENT or (code in _NO_MEMORY and self._make_room())

    @staticmethod
    def _log_no_memory(detail):
        log.error("%d %s: %s" % (errors.NO_MEM, errors.text(errors.NO_MEM), detail))

    def _fetch(self):
        """One connection's worth of the image."""
        slot = self._slot
        only_head = slot.lacks_head
        first = 0 if only_head else slot.position
        last = (image.HEAD if only_head else self._offer.size) - 1
        answer, response = yield from self._open(first, last)
        try:
            self._check(response, first, last)
            self._moves.receive(slot.position)
            if slot.lacks_head:
                yield from self._receive_head(answer)
            else:
                yield from self._receive(answer)
        finally:
            answer.close()

    def _open(self, first, last):
        """Generator: send the request, follow redirects: returns (Fetch, http.Response)."""
        scheme = self._offer.url.split(":", 1)[0]
        host, port, path = url.parse(self._offer.url, scheme)
        span = http.span(first, last, self._offer.size)
        for _ in range(_REDIRECTS + 1):
            self._moves.enter(progress.CONNECTION_START)
            if scheme == "https" and not self._context:
                self._context = self._tls_context()
            context = self._context if scheme == "https" else None
            answer = fetch.Fetch(self._config, self._wifi, host, port, context)
            try:
                answer.stream.write(http.request(scheme, host, port, path, span, self._etag))
                self._moves.enter(progress.CONNECTED)
                response = yield from answer.head()
            except BaseException:
                answer.close()
                raise
            if response.status not in (301, 302, 303, 307, 308):
                if self._was_refused:  # by one of the hosts; with TLS 1.3 it shows only in an answer
                    self._was_refused = False
                    self._log_no_memory("TLS refused before")
                return answer, response
            answer.close()
            scheme, host, port, path = http.redirect_target(response, host, port, path, scheme)
        raise errors.OtaError(errors.HTTP_STATUS, "too many redirects")

    def _check(self, response, first, last):
        """Is this what was asked for? Raises OtaError or _Retry."""
        status = response.status
        if status in (408, 429) or status >= 500:
            raise _Retry(errors.HTTP_STATUS, "HTTP status %d" % status, response.retry_after)
        if status == 416 and self._slot.position:
            self._ask_anew("the file has become shorter")
        if status not in (200, 206) or not response.plain:
            raise errors.OtaError(errors.HTTP_STATUS, "HTTP status %d" % status)
        is_whole = status == 200 and self._slot.position > 0
        if is_whole:
            first, last = 0, self._offer.size - 1
        elif self._etag and response.etag != self._etag:
            self._ask_anew("the file has changed")
        if response.length != last + 1 - first:
            raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Length %d" % response.length)
        if is_whole:
            self._count_restart("the server sends the whole file again")
        if response.span != ((first, last, self._offer.size) if status == 206 else None):
            raise errors.OtaError(errors.SIZE_MISMATCH, "Content-Range")
        self._etag = response.etag
        self.is_pieced = self._slot.position > 0

    def _ask_anew(self, why):
        self._count_restart(why)
        raise _Retry(errors.SIZE_MISMATCH, why, 0)

    def _count_restart(self, why):
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise errors.OtaError(errors.SIZE_MISMATCH, why)
        self.restart(why)

    def _receive_head(self, answer):
        slot = self._slot
        got = answer.stream.readinto(slot.block, image.HEAD)
        yield from answer.fill(slot.view, image.HEAD, got)
        slot.hold_head()
        slot.read_block(0)
        self._read_header()

    def _read_header(self):
        self.header = image.read_header(
            self._config.image, self._slot.block, self._offer.size, self._chip
        )

    def _receive(self, answer):
        """The block loop. A step is a block, a checkpoint or a report: the first allocates nothing while the
        blocks come whole."""
        slot, readinto, block = self._slot, answer.stream.readinto, self._slot.block
        size, want = self._offer.size, self._slot.block_size
        checkpoint = self._config.checkpoint_kib * 1024
        while slot.position < size:
            if size - slot.position < want:
                want = size - slot.position
            got = readinto(block, want)
            if got != want:
                yield from answer.fill(slot.view, want, got)
            if slot.position == 0:
                self._read_header()
            slot.write_block(want)
            self._patience.progress()
            yield
            if self._journal.position + checkpoint <= slot.position < size:
                self._journal.save(slot.position, self._etag)
                yield
            if slot.position >= self._moves.next:
                self._moves.receive(slot.position)
                yield
