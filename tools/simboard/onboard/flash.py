"""NOR flash: erase sets a 4096-byte block to 0xFF, writing only clears bits, anything else is an error
of the client and raises. Operations are counted on the panel."""

import panel

BLOCK = 4096
_ERASED = b"\xff" * 512

_memory = None


def attach(memory):
    global _memory
    _memory = memory


def view(address, size):
    """A memoryview of the mapped flash, as the CPU sees it."""
    return memoryview(_memory)[address : address + size]


def read(address, buffer):
    size = len(buffer)
    buffer[:] = memoryview(_memory)[address : address + size]
    panel.add(panel.BYTES_READ, size)


def erase(address):
    """Erase the block at this address."""
    for start in range(address, address + BLOCK, len(_ERASED)):
        _memory[start : start + len(_ERASED)] = _ERASED
    panel.add(panel.ERASES, 1)
    panel.add(panel.WEAR + address // BLOCK, 1)


def write(address, data):
    """Clear bits. Raises OSError(EIO) if a bit would have to be set."""
    size = len(data)
    place = memoryview(_memory)[address : address + size]
    if not _is_erased(place) and not _only_clears(place, data):
        raise OSError(5, "write to flash that is not erased at 0x%x" % address)
    place[:] = data
    panel.add(panel.WRITES, 1)
    panel.add(panel.BYTES_WRITTEN, size)


def _is_erased(place):
    for start in range(0, len(place), len(_ERASED)):
        piece = place[start : start + len(_ERASED)]
        if piece != (_ERASED if len(piece) == len(_ERASED) else _ERASED[: len(piece)]):
            return False
    return True


def _only_clears(place, data):
    return all(new & ~old == 0 for old, new in zip(place, data))
