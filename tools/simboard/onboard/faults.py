"""What the flash suffers, by plan. Each erase and each write has a number, 0, 1, 2, … from the day the board
was made; reads are counted apart. The counters stand in shared memory, so they survive power cuts.

A plan is a list of [number, kind] and [number, kind, argument]; different kinds may share a number:
  before           the power goes before the operation
  after            the power goes after it
  torn, n          the power goes inside it: of a write n bytes are done and the next in part; of an erase
                   n says what is left in the block, see UNTOUCHED and so on
  ignore           nothing is done, and success reported
  error            nothing is done, OSError(EIO)
  flip, bit        then a bit of the flash is inverted: 8 * byte address + bit in that byte
  read_error       number counts reads; that read raises OSError(EIO)
"""

import hashlib
import struct

import memory
import sharedmemory

POWER_CUT = 45  # exit code by which the host knows to switch on again at once
EIO = 5
KINDS = ("before", "after", "torn", "ignore", "error", "flip", "read_error")

# What a torn erase leaves in the block: what was there, 0xFF, 0xFF in the first half, some bits set, the
# same with bits that read otherwise each time until the block is erased again.
UNTOUCHED, ERASED, HALF, NOISY, UNSTABLE = range(5)

_ODD_BITS = 0xAA
_NOISE_SIZE = 32

watch = None  # watch(kind, number, address, size) hears of each operation and read before it; it may load()

_operations = {}  # number: {kind: argument}
_reads = set()


def cut_power():
    """Never returns. A replacement raises something."""
    memory.end_process(POWER_CUT)


def load(plan):
    """Replace the plan. Raises ValueError for an unknown kind."""
    _operations.clear()
    _reads.clear()
    for number, kind, *argument in plan:
        if kind not in KINDS:
            raise ValueError("no such fault: " + str(kind))
        if kind == "read_error":
            _reads.add(number)
        else:
            _operations.setdefault(number, {})[kind] = argument[0] if argument else 0


def count_operation(kind, address, size):
    """An "erase" or "write" of so many bytes is about to begin: returns {kind: argument} of the faults
    planned for it, None if there are none."""
    number = sharedmemory.add(sharedmemory.OPERATIONS, 1)
    if watch:
        watch(kind, number, address, size)
    return _operations.get(number)


def count_read(address, size):
    """A read is about to begin. Raises OSError if it is to fail."""
    number = sharedmemory.add(sharedmemory.READS, 1)
    if watch:
        watch("read", number, address, size)
    if number in _reads:
        raise OSError(EIO, "flash does not read")


def carry_out(planned, flash, do, tear):
    """An operation with the faults planned for it. flash: its bytes; do(): the whole operation;
    tear(argument): a part of it."""
    if "before" in planned:
        cut_power()
    is_torn = "torn" in planned
    if is_torn:
        tear(planned["torn"])
    elif "ignore" not in planned and "error" not in planned:
        do()
    if "flip" in planned:
        flash[planned["flip"] // 8] ^= 1 << planned["flip"] % 8
    if is_torn or "after" in planned:
        cut_power()
    if "error" in planned:
        raise OSError(EIO, "flash refuses")


def tear_write(place, data, count):
    """Program data[:count], and of the next byte the even ones of the bits to be cleared."""
    place[:count] = data[:count]
    if count < len(data):
        place[count] &= data[count] | _ODD_BITS


def tear_erase(block, remainder):
    """remainder: UNTOUCHED to UNSTABLE. Call it inside the operation, whose number gives the noise."""
    if remainder in (ERASED, HALF):
        size = len(block) if remainder == ERASED else len(block) // 2
        block[:size] = b"\xff" * size
    elif remainder in (NOISY, UNSTABLE):
        _set_bits(block, b"erase", sharedmemory.get(sharedmemory.OPERATIONS))


def flicker(place):
    """Bytes read from an unstable block: what they are this time."""
    _set_bits(place, b"look", sharedmemory.add(sharedmemory.LOOKS, 1))


def _set_bits(place, purpose, number):
    """Half of the bits, pseudo-random by purpose and number."""
    for start in range(0, len(place), _NOISE_SIZE):
        noise = hashlib.sha256(purpose + struct.pack("<II", number, start)).digest()
        for i in range(min(_NOISE_SIZE, len(place) - start)):
            place[start + i] |= noise[i]
