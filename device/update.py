"""One update: from the accepted offer to an image that boots. Downloaded into the spare slot, verified where
it lies, and only then released.
"""

import gc

from micropython import const

from . import errors, log, phases
from .journal import Journal

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
_SPLICED_FAULTS = (errors.CRC_ERROR, errors.SHA256_ECDSA)  # what foreign bytes in the slot lead to


class Progress:
    """How far an update is: the states in the log, each tenth in the log and on the wire."""

    def __init__(self, size, report):
        """size: bytes of the image; report(percent): called at the start of each answer and for each
        tenth."""
        self._size = size
        self._report = report
        self._state = self._percent = 0
        self.next = 0  # the position in the image at which there is more to tell

    def enter(self, state):
        self._state = state
        log.debug("OTA progress:%d-%d%%" % (state, self._percent))

    def fail(self):
        if self._state >= _UPGRADE_START:
            self.enter(_UPGRADE_FAILED)
        else:
            self.enter(_DOWNLOAD_FAILED if self._state >= CONNECTED else _CONNECTION_FAILED)

    def receive(self, position):
        """Tell it: bytes are coming, and so many are in place."""
        self._percent = position * 100 // self._size
        tenths = self._percent // 10 + 1
        self.next = (tenths * self._size + 9) // 10
        self.enter(_DOWNLOAD_START)
        self._report(self._percent)


def install(agent):
    """Generator, a block a step: install agent.offer, and restart into it. Raises OtaError, and then
    nothing in the slot can boot."""
    offer = agent.offer
    partition = phases.call("board", "spare")
    chip = phases.call("board", "chip")
    journal = Journal("ota_journal")
    journal.bind(offer)
    phases.call("offers", "begin", agent, journal.position)
    agent.report.begin_update()
    progress = Progress(offer.size, agent.report.progress)
    threshold = gc.threshold()
    gc.threshold(-1)  # no garbage is made, but MicroPython counts the frames of functions
    try:
        progress.enter(_START)
        head, record = yield from fetch_and_verify(agent, partition, chip, journal, progress)
    except errors.OtaError:
        progress.fail()
        raise
    finally:
        gc.threshold(threshold)
    phases.call("trial", "begin", agent, partition, head, record, journal)
    agent.reboot()


def fetch_and_verify(agent, partition, chip, journal, progress):
    """Generator: returns the image's held-back head and its record. Raises OtaError.

    What was spliced from several answers and does not verify is fetched once more, from byte 0.
    """
    may_repeat = True
    while True:
        head, header, is_spliced = yield from _fetch(agent, partition, chip, journal, progress)
        progress.enter(_DOWNLOADED)
        progress.enter(_UPGRADE_START)
        try:
            return head, (yield from _verify(agent, partition, head, header))
        except errors.OtaError as error:
            journal.forget()
            if error.code not in _SPLICED_FAULTS or not (is_spliced and may_repeat):
                raise error
            may_repeat = False
            log.warning("starting over: " + error.detail)


def _fetch(agent, partition, chip, journal, progress):
    """The TLS context comes first, while the heap is whole; where that or the code of the phase does not
    fit, the broker's link makes room."""
    while True:
        try:
            context = None
            if agent.offer.address[0] == "https":
                context = phases.call("connection", "file_context", agent.config)
            return (yield from phases.steps(
                "download", "download", agent, partition, chip, context, journal, progress
            ))  # fmt: skip
        except MemoryError:
            if not agent.report.free_memory():
                raise
        except errors.OtaError as error:
            if error.code not in (errors.NO_MEM, errors.NO_INIT) or not agent.report.free_memory():
                raise error


def _verify(agent, partition, head, header):
    """Generator, two blocks a step, then the signature in one: returns the record of the image, see
    image.py. Raises OtaError."""
    sha, crc = yield from phases.steps("digest", "of_image", agent, partition, head, header)
    if header.body_end and crc != header.body_crc:
        raise errors.OtaError(errors.CRC_ERROR, "body of the image")
    offer, report = agent.offer, agent.report.error
    signer = phases.call("keys", "signer", agent.config, sha, offer.signature, report, agent.block)
    if signer is None:
        raise errors.OtaError(errors.SHA256_ECDSA, "not signed by the owner of this board")
    return phases.call("image", "record", agent, partition, head, header, sha, signer)
