"""simboard's flash and the faults that can be planned for it."""

import faults
import flash
import sharedmemory
from check import patched, raises

BLOCK = flash.BLOCK
BLOCKS = 4
OLD = b"\x11" * BLOCK  # each block of a board that nobody has touched
DATA = bytes(range(256))

_memory = bytearray(BLOCKS * BLOCK)  # once: the heap is small


class Cut(BaseException):
    """The power is gone."""


class _Board:
    """Context: a flash whose plan is this, and a sharedmemory. Power cuts raise Cut."""

    def __init__(self, *plan):
        self._patches = [patched(faults, "cut_power", self._cut), patched(faults, "watch", None)]
        self._plan = plan

    def __enter__(self):
        for patch in self._patches:
            patch.__enter__()
        for start in range(0, len(_memory), BLOCK):
            _memory[start : start + BLOCK] = OLD
        flash.attach(_memory)
        sharedmemory.attach(bytearray(4 * (sharedmemory.WEAR + BLOCKS)))
        faults.load(self._plan)

    def __exit__(self, *arguments):
        for patch in self._patches:
            patch.__exit__(*arguments)
        faults.load([])

    @staticmethod
    def _cut():
        raise Cut


def _block(number):
    return bytes(_memory[number * BLOCK : (number + 1) * BLOCK])


def _read(address, size):
    buffer = bytearray(size)
    flash.read(address, buffer)
    return bytes(buffer)


def _only_sets_bits(new, old):
    return len(new) == len(old) and all(a | b == a for a, b in zip(new, old))


def _erase(block):
    flash.erase(block * BLOCK)


def test_erases_and_writes_have_numbers_and_reads_their_own():
    seen = []
    with _Board(), patched(faults, "watch", lambda *what: seen.append(what)):
        _erase(1)
        flash.write(BLOCK, DATA)
        _read(BLOCK, 3)
        flash.write(BLOCK + 256, DATA)
        assert sharedmemory.get(sharedmemory.OPERATIONS) == 3
        assert sharedmemory.get(sharedmemory.READS) == 1
    assert seen == [
        ("erase", 0, BLOCK, BLOCK),
        ("write", 1, BLOCK, 256),
        ("read", 0, BLOCK, 3),
        ("write", 2, BLOCK + 256, 256),
    ]


def test_what_is_not_planned_works():
    with _Board([3, "error"]):
        _erase(1)
        flash.write(BLOCK, DATA)
        assert _read(BLOCK - 1, 258) == OLD[:1] + DATA + b"\xff"
        assert _block(0) == _block(2) == OLD
        assert sharedmemory.get(sharedmemory.WEAR + 1) == 1 == sharedmemory.get(sharedmemory.ERASES)


def test_a_new_plan_replaces_the_old_one_also_at_the_last_moment():
    with _Board([0, "error"]), patched(faults, "watch", lambda *_: faults.load([[1, "error"]])):
        _erase(1)
        raises(OSError, _erase, 1)


def test_a_kind_that_does_not_exist():
    raises(ValueError, faults.load, [[0, "earthquake"]])


def test_setting_a_bit_without_erase_is_still_an_error_and_an_operation():
    with _Board([1, "torn", 5]):
        for _ in range(2):
            raises(OSError, flash.write, BLOCK, DATA)
        assert _block(1) == OLD
        assert sharedmemory.get(sharedmemory.OPERATIONS) == 2


def test_the_power_goes_before_an_operation_and_only_once():
    with _Board([0, "before"]):
        raises(Cut, _erase, 1)
        assert _block(1) == OLD
        _erase(1)
        assert _block(1) == b"\xff" * BLOCK


def test_the_power_goes_after_an_operation():
    with _Board([0, "after"], [1, "after"]):
        raises(Cut, _erase, 1)
        assert _block(1) == b"\xff" * BLOCK
        raises(Cut, flash.write, BLOCK, DATA)
        assert _block(1)[:257] == DATA + b"\xff"


def test_the_power_goes_inside_a_write():
    for count in (0, 100, 254):
        with _Board([1, "torn", count]):
            _erase(1)
            raises(Cut, flash.write, BLOCK, DATA)
            done = _block(1)
            assert done[:count] == DATA[:count]
            assert done[count] == DATA[count] | 0xAA
            assert done[count + 1 :] == b"\xff" * (BLOCK - count - 1)
            flash.write(BLOCK, DATA)  # what was done in part can be finished


def test_the_power_goes_at_the_end_of_a_write():
    with _Board([1, "torn", 1000]):
        _erase(1)
        raises(Cut, flash.write, BLOCK, memoryview(DATA))
        assert _block(1)[:257] == DATA + b"\xff"


