"""One update, from the accepted offer to the restart into its image.

Downloaded into the spare slot, verified where it lies, and only then released.
"""

import gc

from micropython import const

from . import errors, log, phases

# The vendor's states of an update, as the log shows them; those that failed: see failure.py.
_START = const(0)
_CONNECTION_START = const(1)
_CONNECTED = const(3)
_DOWNLOAD_START = const(4)
_DOWNLOADED = const(6)
_UPGRADE_START = const(7)


class Transfer:
    """What the phases of one update share; download.clear() sets all but `chip`."""

    position: int  # bytes that are in the slot
    etag: str | None  # of the file they came from
    is_spliced: bool  # they are of more than one answer
    was_repeated: bool  # what was spliced did not verify
    head: bytes | None  # the first bytes of the image, held back, see slot.py
    header: tuple  # see slot.py
    block: bytearray | None  # between network and flash
    has_block: bool  # it holds the first one
    read_back: bytearray | None
    partition: object
    chip: int | None  # ESP chip id, if the board says
    address: tuple[str, str, int, str, int]  # of the server that is asked, see strict.py
    redirects: int
    asked: tuple[int, int]  # first and last byte
    context: object  # of TLS
    stream: object  # net.Stream
    report_at: int  # the position with more progress to report
    # Of another try:
    restarts: int  # from byte 0, because the file has changed
    was_refused: bool  # the last TLS handshake
    retry_after: int | None  # what the server asks us to wait, in s
    granted_ms: int  # how much of such waits was granted
    pause_ms: int  # the next one
    began_ms: int  # ticks
    furthest: int  # the highest number of bytes that was ever in the slot

    def __init__(self, agent):
        self.agent, self.offer = agent, agent.offer
        self.state = self._percent = 0
        phases.call("download", "clear", self)

    def enter(self, state):
        self.state = state
        log.debug("OTA progress:%d-%d%%" % (state, self._percent))

    def report(self):
        """Bytes are coming, and so many are in place: at the start of each answer and for each tenth."""
        self._percent = self.position * 100 // self.offer.size
        tenths = self._percent // 10 + 1
        self.report_at = (tenths * self.offer.size + 9) // 10
        self.enter(_DOWNLOAD_START)
        self.agent.report.progress(self._percent)


def install(agent):
    """Generator, a block a step: install agent.offer, and restart into it; never returns. Raises OtaError or
    MemoryError; then the slot does not boot, unless flash refused to erase its head, which is logged."""
    agent.report.start()
    transfer = Transfer(agent)
    threshold = gc.threshold()
    gc.threshold(-1)  # a download makes no garbage, but MicroPython counts the frames of functions
    try:
        transfer.enter(_START)
        transfer.position, transfer.etag = phases.call("download", "find", transfer.offer)
        phases.call("tries", "begin", agent, transfer.position)
        phases.call("download", "prepare", transfer)
        record = None
        while not record:
            yield from fetch(transfer)
            transfer.enter(_DOWNLOADED)
            transfer.enter(_UPGRADE_START)
            try:  # each by itself: less has to be in memory
                sha, tail = yield from phases.steps("verify", "digest", transfer)
                transfer.block = None
                code = errors.SHA256_ECDSA
                signer = phases.call("keys", "signer", agent, sha, transfer.offer.signature, code)
                found = phases.call("verify", "record", transfer, sha, tail, signer)
                found["attempts"] = phases.call("offers", "check_refused", agent, transfer.offer, sha.hex())
                record = found
            except errors.OtaError as error:
                phases.call("failure", "fetch_again", transfer, error)
            except MemoryError:  # once more, without the broker's link
                if not agent.report.free_memory():
                    raise
    except (errors.OtaError, MemoryError):
        phases.call("failure", "enter_failed", transfer)
        raise
    finally:
        gc.threshold(threshold)
    phases.call("guard", "take_cause")  # of an earlier trial, if a release that knew no such file ended it
    phases.call("trial", "begin", transfer, record)
    agent.reboot()


def _make_buffers(transfer):
    """What is long and stays for the whole download."""
    phases.call("connection", "make_file_context", transfer)
    transfer.block = transfer.block or bytearray(4096)
    transfer.read_back = transfer.read_back or bytearray(1024)


def fetch(transfer):
    """Generator: until the slot holds the whole image. Network failures are tried again until the window
    without a new block is over. Raises OtaError."""
    agent = transfer.agent
    while transfer.position < transfer.offer.size:
        failure, is_redirected = None, False
        try:
            _make_buffers(transfer)
            if not agent.wlan.isconnected():
                yield from phases.steps("connection", "join", agent.wlan, agent.config)
            transfer.enter(_CONNECTION_START)
            phases.call("connection", "connect_file_server", transfer)
            phases.call("download", "send", transfer)
            transfer.enter(_CONNECTED)
            is_redirected = not (yield from phases.steps("response", "receive", transfer))
            if not is_redirected:
                transfer.report()
                only_head = transfer.position and not transfer.head
                if only_head or not transfer.position:
                    yield from phases.steps("slot", "receive_head", transfer)
                if not only_head:
                    yield from phases.steps("download", "receive", transfer)
        except (errors.OtaError, MemoryError) as error:
            failure = error
        if transfer.stream:
            transfer.stream.close()
            transfer.stream = None
        if not is_redirected:
            transfer.address, transfer.redirects = transfer.offer.address, 0
        if failure:
            yield from phases.steps("failure", "retry", transfer, failure)
    transfer.context = transfer.read_back = None  # the signature's check needs the room
