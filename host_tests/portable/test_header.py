"""device.slot: the first bytes of an image of each kind, and how they come from the file server."""

from check import raises_code, run
from fakeagent import FakeAgent
from fakestream import CLOSE, STALL, FakeStream, Peer
from faketime import FakeTime
from makeimage import content, crc, esp32, wm
from makeoffer import offer
from nor import Nor

from device import errors, slot
from device.update import Transfer

PROVES = {
    errors.HEADER_INVALID: "test_esp32_magics",
    errors.WRONG_BOARD: "test_esp32_chips",
}


def _esp32(data, chip=0, size=-1):
    return slot.read_header("esp32", data, len(data) if size < 0 else size, chip)


def test_a_good_esp32_header():
    found = _esp32(esp32(b"body", b"3.2.1"))
    assert (found.version, found.body_end, found.file_end) == ("3.2.1", 0, 0)
    assert _esp32(esp32(version=b"v" * 32)).version == "v" * 32
    assert _esp32(esp32(version=b"\xc3\x28")).version == ""


def test_esp32_magics():
    raises_code(errors.HEADER_INVALID, _esp32, esp32(magic=0xE8))
    raises_code(errors.HEADER_INVALID, _esp32, esp32(desc_magic=0xABCD5433))
    raises_code(errors.HEADER_INVALID, _esp32, bytes(300))
    raises_code(errors.HEADER_INVALID, _esp32, wm(content(300)))
    for size in (0, 1, 95):
        raises_code(errors.HEADER_INVALID, _esp32, esp32(), 0, size)


def test_esp32_chips():
    assert _esp32(esp32(chip=9), 9) and _esp32(esp32(chip=9), None)
    raises_code(errors.WRONG_BOARD, _esp32, esp32(chip=9), 0)
    raises_code(errors.WRONG_BOARD, _esp32, esp32(chip=0), 9)


def test_raw_has_no_header():
    found = slot.read_header("raw", b"\0" * 64, 1, None)
    assert (found.version, found.body_end, found.file_end) == ("", 0, 0)


def test_wm_has_a_module_of_its_own():
    body = content(300)
    assert slot.read_header("wm", wm(body), 364, 0) == slot.Header("1.2.3", 364, crc(body), 364)
    raises_code(errors.HEADER_INVALID, slot.read_header, "wm", esp32(), 288, None)


IMAGE = esp32(content(2300), b"1.2.3")
BLOCK = 1024


def _transfer(*script, position=0, clock=None, size=2588):
    """An answer has begun, and this comes next. The slot holds IMAGE[:position] but for the head."""
    agent = FakeAgent(image="esp32", http_timeout_s=5)
    agent.offer = offer(size=size)
    transfer = Transfer(agent)
    transfer.partition, transfer.chip, transfer.block = Nor(3, BLOCK), None, bytearray(64)
    transfer.partition.data[64:position] = IMAGE[64:position]
    transfer.position = position
    transfer.stream = FakeStream(Peer(list(script)), clock)
    return transfer


def test_the_first_block_is_held_for_the_slot():
    for script in ([IMAGE], [STALL, IMAGE[:5], STALL, IMAGE[5:]]):
        transfer = _transfer(*script)
        run(slot.receive_head(transfer))
        assert transfer.has_block and bytes(transfer.block) == IMAGE[:BLOCK]
        assert transfer.head == IMAGE[:64] and transfer.header.version == "1.2.3"
        assert transfer.stream._stream.taken == BLOCK and transfer.partition.operations == 0


def test_a_file_shorter_than_a_block():
    transfer = _transfer(IMAGE, size=300)
    run(slot.receive_head(transfer))
    assert transfer.has_block and transfer.stream._stream.taken == 300


def test_after_a_reboot_the_head_comes_alone():
    transfer = _transfer(IMAGE, position=BLOCK)
    run(slot.receive_head(transfer))
    assert not transfer.has_block and transfer.stream._stream.taken == 64
    assert transfer.head == IMAGE[:64] and transfer.header.version == "1.2.3"
    assert transfer.partition.changes == []


def test_a_head_that_does_not_come_is_bounded():
    for script, code in (([STALL], errors.TIMEOUT), ([IMAGE[:63], CLOSE], errors.CONNECTION_FAILED)):
        for position in (0, BLOCK):
            with FakeTime() as clock:
                transfer = _transfer(*script, position=position, clock=clock)
                raises_code(code, run, slot.receive_head(transfer))
                assert clock.elapsed_ms <= 5100 and transfer.head is None and not transfer.has_block
    transfer = _transfer(STALL)
    transfer.agent.wlan.is_up = False
    raises_code(errors.NO_GOT_IP, run, slot.receive_head(transfer))
