"""One update: from the accepted offer to an image that boots. Downloaded into the spare slot, verified where
it lies, and only then released.
"""

import gc
import time

from micropython import const

from . import errors, log, phases

# The vendor's states of an update, as they stand in the log.
_START = const(0)
CONNECTION_START = const(1)
_CONNECTION_FAILED = const(2)
CONNECTED = const(3)
_DOWNLOAD_START = const(4)
_DOWNLOAD_FAILED = const(5)
_DOWNLOADED = const(6)
_UPGRADE_START = const(7)
_UPGRADE_FAILED = const(8)


class Transfer:
    """What the phases of one update share."""

    def __init__(self, agent):
        """Raises OtaError(NO_SLOT)."""
        self.agent, self.offer = agent, agent.offer
        self.partition = phases.call("board", "spare")
        self.chip = phases.call("board", "chip")  # ESP chip id, None = unknown
        self.block, self.read_back = bytearray(4096), None  # between network and flash, see slot.py
        self.position, self.etag = phases.call("journal", "find", self.offer)  # bytes that are in the slot
        self.head = None  # the first bytes of the image, held back, see slot.py
        self.header = None  # see download.py
        self.is_spliced = False  # the slot holds bytes of more than one answer
        self.may_repeat = True  # what was spliced and does not verify: once
        self.address, self.redirects = self.offer.address, 0  # of the server that is asked
        self.stream = self.context = None  # net.Stream and TLS context of the file server
        self.asked = None  # (first, last) byte of the request
        # Of response.py and failure.py: from byte 0 because the file has changed; the last TLS handshake;
        # what the server asks us to wait, in s, None = it did not; ms granted for that, the next pause,
        # ticks of the last block.
        self.restarts = self.granted_ms = self.pause_ms = 0
        self.was_refused = False
        self.retry_after = None
        self.progressed_ms = time.ticks_ms()
        self.report_at = 0  # the position at which there is more progress to report
        self._state = self._percent = 0

    def enter(self, state):
        self._state = state
        log.debug("OTA progress:%d-%d%%" % (state, self._percent))

    def fail(self):
        if self._state >= _UPGRADE_START:
            self.enter(_UPGRADE_FAILED)
        else:
            self.enter(_DOWNLOAD_FAILED if self._state >= CONNECTED else _CONNECTION_FAILED)

    def report(self):
        """Bytes are coming, and so many are in place: at the start of each answer and for each tenth."""
        self._percent = self.position * 100 // self.offer.size
        tenths = self._percent // 10 + 1
        self.report_at = (tenths * self.offer.size + 9) // 10
        self.enter(_DOWNLOAD_START)
        self.agent.report.progress(self._percent)

    def start_over(self, why):
        """From byte 0."""
        log.warning("starting over: " + why)
        phases.call("journal", "forget", self.offer)
        self.position, self.etag, self.is_spliced = 0, None, False


def install(agent):
    """Generator, a block a step: install agent.offer, and restart into it. Raises OtaError, and then
    nothing in the slot can boot."""
    transfer = Transfer(agent)
    phases.call("offers", "begin", agent, transfer.position)
    agent.report.begin_update()
    threshold = gc.threshold()
    gc.threshold(-1)  # no garbage is made, but MicroPython counts the frames of functions
    try:
        transfer.enter(_START)
        phases.call("request", "prepare", transfer)
        record = None
        while record is None:
            yield from fetch(transfer)
            transfer.enter(_DOWNLOADED)
            transfer.enter(_UPGRADE_START)
            try:  # each by itself: less has to be in memory
                sha = yield from phases.steps("verify", "digest", transfer)
                signer = phases.call("keys", "image_signer", transfer, sha)
                record = phases.call("verify", "record", transfer, sha, signer)
            except errors.OtaError as error:
                phases.call("failure", "fetch_again", transfer, error)
    except errors.OtaError:
        transfer.fail()
        raise
    finally:
        gc.threshold(threshold)
    phases.call("trial", "begin", transfer, record)
    agent.reboot()


def fetch(transfer):
    """Generator: until the slot holds the whole image. Network failures are tried again until the window
    without a new block is over. Raises OtaError."""
    transfer.read_back = bytearray(1024)
    while transfer.position < transfer.offer.size:
        try:
            if transfer.offer.address[0] == "https" and not transfer.context:  # while the heap is whole
                transfer.context = phases.call("connection", "file_context", transfer.agent.config)
            yield from phases.steps("request", "send", transfer)
            if (yield from phases.steps("response", "receive", transfer)):
                yield from phases.steps("download", "receive", transfer)
                transfer.address, transfer.redirects = transfer.offer.address, 0
            failure = None
        except (errors.OtaError, MemoryError) as error:
            failure = error
        if transfer.stream:
            transfer.stream.close()
            transfer.stream = None
        if failure:
            transfer.address, transfer.redirects = transfer.offer.address, 0
            yield from phases.steps("failure", "retry", transfer, failure)
    transfer.context = transfer.read_back = None  # the signature's check needs the room
