"""A file server with a bad certificate or an old TLS gets no request, and http is no way out."""

from __future__ import annotations

import contextlib
import socket
import ssl

import badcerts
import checks
import pytest
import steps
from rawserver import RawServer, old_hello, server_context

from device import errors
from tools.keys import keyfiles
from tools.server.files import FileServer
from tools.testbed import traits
from tools.testbed.testbed import MAC

NAME = "firmware-1.0.1.img"
MANY = 10  # retries: in the whole window it would be more, for backoff_max_s is short
OLD_TLS = ["TLSv1", "TLSv1_1", "old hello"]


def _check_refused(testbed, offer, url):
    """Long before retry_window_s is over, although there is a good http_url."""
    steps.refuse(testbed, offer | {"https_url": url}, errors.TLS_REFUSED)
    assert 1 <= steps.lines_with(testbed, "download at byte 0: ") < MANY
    assert not testbed.files.requests
    assert checks.error_codes(testbed) == [errors.TLS_REFUSED]


@pytest.mark.code(errors.TLS_REFUSED)
@pytest.mark.parametrize(("runtime", "what"), badcerts.CASES)
def test_bad_certificate(make_testbed, runtime, what):
    testbed = make_testbed(runtime=runtime)
    host, make = badcerts.BAD[what]
    keyfiles.write_pair(testbed.keys, "bad", make(keyfiles.read_pair(testbed.keys, "file-ca")))
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="both")
    with FileServer(testbed.images, testbed.keys, server="bad") as bad:
        _check_refused(testbed, offer, f"https://{host}:{bad.https_port}/{NAME}")
        assert not bad.requests
    checks.check_old_runs(testbed, image)


@pytest.mark.parametrize("host", [badcerts.NAME, badcerts.ADDRESS])
def test_good_certificate(make_testbed, host):
    """The same with a right one that has only this name, so that nothing else can be to blame above."""
    testbed = make_testbed()
    keyfiles.write_pair(
        testbed.keys, "other", badcerts.good(keyfiles.read_pair(testbed.keys, "file-ca"), host)
    )
    steps.online(testbed)
    _, offer = steps.new_offer(testbed, transport="both")
    with FileServer(testbed.images, testbed.keys, server="other") as other:
        steps.update(testbed, offer | {"https_url": f"https://{host}:{other.https_port}/{NAME}"})
        assert len(other.requests) == 1
    assert not testbed.files.requests


@contextlib.contextmanager
def _server_of(testbed, version, image=b""):
    if version == "old hello":
        server = RawServer(lambda hello: [old_hello()], until=b"\x16\x03")
    else:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(image)
        server = RawServer(lambda request: [head, image], server_context(testbed.keys, "files", version))
    with server:
        yield server


@pytest.mark.code(errors.TLS_REFUSED)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("runtime", "version"), [*(("mp32", v) for v in OLD_TLS), ("mp64", "old hello")])
def test_old_tls(make_testbed, runtime, version):
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed, transport="both")
    with _server_of(testbed, version) as old:
        _check_refused(testbed, offer, f"https://localhost:{old.port}/{NAME}")
        assert old.versions == []
        assert old.connections == 2
    checks.check_old_runs(testbed, image)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_new_tls(make_testbed, version):
    """Both are spoken where the build knows both; the firmware of an ESP32 knows only the first."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    with _server_of(testbed, version, image) as new:
        if version == "TLSv1_3" and not traits.speaks_tls13(testbed.runtime):
            _check_refused(testbed, offer, f"https://localhost:{new.port}/{NAME}")
            return
        steps.update(testbed, offer | {"https_url": f"https://localhost:{new.port}/{NAME}"})
        # The second is the self test of the image on trial: TLS comes about, then it hangs up.
        steps.until(lambda: len(new.versions) == 2, "the self test")
        assert new.versions == [version.replace("_", ".")] * 2


def test_our_certificate_is_for_the_broker_alone(make_testbed):
    """Two file servers ask for one, the second after a redirect: none comes, and the image does."""
    testbed = make_testbed()
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    asks = server_context(testbed.keys, "files", client_ca="device-ca")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(image)
    with RawServer(lambda request: [head, image], asks) as second:
        to = f"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:{second.port}/{NAME}\r\n\r\n"
        with RawServer(lambda request: [to.encode()], asks) as first:
            steps.update(testbed, offer | {"https_url": f"https://localhost:{first.port}/{NAME}"})
            steps.until(lambda: len(first.certificates) == 2, "the self test of the image on trial")
            assert first.certificates == [None, None]
            assert second.certificates == [None]
            for request in (*first.requests, *second.requests):
                assert b"Authorization" not in request and b"Cookie" not in request


@pytest.mark.code(errors.TLS_REFUSED)
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_server_that_insists_on_our_certificate(make_testbed, version):
    """It gets none, and so it refuses. The control of the test above: a client that has one shows it."""
    testbed = make_testbed()
    pair = keyfiles.read_pair(testbed.keys / "devices" / MAC, "client", form="der")
    keyfiles.write_pair(testbed.keys, "board", pair)
    insists = server_context(testbed.keys, "files", version, "device-ca")
    insists.verify_mode = ssl.CERT_REQUIRED
    steps.online(testbed)
    _, offer = steps.new_offer(testbed, transport="both")
    with RawServer(lambda request: [], insists) as server:
        _check_refused(testbed, offer, f"https://localhost:{server.port}/{NAME}")
        assert server.requests == server.certificates == []
        _show_certificate(server, testbed.keys)
        steps.until(lambda: server.certificates, "a certificate")
        assert server.certificates == [(testbed.keys / "devices" / MAC / "client.crt.der").read_bytes()]


def _show_certificate(server, keys):
    context = ssl.create_default_context(cafile=str(keys / "file-ca.crt.pem"))
    context.load_cert_chain(keys / "board.crt.pem", keys / "board.key.pem")
    address = ("127.0.0.1", server.port)
    with (
        socket.create_connection(address, steps.PATIENCE_S) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as stream,
    ):
        stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
        stream.recv(1)  # not to hang up before it has seen the certificate
