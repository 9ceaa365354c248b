"""The block loop allocates nothing while blocks come whole: a long download cannot fragment the heap.

MicroPython only; on CPython there is no heap to lock and the tests end at once.
"""

import gc
import sys

import makeoffer
from check import MICROPYTHON, patched, run
from fakeagent import FakeAgent
from fakeserver import head
from fakestream import FakeStream, Peer
from faketime import FakeTime
from makeoffer import fields

from device import connection, update, verify
from device.offer import parse
from device.slot import Slot

if MICROPYTHON:
    import micropython


class Flash:
    """Copies byte by byte, because a slice would allocate, which the C code of a board does not."""

    def __init__(self):
        self.block = bytearray(4096)

    def ioctl(self, request, argument):
        return 256 if request == 4 else 4096

    def readblocks(self, number, buffer, offset=0):
        for i in range(len(buffer)):
            buffer[i] = self.block[offset + i]

    def writeblocks(self, number, buffer, offset=None):
        for i in range(len(buffer)):
            self.block[i] = buffer[i]


class Endless(Peer):
    """Fills whatever it is given."""

    def readinto(self, buffer, count=-1):
        if self.script:
            return Peer.readinto(self, buffer, count)
        return len(buffer) if count < 0 else count


def _locked(step):
    """Run step() with the heap locked; MemoryError is an allocation."""
    gc.collect()
    micropython.heap_lock()
    try:
        step()
    finally:
        micropython.heap_unlock()


def test_writing_a_block_allocates_nothing():
    if not MICROPYTHON:
        return
    slot = Slot(Flash(), bytearray(4096))
    slot.write_block(4096)  # the first holds back the head, and makes what all read back into
    for _ in range(3):
        _locked(lambda: slot.write_block(4096))
    assert slot.position == 4 * 4096


def test_the_block_loop_allocates_nothing_between_reports():
    if not MICROPYTHON:
        return
    size = 250 * 4096
    peer = Endless([head(200, size)])
    offer = makeoffer.offer(size=size, https_url=makeoffer.ABSENT)

    def connect(*_):
        stream = FakeStream(peer)
        stream.limit(1000)
        return stream

    agent = FakeAgent(image="raw", checkpoint_kib=1024)
    agent.offer = offer
    reports = agent.report.percents
    transfer = update.Transfer(agent)
    transfer.partition, transfer.chip = Flash(), None
    with FakeTime(), patched(connection, "connect", connect):  # the shim of `time` allocates
        steps = update.fetch(transfer)
        while transfer.position < 4096:
            next(steps)
        silent = _count_silent_steps(transfer, size, steps, reports)
    assert silent == 58, silent


def _count_silent_steps(transfer, size, steps, reports):
    """A step is a block, which must pass under the lock, or a report."""
    silent = 0
    for _ in range(60):
        position = transfer.position
        if len(reports) < 1 + position * 10 // size:
            next(steps)
            assert transfer.position == position
        else:
            _locked(lambda: next(steps))
            silent += 1
            assert transfer.position == position + 4096
    assert len(reports) == 3
    return silent


def test_a_long_url_is_kept_once():
    """Presigned ones have 1,300 characters and more: an offer has no room for copies."""
    if not MICROPYTHON or sys.platform == "webassembly":  # which collects no garbage inside a test
        return
    parse(fields())  # what is made once
    url = "https://files/x?" + "a" * 1900
    gc.collect()
    before = gc.mem_alloc()
    made = parse(fields(http_url=makeoffer.ABSENT, https_url=url))
    gc.collect()
    assert gc.mem_alloc() - before < 1000
    assert made.address[3] is made.url


def test_digest_allocates_a_bounded_amount():
    if not MICROPYTHON:
        return
    slot = Slot(Flash(), bytearray(4096))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    run(verify.read_digest(slot, 50 * 4096))
    used = gc.mem_alloc() - before
    gc.enable()
    per_block = 128 if sys.maxsize > 1 << 31 else 64
    assert used < 50 * per_block, "%d bytes for 50 blocks" % used
