"""NOR flash: erase sets a 4096-byte block to 0xFF, writing only clears bits, anything else is an error
of the client and raises. Operations are counted in shared memory; faults.py knows which of them go wrong."""

import faults
import sharedmemory

BLOCK = 4096
_ERASED = b"\xff" * 512

_memory = None


def attach(memory):
    global _memory
    _memory = memory


def view(address, size):
    """A memoryview of the mapped flash, as the CPU sees it. Of an unstable block a copy, different each
    time, unless more than a block is asked for."""
    place = memoryview(_memory)[address : address + size]
    if size > BLOCK or not len(_unstable_part(address, place)):
        return place
    copy = bytearray(place)
    faults.flicker(_unstable_part(address, copy))
    return memoryview(copy)


def read(address, buffer):
    size = len(buffer)
    faults.count_read(address, size)
    buffer[:] = memoryview(_memory)[address : address + size]
    part = _unstable_part(address, buffer)
    if len(part):
        faults.flicker(part)
    sharedmemory.add(sharedmemory.BYTES_READ, size)


def erase(address):
    """Erase the block at this address."""
    planned = faults.count_operation("erase", address, BLOCK)
    if planned is None:
        _erase(address)
    else:
        faults.carry_out(
            planned, _memory, lambda: _erase(address), lambda remainder: _tear_erase(address, remainder)
        )


def write(address, data):
    """Clear bits. Raises OSError(EIO) if a bit would have to be set."""
    planned = faults.count_operation("write", address, len(data))
    if planned is None:
        _write(address, data)
    else:
        faults.carry_out(
            planned, _memory, lambda: _write(address, data), lambda count: _tear_write(address, data, count)
        )


def _erase(address):
    for start in range(address, address + BLOCK, len(_ERASED)):
        _memory[start : start + len(_ERASED)] = _ERASED
    _count_erase(address, False)


def _tear_erase(address, remainder):
    faults.tear_erase(memoryview(_memory)[address : address + BLOCK], remainder)
    if remainder != faults.UNTOUCHED:
        _count_erase(address, remainder == faults.UNSTABLE)


def _count_erase(address, is_unstable):
    """is_unstable: what it leaves there. One such block at a time: a new one settles the old one."""
    block = address // BLOCK
    sharedmemory.add(sharedmemory.ERASES, 1)
    sharedmemory.add(sharedmemory.WEAR + block, 1)
    if is_unstable:
        sharedmemory.put(sharedmemory.UNSTABLE, block + 1)
    elif sharedmemory.get(sharedmemory.UNSTABLE) == block + 1:
        sharedmemory.put(sharedmemory.UNSTABLE, 0)


def _unstable_part(address, buffer):
    """What of these bytes, which stand at this address, lies in the unstable block: a memoryview."""
    unstable = sharedmemory.get(sharedmemory.UNSTABLE)
    start = (unstable - 1) * BLOCK - address if unstable else len(buffer)
    return memoryview(buffer)[max(start, 0) : max(start + BLOCK, 0)]


def _write(address, data):
    _writable(address, data)[:] = data
    _count_write(len(data))


def _tear_write(address, data, count):
    faults.tear_write(_writable(address, data), data, count)
    _count_write(min(count, len(data)))


def _count_write(size):
    sharedmemory.add(sharedmemory.WRITES, 1)
    sharedmemory.add(sharedmemory.BYTES_WRITTEN, size)


def _writable(address, data):
    """The bytes of the flash that this data may be written to. Raises OSError."""
    place = memoryview(_memory)[address : address + len(data)]
    if not _is_erased(place) and not _only_clears(place, data):
        raise OSError(faults.EIO, "write to flash that is not erased at 0x%x" % address)
    return place


def _is_erased(place):
    for start in range(0, len(place), len(_ERASED)):
        piece = place[start : start + len(_ERASED)]
        if piece != (_ERASED if len(piece) == len(_ERASED) else _ERASED[: len(piece)]):
            return False
    return True


def _only_clears(place, data):
    return all(new & ~old == 0 for old, new in zip(place, data))
