"""device.update: the TLS context of a download, and the vendor's states in the log."""

import makeoffer
from check import MICROPYTHON, patched, raises, raises_code, recorded_log
from fakeserver import DATA, Download, head, whole
from fakestream import CLOSE, Peer
from makeimage import trailer
from nor import Nor

from device import errors, verify

OVER_TLS = "https://files/fw.bin"


def _over_tls(scripts, data, make_context):
    return Download(scripts, makeoffer.of_image(data, https_url=OVER_TLS), make_context=make_context)


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
            Download(scripts, makeoffer.of_image(data)).verified()
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
