"""The ESP32's board module against doubles of the port: old and new names, slots it must refuse."""

from check import patched, raises_code

from device import board as board_module
from device import errors


class _Station:
    def __init__(self, kind):
        self.kind = kind

    def active(self, on):
        pass


class _OldNetwork:
    """Up to 1.23: the constants stand in the module, and WLAN has none."""

    STA_IF = 0
    WLAN = _Station


class _NewStation(_Station):
    IF_STA = 7


class _NewNetwork:
    WLAN = _NewStation


class _Partition:
    BOOT, RUNNING = 0, 1
    next = None

    def __init__(self, which):
        self._info = (0, 16, 0x10000, 0x100000, "ota_0", False)

    def info(self):
        return self._info

    def set_boot(self):
        """Ignored, as by bad flash."""

    def get_next_update(self):
        if self.next is None:
            raise OSError(2)
        return self.next


def _other(label, encrypted):
    other = _Partition(1)
    other._info = (0, 17, 0x110000, 0x100000, label, encrypted)
    return other


def _board(next_slot=None, network=_OldNetwork):
    with patched(board_module, "network", network), patched(board_module, "Partition", _Partition):
        board = board_module.Board()
    board.running.next = next_slot
    return board


def test_the_station_is_found_in_old_and_new_micropython():
    assert _board().wlan.kind == 0
    assert _board(network=_NewNetwork).wlan.kind == 7


def test_the_other_slot_is_the_spare_one():
    assert _board(_other("ota_1", False)).spare().info()[4] == "ota_1"


def test_no_second_slot():
    raises_code(errors.NO_SLOT, _board().spare)
    raises_code(errors.NO_SLOT, _board(_other("ota_0", False)).spare)


def test_an_encrypted_slot_is_refused():
    error = raises_code(errors.NO_SLOT, _board(_other("ota_1", True)).spare)
    assert "encryption" in error.detail


def test_a_boot_record_that_did_not_take_is_told():
    board = _board()
    with patched(board_module, "Partition", _Partition):
        raises_code(errors.FLASH, board.set_boot, _other("ota_1", False))
        board.set_boot(board.running)
