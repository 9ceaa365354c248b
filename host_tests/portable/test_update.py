"""device.update: from the first byte to the record; after a reboot; slots that hold bytes of two files."""

import makeoffer
import signer
from check import MICROPYTHON, patched, raises, raises_code, recorded_log
from fakeserver import DATA, ETAG, Download, head, rest, whole
from fakestream import CLOSE, Peer
from makeimage import content, esp32, trailer, wm
from nor import Nor

from device import errors, verify
from device.download import Journal

PROVES = {errors.SHA256_ECDSA: "test_a_second_mixture_is_the_end"}

REFUSED = errors.OtaError(errors.CONNECTION_FAILED, "refused")

KINDS = (("esp32", esp32), ("wm", wm), ("raw", bytes))


def _offer(data, **changes):
    """Of an image that its owner has signed."""
    changes.setdefault("https_url", makeoffer.ABSENT)
    return makeoffer.offer(size=len(data), signature=makeoffer.base64(signer.sign(data)), **changes)


def _prepared(scripts, data, position=0, kind="raw", etag=None):
    """A download in a slot that holds data[:position], as it is after a power cut: head blank."""
    offer = _offer(data)
    download = Download(scripts, offer, kind=kind)
    present = data[64:position]
    download.nor.data[64 : 64 + len(present)] = present
    download.nor.data[:64] = b"\xff" * 64
    Journal(offer).save(position, etag)
    return download


def test_from_the_first_byte_to_the_record():
    for kind, wrap in KINDS:
        download = data = None  # the last one's memory is needed
        data = wrap(DATA) + trailer()
        start = [head(200, len(data), more=ETAG), data[:1250], CLOSE]
        download = Download([start, rest(data, 1024, ETAG)], _offer(data), kind=kind)
        record = download.verified()
        assert (record["version"], record["size"]) == ("1.2.3", len(data))
        assert bytes(download.nor.data[:64]) == b"\xff" * 64  # still nothing that could boot
        assert download.nor.erases == [1, 1, 1, 0]


MIXED = [head(200, len(DATA + trailer())), content(1250, 3), CLOSE]  # no ETag: nothing to notice it by


def test_a_mixture_of_two_files_costs_a_second_download():
    data = DATA + trailer()
    download = _prepared([MIXED, rest(data, 1024), whole(data)], data)
    assert download.verified()["version"] == "1.2.3"
    assert download.nor.erases == [2, 2, 2, 0]


def test_a_second_mixture_is_the_end():
    data = DATA + trailer()
    download = _prepared([MIXED, rest(data, 1024)] * 2, data)
    raises_code(errors.SHA256_ECDSA, download.verified)
    assert not download.server.scripts


def test_one_answer_that_is_wrong_is_the_end():
    data = DATA + trailer()
    other = bytes([data[0] ^ 1]) + data[1:]
    download = _prepared([whole(other)], data)
    raises_code(errors.SHA256_ECDSA, download.verified)


def _head_of(data, more=""):
    text = "HTTP/1.1 206 X\r\nContent-Length: 64\r\nContent-Range: bytes 0-63/%d\r\n%s\r\n"
    return [(text % (len(data), more)).encode(), data[:64], CLOSE]


def test_after_a_reboot_the_head_is_fetched_and_the_rest():
    for kind, wrap in KINDS:
        download = data = None  # the last one's memory is needed
        data = wrap(DATA) + trailer()
        download = _prepared([_head_of(data), rest(data, 2048)], data, 2048, kind)
        record = download.verified()
        assert record["size"] == len(data)
        assert [first for first, _ in download.server.requests()] == ["0-63", "2048-"]
        assert download.nor.erases == [0, 0, 1, 0]
        assert download.holds(data)


def test_after_a_reboot_the_file_must_be_the_same():
    data = DATA + trailer()
    download = _prepared([whole(data, 'ETag: "new"\r\n')], data, 2048, etag='"old"')
    download.verified()
    assert download.server.requests() == [("0-63", '"old"')]
    assert download.holds(data) and download.nor.erases == [1, 1, 1, 0]


def test_after_a_reboot_a_wrong_answer_to_the_first_question():
    data = DATA + trailer()
    for answer, code in (
        ([head(206, 64, 0, len(data)), data, CLOSE], errors.SIZE_MISMATCH),
        ([head(404, 0), CLOSE], errors.HTTP_STATUS),
        (_head_of(data[:-1]), errors.SIZE_MISMATCH),
    ):
        raises_code(code, _prepared([answer], data, 2048).verified)


