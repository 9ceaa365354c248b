"""device.connection: certificates taken apart, TLS contexts; a connection that fails leaves nothing open."""

from check import patched, raises, raises_code, settings
from makecert import certificate

from device import connection, errors, files

PROVES = {errors.NO_INIT: "test_a_certificate_that_is_none"}


def test_several_in_one_file():
    one, two = certificate(), certificate(filler=900)
    assert connection.certificates(one) == [one]
    assert connection.certificates(one + two + one) == [one, two, one]
    assert len(connection.certificates(one * 8)) == 8
    for wrong in (one * 9, b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"):
        error = raises_code(errors.NO_INIT, connection.certificates, wrong)
        assert "DER" in error.detail and "PEM" in error.detail and "at most 8" in error.detail


def test_what_is_no_certificate():
    whole = certificate()
    for data in (b"", b"0", whole[:-1], whole + b"x", whole + b"\x30\x05", b"-----BEGIN CERTIFICATE-----"):
        raises_code(errors.NO_INIT, connection.certificates, data)


def test_elements_lie_within_the_data():
    for data, start, end in (
        (b"\x04\x00", 2, 2), (b"\x04\x02ab", 2, 4), (b"\x04\x02abc", 2, 4),
        (b"\x04\x7f" + b"a" * 127, 2, 129),
        (b"\x04\x81\x80" + b"a" * 128, 3, 131), (b"\x04\x82\x01\x00" + b"a" * 256, 4, 260),
    ):  # fmt: skip
        assert connection.element(data, 0) == (start, end), data
        assert connection.element(b"xy" + data, 2) == (start + 2, end + 2), data
    for data in (
        b"", b"\x04", b"\x04\x01", b"\x04\x82\x01", b"\x04\x82\x01\x00" + b"a" * 255,
        b"\x04\xff" + b"a" * 99,
    ):  # fmt: skip
        raises_code(errors.NO_INIT, connection.element, data, 0)


def test_a_certificate_that_is_none():
    for noise in (b"", b"noise", b"\x30\x82\x01\x00" + b"\0" * 50):
        raises_code(errors.NO_INIT, connection.client_context, noise)


class _Tls:
    """The module `tls`, whose context only notes what it is made of. error: what loading a CA raises."""

    PROTOCOL_TLS_CLIENT = 1
    CERT_REQUIRED = 2

    def __init__(self, error=None):
        self._error = error
        self.loaded = []
        self.verify_mode = 0

    def SSLContext(self, _):
        return self

    def load_cert_chain(self, chain, key):
        self.loaded.append((chain, key))

    def load_verify_locations(self, one):
        if self._error:
            raise self._error
        self.loaded.append(one)


def test_what_is_wrong_with_a_certificate_is_said():
    for error, code in ((OSError(-0x2880), errors.NO_MEM), (ValueError("invalid cert"), errors.NO_INIT)):
        with patched(connection, "tls", _Tls(error)):
            raises_code(code, connection.client_context, certificate())


def test_a_context_always_verifies():
    one, two = certificate(), certificate(filler=5)
    for own, loaded in (((b"own", b"key"), [(b"own", b"key"), one, two]), ((), [one, two])):
        with patched(connection, "tls", _Tls()):
            context = connection.client_context(one + two, *own)
            assert context.loaded == loaded and context.verify_mode == _Tls.CERT_REQUIRED


def test_which_files_a_context_is_made_of():
    config = settings(broker_ca="b.der", client_cert="c.der", client_key="k.der", file_ca="f.der")
    for name in ("b.der", "c.der", "k.der", "f.der"):
        files.write(name, name.encode())
    with patched(connection, "client_context", lambda *parts: parts):
        assert connection.broker_context(config) == (b"b.der", b"c.der", b"k.der")
        transfer = _Transfer(config)
        connection.make_file_context(transfer)
        assert transfer.context == (b"f.der",)
        transfer.context = "made"
        connection.make_file_context(transfer)
        assert transfer.context == "made"
        transfer = _Transfer(config, "http")
        connection.make_file_context(transfer)
        assert transfer.context is None
    missing = settings(broker_ca="b.der", client_cert="c.der", client_key="no.der", file_ca="no.der")
    for make in (connection.broker_context, lambda config: connection.make_file_context(_Transfer(config))):
        assert "no.der" in raises_code(errors.NO_INIT, make, missing).detail


class _Transfer:
    """What connection.py uses of an update.Transfer."""

    def __init__(self, config, scheme="https"):
        self.agent = self
        self.config = config
        self.address = (scheme, "host", 443, scheme + "://host/", len(scheme) + 7)
        self.context = self.stream = None


def test_tls_only_where_it_is_asked_for():
    connected = []

    def connect(*arguments):
        connected.append(arguments)
        return "stream"

    config = settings(http_timeout_s=5)
    with patched(connection, "connect", connect), patched(connection, "client_context", lambda _: "new"):
        with patched(files, "read_required", lambda path: b"ca"):
            for scheme, context, used in (
                ("https", "made", "made"), ("https", None, "new"),
                ("http", None, None), ("http", "made", None),
            ):  # fmt: skip
                transfer = _Transfer(config, scheme)
                transfer.context = context
                connection.connect_file_server(transfer)
                assert connected.pop() == ("host", 443, used, 5000) and transfer.stream == "stream"
                assert transfer.context == (context or used)


class _Socket:
    """fails_at: the name of the call that raises the error."""

    def __init__(self, fails_at=None, error=None):
        self._fails_at = fails_at
        self._error = error
        self.calls = []
        self.is_closed = False

    def _note(self, name):
        self.calls.append(name)
        if name == self._fails_at:
            raise self._error

    def settimeout(self, seconds):
        assert seconds == 5
        self._note("settimeout")

    def connect(self, address):
        self._note("connect")

    def setsockopt(self, *_):
        self._note("setsockopt")

    def setblocking(self, flag):
        assert flag is False
        self._note("setblocking")

    def close(self):
        self.is_closed = True

    def wrap_socket(self, sock, server_hostname, do_handshake_on_connect):
        """This one is the context, too."""
        assert sock is self and server_hostname == "host" and do_handshake_on_connect is False
        self._note("wrap_socket")
        raise AssertionError("wrapped")


def _fails(sock, expected):
    with patched(connection.socket, "getaddrinfo", lambda *_: [(2, 1, 6, "", ("10.0.0.1", 443))]):
        with patched(connection.socket, "socket", lambda *_: sock):
            error = raises(expected, connection.connect, "host", 443, sock, 5000)
    assert sock.is_closed
    return error


def test_a_connection_that_fails_is_closed():
    for number, code in ((110, errors.TIMEOUT), (111, errors.CONNECTION_FAILED), (12, errors.NO_MEM)):
        sock = _Socket("connect", OSError(number))
        assert _fails(sock, errors.OtaError).code == code
        assert sock.calls == ["settimeout", "connect"]


def test_tls_that_cannot_begin_is_closed():
    for error, code in (
        (ValueError("bad name"), errors.TLS_REFUSED), (OSError(-0x7F00), errors.NO_MEM),
        (OSError(-0x6C00), errors.NO_MEM),
    ):  # fmt: skip
        sock = _Socket("wrap_socket", error)
        assert _fails(sock, errors.OtaError).code == code
        assert sock.calls[-2:] == ["setblocking", "wrap_socket"]
    _fails(_Socket("wrap_socket", MemoryError()), MemoryError)


def test_where_no_connection_is_made_there_is_no_stream():
    def connect(*_):
        raise errors.OtaError(errors.TIMEOUT)

    transfer = _Transfer(settings(), "http")
    with patched(connection, "connect", connect):
        raises_code(errors.TIMEOUT, connection.connect_file_server, transfer)
    assert transfer.stream is None


def test_a_name_that_is_not_found():
    for found in ([], OSError(-2)):

        def look_up(*_, found=found):
            if isinstance(found, OSError):
                raise found
            return found

        with patched(connection.socket, "getaddrinfo", look_up):
            raises_code(errors.CONNECTION_FAILED, connection.connect, "host", 1, None, 1000)
