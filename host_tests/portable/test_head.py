"""device.trial: the first 64 bytes of a slot: written last, checked, taken away first."""

from check import patched, raises_code
from makeimage import content
from nor import Nor

from device import errors, trial

PROVES = {errors.FLASH: "test_each_operation_fails_in_turn"}

BLOCK = 1024
DATA = content(2 * BLOCK)


def _verified():
    """A slot that holds DATA but for the head, which is not written yet."""
    nor = Nor(3, BLOCK)
    nor.data[: len(DATA)] = DATA
    nor.data[:64] = b"\xff" * 64
    return nor


def _bootable():
    nor = _verified()
    trial.release_head(nor, DATA[:64])
    return nor


def test_until_released_the_head_is_blank():
    nor = _verified()
    assert trial.is_head_blank(nor)
    trial.release_head(nor, DATA[:64])
    assert not trial.is_head_blank(nor)
    assert nor.holds(DATA)
    assert nor.writes == [(0, 0, 64)] and nor.erases == [0, 0, 0]


def test_a_head_of_which_one_bit_is_written_is_not_blank():
    for position in (0, 31, 63):
        nor = _verified()
        nor.data[position] ^= 0x10
        assert not trial.is_head_blank(nor), position
    nor = _verified()
    nor.data[64] = 0
    assert trial.is_head_blank(nor)


def test_invalidate_erases_the_first_block_only():
    nor = _bootable()
    trial.invalidate(nor)
    assert nor.holds_only(0xFF, 0, BLOCK)
    assert bytes(nor.data[BLOCK : len(DATA)]) == DATA[BLOCK:]
    assert nor.erases == [1, 0, 0]


def test_a_blank_head_is_not_erased_again():
    nor = _verified()
    trial.invalidate(nor)
    assert nor.erases == [0, 0, 0] and nor.changes == []


def test_each_operation_fails_in_turn():
    for make, function in (
        (_verified, _release),
        (_bootable, trial.invalidate),
        (_bootable, trial.is_head_blank),
    ):
        nor = make()
        first = nor.operations
        function(nor)
        assert nor.operations > first
        for number in range(first, nor.operations):
            nor = make()
            nor.fail_at = number
            raises_code(errors.FLASH, function, nor)


def _release(nor):
    trial.release_head(nor, DATA[:64])


def test_a_head_that_was_not_written_is_noticed():
    nor = _verified()
    nor.ignore_at = nor.operations
    raises_code(errors.FLASH, _release, nor)


def test_a_bit_that_sticks_is_noticed():
    for stuck in (0, 63):
        nor = _verified()

        def readblocks(*arguments, nor=nor, stuck=stuck):
            nor.data[stuck] ^= 1
            Nor.readblocks(nor, *arguments)

        with patched(nor, "readblocks", readblocks):
            raises_code(errors.FLASH, _release, nor)


def test_flash_that_is_not_erased_takes_no_head():
    nor = _bootable()
    raises_code(errors.FLASH, trial.release_head, nor, b"\xff" * 64)