def test_after_a_reboot_foreign_bytes_in_the_slot_cost_a_second_download():
    data = DATA + trailer()
    download = _prepared([_head_of(data), rest(data, 2048), whole(data)], data, 2048)
    download.nor.data[1500] ^= 1
    download.verified()
    assert download.holds(data)
    assert download.nor.erases == [1, 1, 2, 0]


def test_a_cut_in_the_first_question_asks_it_again():
    data = DATA + trailer()
    scripts = [_head_of(data)[:1] + [data[:30], CLOSE], REFUSED, _head_of(data), rest(data, 2048)]
    download = _prepared(scripts, data, 2048)
    download.verified()
    assert download.holds(data)


def test_a_position_that_cannot_be_is_not_believed():
    data = DATA + trailer()
    for position in (1, 1023, 1025, len(data), 4096):
        download = _prepared([whole(data)], data, position)
        download.verified()
        assert download.holds(data)


def test_a_head_that_is_in_flash_already_is_taken_out():
    """The power went while it was written: with it, a slot of unchecked bytes could boot."""
    data = DATA + trailer()
    for length in (1, 30, 64):
        download = _prepared([_head_of(data), rest(data, 2048)], data, 2048)
        download.nor.data[:length] = data[:length]
        download.verified()
        assert bytes(download.nor.data[:64]) == b"\xff" * 64
        assert download.holds(data) and download.nor.erases == [1, 0, 1, 0]


def test_no_checkpoint_at_the_very_end():
    data = b"\x5a" * 4096
    offer = makeoffer.offer(size=len(data), https_url=makeoffer.ABSENT)
    download = Download([whole(data)], offer, checkpoint_kib=4)
    download.run()
    assert download.saved == []


def test_a_checkpoint_each_interval():
    """4 KiB is the least."""
    data = b"\x5a" * (4096 + 100)
    offer = makeoffer.offer(size=len(data), https_url=makeoffer.ABSENT)
    download = Download([whole(data, ETAG)], offer, checkpoint_kib=4)
    download.nor = Nor(5, 1024)
    download.run()
    assert download.saved == [(4096, '"a"')]


OVER_TLS = "https://files/fw.bin"


def _over_tls(scripts, data, make_context):
    return Download(scripts, _offer(data, https_url=OVER_TLS), make_context=make_context)


def _failing(*failures):
    """A make_context() that raises these, one after the other, and then makes one."""
    left = list(failures)

    def make(_):
        if left:
            raise left.pop(0)
        return "tls"

    return make


def test_a_context_that_does_not_fit_is_made_once_more():
    data = DATA + trailer()
    for full in (errors.OtaError(errors.NO_MEM, ""), errors.OtaError(errors.NO_INIT, ""), MemoryError()):
        download = None
        download = _over_tls([whole(data)], data, _failing(full))
        download.verified()
        assert download.holds(data) and download.report.rooms == 0
        raises(type(full), _over_tls([], data, _failing(full, full)).verified)


def test_a_context_that_fails_otherwise_makes_no_room():
    download = _over_tls([], DATA, _failing(errors.OtaError(errors.FLASH, "")))
    raises_code(errors.FLASH, download.verified)
    assert download.report.rooms == 1


def test_the_tls_context_goes_with_the_download():
    """The signature's check needs the room."""
    if MICROPYTHON:
        return  # it has no weak references
    import weakref

    contexts = []

    def make(_):
        context = Nor(1)  # an object like another
        contexts.append(weakref.ref(context))
        return context

    def digest(*arguments):
        assert [context() for context in contexts] == [None]
        return (yield from real(*arguments))

    real = verify.digest
    data = DATA + trailer()
    with patched(verify, "digest", digest):
        _over_tls([whole(data)], data, make).verified()
    assert len(contexts) == 1


def _states(scripts, data):
    """Of an update over these: the vendor's states in the log."""
    with recorded_log() as lines:
        try:
            Download(scripts, _offer(data)).verified()
        except errors.OtaError:
            pass
    return [int(line.split("progress:")[1].split("-")[0]) for line in lines if "progress:" in line]


def test_the_states_in_the_log():
    data = DATA + trailer()
    assert _states([whole(data)], data) == [0, 1, 3, 4, 4, 4, 4, 6, 7]
    assert _states([whole(bytes([data[0] ^ 1]) + data[1:])], data) == [0, 1, 3, 4, 4, 4, 4, 6, 7, 8]
    assert _states([[head(404)]], data) == [0, 1, 3, 5]


def test_a_refused_handshake_is_not_connected():
    """It comes with the first write, and is "connection failed" in the end, not "download failed"."""

    def write(*_):
        raise errors.OtaError(errors.TLS_REFUSED, "expired")

    with patched(Peer, "write", write):
        assert _states([[CLOSE]] * 2, DATA) == [0, 1, 1, 2]
