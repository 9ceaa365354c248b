"""device.slot: one erase a block, the head held back, and every way in which flash can lie."""

from check import raises_code
from makeimage import content
from nor import Nor

from device import errors
from device.slot import Slot
from device.trial import release_head as release

PROVES = {errors.FLASH: "test_each_operation_fails_in_turn"}

BLOCK = 4096


def _write(slot, data):
    for start in range(0, len(data), BLOCK):
        piece = memoryview(data)[start : start + BLOCK]
        slot.view[: len(piece)] = piece
        if start == 0:
            slot.hold_head()
        slot.write_block(len(piece))


def _reads_as(slot, data):
    """Is that what its blocks hold, with the head?"""
    for start in range(0, len(data), BLOCK):
        slot.read_block(start // BLOCK)
        piece = memoryview(data)[start : start + BLOCK]
        if slot.view[: len(piece)] != piece:
            return False
    return True


def _filled(size):
    nor = Nor(3)
    slot = Slot(nor, bytearray(BLOCK))
    data = content(size)
    _write(slot, data)
    return nor, slot, data


def test_geometry():
    slot = Slot(Nor(5), bytearray(BLOCK))
    assert (slot.block_size, slot.capacity, slot.position) == (4096, 5 * 4096, 0)


def test_a_block_of_the_right_length_is_used():
    for length in (4096, 1024, 0):
        block = bytearray(length)
        slot = Slot(Nor(1), block)
        assert (slot.block is block) == (length == 4096) and len(slot.block) == 4096


def test_a_head_that_was_held_back_is_given():
    nor, slot, data = _filled(10000)
    other = Slot(nor, bytearray(BLOCK), slot.head)
    assert _reads_as(other, data)
    release(nor, other.head)
    assert nor.holds(data)


def test_every_block_is_erased_once_and_no_other():
    for size in (1, 63, 64, 65, 4095, 4096, 4097, 8192, 10000, 12288):
        nor = slot = None  # the last ones' memory is needed
        nor, slot, _ = _filled(size)
        release(nor, slot.head)
        blocks = (size + BLOCK - 1) // BLOCK
        assert nor.erases == [1] * blocks + [0] * (3 - blocks), size
        assert slot.position == size


def test_flash_holds_the_image_and_then_erased_bytes():
    """Of 65 bytes an offer is at least."""
    for size in (64, 65, 4095, 4096, 4097, 10000, 12288):
        nor = slot = data = None
        nor, slot, data = _filled(size)
        release(nor, slot.head)
        end = -(-size // BLOCK) * BLOCK
        assert nor.holds(data), size
        assert nor.holds_only(0xFF, size, end), size
        assert nor.holds_only(0x5A, end, 3 * BLOCK), size


def test_a_second_image_over_the_first():
    nor, slot, _ = _filled(10000)
    release(nor, slot.head)
    slot = Slot(nor, bytearray(BLOCK))
    data = content(9000, 99)
    _write(slot, data)
    assert nor.holds_only(0xFF, 0, 64)
    release(nor, slot.head)
    assert nor.holds(data) and nor.erases == [2, 2, 2]


def test_read_sees_the_image_whether_released_or_not():
    for size in (1, 64, 65, 4095, 4096, 4097, 10000):
        nor = slot = data = None
        nor, slot, data = _filled(size)
        assert _reads_as(slot, data), size
        release(nor, slot.head)
        assert _reads_as(slot, data), size
        slot.head = None
        assert _reads_as(slot, data), size


def test_read_block_gives_the_held_head():
    nor, slot, data = _filled(10000)
    slot.read_block(0)
    assert bytes(slot.block) == data[:BLOCK]
    slot.read_block(1)
    assert bytes(slot.block) == data[BLOCK : 2 * BLOCK]


def test_a_slot_that_wrote_nothing_reads_the_flash():
    nor = Nor(2)
    slot = Slot(nor, bytearray(BLOCK))
    slot.read_block(0)
    assert bytes(slot.view[60:70]) == b"\x5a" * 10


def test_after_a_reboot_the_head_is_given_back():
    nor, _, data = _filled(10000)
    slot = Slot(nor, bytearray(BLOCK))
    slot.view[:64] = data[:64]
    slot.hold_head()
    assert _reads_as(slot, data[:100])
    slot.position = 8192
    slot.view[: 10000 - 8192] = data[8192:]
    slot.write_block(10000 - 8192)
    release(nor, slot.head)
    assert nor.holds(data) and nor.erases == [1, 1, 2]


def test_a_rewritten_block_moves_nothing():
    nor, slot, data = _filled(10000)
    slot.read_block(0)
    slot.blank_head()
    slot.rewrite(0)
    assert nor.holds_only(0xFF, 0, 64) and memoryview(nor.data)[64:10000] == memoryview(data)[64:]
    assert slot.position == 10000 and nor.erases == [2, 1, 1]
    nor.fail_at = nor.operations
    raises_code(errors.FLASH, slot.rewrite, 0)


def _whole(nor, data):
    slot = Slot(nor, bytearray(BLOCK))
    _write(slot, data)
    release(nor, slot.head)
    return nor


def test_each_operation_fails_in_turn():
    data = content(10000)
    total = _whole(Nor(3), data).operations
    assert total == 3 * 5 + 2  # a write and four reads a block, and the head
    for number in range(total):
        nor = None
        nor = Nor(3)
        nor.fail_at = number
        raises_code(errors.FLASH, _whole, nor, data)


def test_each_write_does_nothing_in_turn():
    """A silent no-op shows when the block is read back."""
    data = content(10000)
    changes = _whole(Nor(3), data).changes
    assert len(changes) == 4
    for number in changes:
        nor = None
        nor = Nor(3)
        nor.ignore_at = number
        raises_code(errors.FLASH, _whole, nor, data)


def test_a_bit_that_sticks_is_noticed():
    class Sticky(Nor):
        stuck = 0

        def readblocks(self, block, buffer, offset=0):
            self.data[self.stuck] &= 0xFE
            Nor.readblocks(self, block, buffer, offset)

    data = b"\xff" * 8192
    for stuck in (0, 63, 64, 511, 512, 4095, 4096, 8191):
        nor = Sticky(2)
        nor.stuck = stuck
        raises_code(errors.FLASH, _whole, nor, data)


def test_outside_the_partition():
    slot = Slot(Nor(1), bytearray(BLOCK))
    _write(slot, content(BLOCK))
    raises_code(errors.FLASH, slot.write_block, 1)
    raises_code(errors.FLASH, slot.read_block, 1)
