"""The block loop: the image on its way from the file server into the slot.

The journal gets a checkpoint once per checkpoint_kib. Whatever interrupts it, the download goes on at the
last whole block; after a reboot at the last checkpoint.
"""

import time

from .journal import Journal
from .slot import Slot


def receive(transfer):
    """Generator: what transfer.stream gives, after the bytes that are in transfer.block already, into the
    slot. A step is a block, a checkpoint or a report; a block allocates nothing while blocks come whole.
    Raises OtaError."""
    journal = Journal(transfer.offer)
    slot = Slot(transfer.partition, transfer.block, transfer.head, transfer.read_back)
    stream, config = transfer.stream, transfer.agent.config
    readinto, block, size = stream.readinto, slot.block, transfer.offer.size
    timeout_ms, checkpoint = config.http_timeout_s * 1000, config.checkpoint_kib * 1024
    slot.position = transfer.position
    want = slot.block_size
    while slot.position < size:
        if size - slot.position < want:
            want = size - slot.position
        if transfer.has_block:
            transfer.has_block = False
        else:
            got = readinto(block, want)
            if got != want:
                yield from stream.fill(slot.view, want, got, timeout_ms, transfer.agent.check_wifi)
        slot.write_block(want)
        transfer.position = slot.position
        if slot.position > transfer.furthest:  # a block that comes again is no progress
            transfer.furthest = slot.position
            transfer.progressed_ms = time.ticks_ms()
            transfer.granted_ms = transfer.pause_ms = 0
        yield
        if journal.position + checkpoint <= slot.position < size:
            journal.save(slot.position, transfer.etag)
            yield
        if slot.position >= transfer.report_at:
            transfer.report()
            yield
