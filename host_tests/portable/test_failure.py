"""device.failure: what an error of sockets or TLS means, and what is said of it."""

import json

from check import patched, raises_code
from fakestream import FakeStream, Peer

from device import connection, errors, failure, texts_en, texts_zh

PROVES = {errors.TLS_REFUSED: "test_what_an_exception_of_the_socket_means"}


def _code_of(error):
    try:
        FakeStream(Peer([error])).readinto(bytearray(1))
    except errors.OtaError as known:
        return known.code


def test_what_an_exception_of_the_socket_means():
    for error, code in (
        (ValueError("certificate expired"), errors.TLS_REFUSED), (OSError(-30592), errors.TLS_REFUSED),
        (OSError(-28288), errors.TLS_REFUSED), (OSError(-29184), errors.CONNECTION_FAILED),
        (OSError(110), errors.TIMEOUT), (OSError(-110), errors.TIMEOUT),
        (OSError(104), errors.CONNECTION_FAILED), (OSError(), errors.CONNECTION_FAILED),
        (OSError("text"), errors.CONNECTION_FAILED), (OSError(-29312), errors.CONNECTION_FAILED),
        (OSError(-40000), errors.CONNECTION_FAILED), (OSError(12), errors.NO_MEM),
    ):  # fmt: skip
        assert _code_of(error) == code, error


# "Allocation failed" in mbedtls' headers: of a module, and what leads to one.
ALLOC_FAILED = (0x1180, 0x2880, 0x3400, 0x3F80, 0x4D80, 0x5180, 0x5780, 0x6180, 0x7F00)
ALLOC_FAILED_LOW = (0x0010, 0x0017, 0x006A)


def test_each_number_of_mbedtls_for_no_memory():
    for high in ALLOC_FAILED:
        for low in (0, 0x62) + ALLOC_FAILED_LOW:
            assert _code_of(OSError(-high - low)) == errors.NO_MEM, (high, low)
    for low in ALLOC_FAILED_LOW + (141,):
        assert _code_of(OSError(-low, "text")) == _code_of(OSError(low)) == errors.NO_MEM, low
        for high in (0x2080, 0x2500, 0x2700, 0x3B00, 0x4F80, 0x7780):  # what alone would be something else
            if low != 141:
                assert _code_of(OSError(-high - low, "text")) == errors.NO_MEM, (high, low)
    assert _code_of(OSError(-0x6C00)) == errors.NO_MEM  # "internal error", as which some come out


def test_a_certificate_of_bad_form_is_refused():
    for high in range(0x2080, 0x2880, 0x80):  # of x509, all but "allocation failed" and files
        for low in (0, 0x60, 0x62, 0x64, 0x66, 0x68):  # of asn1: out of data, unexpected tag ...
            assert _code_of(OSError(-high - low, "text")) == errors.TLS_REFUSED, (high, low)
    for high in range(0x3880, 0x3F80, 0x80):  # of pk: the key in it, all but "allocation failed"
        for low in (0, 0x60, 0x62, 0x68):
            assert _code_of(OSError(-high - low)) == errors.TLS_REFUSED, high
    for high in (0x2980, 0x3000):  # x509 again
        assert _code_of(OSError(-high, "text")) == errors.TLS_REFUSED, high
    for high in (0x4C80, 0x4E80, 0x4F80):  # of ecp: what is not a point of the curve, an unknown curve
        assert _code_of(OSError(-high, "text")) == errors.TLS_REFUSED, high
    assert _code_of(OSError(-0x6D00)) == errors.TLS_REFUSED  # of ssl: a key of another type


def test_what_a_bad_line_does_is_not_a_refusal():
    for number in (0x7280, 0x7180, 0x7200, 0x6800, 0x7880, 0x004C, 0x0050):  # ended, damaged, reset, late
        assert _code_of(OSError(-number)) == errors.CONNECTION_FAILED, number


def test_before_a_connection_an_errno_is_what_it_says():
    """EBUSY, ENFILE, EISCONN or EAFNOSUPPORT, ECANCELED: whose numbers are those of mbedtls as well."""
    for number in (16, 23, 106, 141):

        def failing(*_, number=number):
            raise OSError(number)

        with patched(connection.socket, "getaddrinfo", failing):
            raises_code(errors.CONNECTION_FAILED, connection.connect, "127.0.0.1", 1, None, 1000)


def test_no_memory_is_not_taken_for_an_alert():
    class Alerting(Peer):
        def write(self, data):
            raise OSError(self.number)

    for number, code in ((-0x3F90, errors.NO_MEM), (104, errors.TLS_REFUSED)):
        peer = Alerting([b"\x15\x03"])
        peer.number = number
        stream = FakeStream(Peer([b"\x15\x03"]))
        stream._stream = peer
        stream.limit(1000)
        raises_code(code, stream.write, b"data")


def test_an_alert_that_lies_unread_below_tls():
    """Only there: what a plain peer says is not an alert."""
    for unread, is_tls, code in (
        (b"\x15\x03", True, errors.TLS_REFUSED), (b"\x15\x03", False, errors.CONNECTION_FAILED),
        (b"\x17\x03", True, errors.CONNECTION_FAILED), (b"\x15", True, errors.CONNECTION_FAILED),
        (OSError(104), True, errors.CONNECTION_FAILED),
    ):  # fmt: skip
        sock = Peer([unread])
        found = failure.of_write(OSError(104), Peer() if is_tls else sock, sock)
        assert found.code == code, unread


def test_what_the_server_hears_to_the_letter():
    error = errors.OtaError(errors.SHA256_ECDSA, "details")
    data = '{"errorCode": %d, "errorMsg": "Bad signature"}' % errors.SHA256_ECDSA
    assert failure.report_data(error, "en") == data
    chinese = json.loads(failure.report_data(errors.OtaError(errors.FW_OVERFLOW), "zh"))
    assert chinese == {"errorCode": errors.FW_OVERFLOW, "errorMsg": "FLASH \u7a7a\u95f4\u4e0d\u8db3"}


def test_facts_beside_a_code():
    error = errors.OtaError(errors.ROLLED_BACK, "", [("version", "1.0.1"), ("cause", 'a "b"')])
    text = failure.report_data(error, "en")
    assert json.loads(text)["cause"] == 'a "b"'
    assert text.endswith('"version": "1.0.1", "cause": "a \\"b\\""}')


def test_what_the_log_says():
    line = failure.line(errors.OtaError(errors.SHA256_ECDSA, "details"))
    assert line == "%d Bad signature: details" % errors.SHA256_ECDSA
    assert failure.line(MemoryError("no room")) == "%d Out of memory: no room" % errors.NO_MEM


def test_every_code_has_two_texts_of_at_most_20_characters():
    assert len(texts_en.TEXTS) >= 24 and set(texts_en.TEXTS) == set(texts_zh.TEXTS)
    for texts in (texts_en, texts_zh):
        for code in texts.TEXTS:
            assert 0 < len(texts.text(code)) <= 20, code
        assert texts.text(-99999) == ""


def test_every_code_of_errors_py_has_a_text():
    names = [name for name in dir(errors) if name.upper() == name and name[0] != "_"]
    assert len(names) == len(texts_en.TEXTS)
    for name in names:
        assert texts_en.text(getattr(errors, name)), name
