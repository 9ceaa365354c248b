"""device.failure: what an error of sockets or TLS means, what is said of it, and when the server hears it."""

from check import patched, raises_code, recorded_log
from fakeagent import FakeLink, data_of
from fakestream import FakeStream, Peer

from device import connection, errors, failure, phases, texts_en, texts_zh
from device.report import Report

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
    for high in (0x3A00, 0x3B00, 0x3C80, 0x3D00):  # the key in it
        assert _code_of(OSError(-high - 0x62)) == errors.TLS_REFUSED, high


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
    """Only there: what a plain peer says is no alert."""
    for unread, is_tls, code in (
        (b"\x15\x03", True, errors.TLS_REFUSED), (b"\x15\x03", False, errors.CONNECTION_FAILED),
        (b"\x17\x03", True, errors.CONNECTION_FAILED), (b"\x15", True, errors.CONNECTION_FAILED),
        (OSError(104), True, errors.CONNECTION_FAILED),
    ):  # fmt: skip
        sock = Peer([unread])
        found = failure.of_write(OSError(104), Peer() if is_tls else sock, sock)
        assert found.code == code, unread


def _reporter(language="en"):
    return Report(FakeLink(), language)


def _heard(reporter):
    """The data of what was published, all of it as progress/report."""
    published = reporter.link.published
    assert all(name == "progress/report" and waits for name, _, waits in published), published
    return [data_of(payload) for _, payload, _ in published]


def test_an_error_is_told_at_once_where_there_is_a_link():
    reporter = _reporter()
    with recorded_log() as lines:
        reporter.error(errors.OtaError(errors.SHA256_ECDSA, "details"))
    (name, payload, _) = reporter.link.published[0]
    data = '{"errorCode": %d, "errorMsg": "Bad signature"}' % errors.SHA256_ECDSA
    assert name == "progress/report" and payload.endswith('000, "data": %s}' % data)
    assert reporter.unsent == []
    assert lines[0].startswith("E/ota") and "%d Bad signature: details" % errors.SHA256_ECDSA in lines[0]


def test_in_chinese():
    reporter = _reporter("zh")
    with recorded_log() as lines:
        reporter.error(errors.OtaError(errors.FW_OVERFLOW))
    chinese = {"errorCode": errors.FW_OVERFLOW, "errorMsg": "FLASH \u7a7a\u95f4\u4e0d\u8db3"}
    assert _heard(reporter) == [chinese]
    assert "Image exceeds slot" in lines[0]  # the log is English


def test_facts_beside_a_code():
    reporter = _reporter()
    reporter.error(errors.OtaError(errors.ROLLED_BACK, "", [("version", "1.0.1"), ("cause", 'a "b"')]))
    assert _heard(reporter)[0]["cause"] == 'a "b"'
    assert reporter.link.published[0][1].endswith('"version": "1.0.1", "cause": "a \\"b\\""}}')


def test_errors_wait_for_a_link_each_code_once():
    reporter = _reporter()
    reporter.link.is_open = False
    for code in (errors.FLASH, errors.NO_MEM, errors.FLASH):
        reporter.error(errors.OtaError(code))
    assert reporter.link.published == [] and len(reporter.unsent) == 2
    reporter.link.is_open = True
    failure.send_waiting(reporter)
    assert [data["errorCode"] for data in _heard(reporter)] == [errors.FLASH] and len(reporter.unsent) == 1
    reporter.error(errors.OtaError(errors.TIMEOUT))
    codes = [data["errorCode"] for data in _heard(reporter)]
    assert codes == [errors.FLASH, errors.NO_MEM, errors.TIMEOUT] and reporter.unsent == []


def test_one_that_cannot_be_sent_goes_on_waiting():
    reporter = _reporter()
    reporter.link.failures = [errors.OtaError(errors.TIMEOUT, "the broker")]
    with recorded_log() as lines:
        reporter.error(errors.OtaError(errors.FLASH, "first"))
    assert [error.code for error in reporter.unsent] == [errors.FLASH]
    errors_logged = [line for line in lines if line.startswith("E/ota")]
    assert len(errors_logged) == 2 and "the broker" in errors_logged[1]
    reporter.link.is_open = True
    reporter.link.failures = [errors.OtaError(errors.TIMEOUT)]
    raises_code(errors.TIMEOUT, failure.send_waiting, reporter)
    assert len(reporter.unsent) == 1


def test_a_lack_of_memory_is_logged_by_its_code():
    with recorded_log() as lines:
        failure.log_error(MemoryError("no room"))
    assert "%d Out of memory: no room" % errors.NO_MEM in lines[0]


def test_a_text_that_cannot_be_loaded_is_left_out():
    for error in (errors.OtaError(errors.NO_INIT), MemoryError()):

        def failing(*_, error=error):
            raise error

        reporter = _reporter()
        with patched(phases, "call", failing), recorded_log() as lines:
            failure.report(reporter, errors.OtaError(errors.FLASH, "why"))
        assert "%d : why" % errors.FLASH in lines[0]
        assert _heard(reporter) == [{"errorCode": errors.FLASH, "errorMsg": ""}]


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