def test_the_power_goes_inside_an_erase():
    erased = b"\xff" * BLOCK
    half = erased[: BLOCK // 2] + OLD[BLOCK // 2 :]
    left = [(faults.UNTOUCHED, OLD), (faults.ERASED, erased), (faults.HALF, half)]
    for remainder, expected in left:
        with _Board([0, "torn", remainder]):
            raises(Cut, _erase, 1)
            assert _block(1) == expected
            assert _block(0) == _block(2) == OLD
            assert sharedmemory.get(sharedmemory.WEAR + 1) == (remainder != faults.UNTOUCHED)


def test_a_torn_erase_sets_some_bits_and_each_time_others():
    left = []
    for number in (0, 1, 1):
        with _Board([number, "torn", faults.NOISY]):
            for _ in range(number):
                _erase(0)
            raises(Cut, _erase, 1)
            left.append(_block(1))
            assert _read(BLOCK, 64) == _read(BLOCK, 64) == left[-1][:64]
    assert all(_only_sets_bits(block, OLD) for block in left)
    assert OLD != left[0] != left[1] == left[2]


def _views_and_reads(address, size):
    """Four looks at the same bytes, two each way."""
    looks = [bytes(flash.view(address, size)) for _ in range(2)]
    return looks + [_read(address, size) for _ in range(2)]


def test_an_unstable_block_reads_differently_each_time_until_it_is_erased():
    with _Board([0, "torn", faults.UNSTABLE]):
        raises(Cut, _erase, 2)
        kept = _block(2)
        flash.attach(_memory)  # what a reboot does
        looks = _views_and_reads(2 * BLOCK + 10, 64)
        assert len(set(looks)) == 4
        assert all(_only_sets_bits(look, kept[10:74]) for look in looks)
        assert _block(2) == kept
        _erase(2)
        assert set(_views_and_reads(2 * BLOCK, BLOCK)) == {b"\xff" * BLOCK}


def test_only_the_unstable_block_is_unstable():
    with _Board([0, "torn", faults.UNSTABLE]):
        raises(Cut, _erase, 2)
        for start in (2 * BLOCK - 99, 3 * BLOCK):
            assert set(_views_and_reads(start, 99)) == {OLD[:99]}
        before, after = (_views_and_reads(block * BLOCK - 99, 198) for block in (2, 3))
        assert len({look[99:] for look in before}) == len({look[:99] for look in after}) == 4
        assert {look[:99] for look in before} == {look[99:] for look in after} == {OLD[:99]}


def test_a_second_torn_erase_settles_the_block_or_leaves_it_as_it_was():
    for remainder, looks in ((faults.UNTOUCHED, 4), (faults.ERASED, 1), (faults.NOISY, 1)):
        with _Board([0, "torn", faults.UNSTABLE], [1, "torn", remainder]):
            raises(Cut, _erase, 2)
            raises(Cut, _erase, 2)
            assert len(set(_views_and_reads(2 * BLOCK, 64))) == looks


def test_an_operation_that_is_ignored():
    with _Board([0, "ignore"], [2, "ignore"]):
        _erase(1)
        assert _block(1) == OLD
        _erase(1)
        flash.write(BLOCK, DATA)
        assert _block(1) == b"\xff" * BLOCK
        assert sharedmemory.get(sharedmemory.WEAR + 1) == 1
        assert sharedmemory.get(sharedmemory.OPERATIONS) == 3


def test_an_operation_that_is_refused():
    with _Board([0, "error"], [2, "error"]):
        assert raises(OSError, _erase, 1).args[0] == faults.EIO
        assert _block(1) == OLD
        _erase(1)
        assert raises(OSError, flash.write, BLOCK, DATA).args[0] == faults.EIO
        assert _block(1) == b"\xff" * BLOCK


def test_a_bit_flips_anywhere():
    with _Board([0, "flip", 8 * (2 * BLOCK + 7) + 4], [1, "flip", 8 * BLOCK]):
        _erase(1)
        assert _block(1) == b"\xff" * BLOCK
        flash.write(BLOCK, DATA)
        assert _block(1)[:256] == b"\x01" + DATA[1:]
        assert _block(2)[6:9] == b"\x11\x01\x11"


def test_a_read_that_fails():
    with _Board([1, "read_error"], [0, "flip", 0]):
        assert _read(0, 2) == OLD[:2]
        assert raises(OSError, _read, 0, 2).args[0] == faults.EIO
        assert _read(0, 2) == OLD[:2]


def test_several_faults_in_one_operation():
    bit = 8 * BLOCK
    plan = [[0, "ignore"], [0, "after"], [1, "flip", bit], [1, "after"], [2, "error"], [2, "flip", bit]]
    with _Board(*plan):
        raises(Cut, _erase, 1)
        assert _block(1) == OLD
        raises(Cut, _erase, 1)
        assert _block(1) == b"\xfe" + b"\xff" * (BLOCK - 1)
        raises(OSError, flash.write, BLOCK, DATA)
        assert _block(1) == b"\xff" * BLOCK
