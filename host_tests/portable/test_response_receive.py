"""device.response in an update: is it what was asked for, where does it lead, how long one waits for it."""

from check import raises_code, recorded_log, run
from fakeagent import FakeAgent
from fakestream import CLOSE, STALL, TRICKLE, FakeStream, Peer
from faketime import FakeTime
from makeoffer import offer

from device import errors, response
from device.update import Transfer

PROVES = {errors.HTTP_STATUS: "test_redirects_have_an_end"}

OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n"


def _transfer(*script, chunk=1000, clock=None, **changes):
    agent = FakeAgent(http_timeout_s=5)
    agent.offer = offer(size=100, **changes)
    transfer = Transfer(agent)
    transfer.asked = (0, 99)
    transfer.stream = FakeStream(Peer(list(script), chunk), clock)
    return transfer


def _receive(transfer):
    return run(response.receive(transfer))


WHOLE = OK + b'Content-Length: 100\r\nETag: "a"\r\n' + END


def test_an_answer_to_what_was_asked():
    transfer = _transfer(STALL, WHOLE + b"body", CLOSE)
    assert _receive(transfer) is True
    assert transfer.etag == '"a"' and not transfer.is_spliced
    assert bytes(transfer.stream._stream.script[0]) == b"body"


def test_where_an_answer_leads():
    for status in (301, 302, 303, 307, 308):
        head = b"HTTP/1.1 %d Moved\r\n" % status
        transfer = _transfer(head + b"Location: /x\r\n" + END)
        assert _receive(transfer) is False
        assert transfer.address == ("https", "files", 8443, "https://files:8443/x", 18)
        error = raises_code(errors.HTTP_STATUS, _receive, _transfer(head + END))  # to nowhere
        assert error.detail == "redirect refused, Location: missing"
    for status in (300, 304, 404):
        head = b"HTTP/1.1 %d x\r\nLocation: /x\r\n" % status
        raises_code(errors.HTTP_STATUS, _receive, _transfer(head + END))


def test_redirects_have_an_end():
    transfer = _transfer((b"HTTP/1.1 302 Moved\r\nLocation: x/\r\n" + END) * 11)
    assert [_receive(transfer) for _ in range(10)] == [False] * 10
    assert transfer.address[3].endswith(":8443" + "/x" * 10 + "/")
    raises_code(errors.HTTP_STATUS, _receive, transfer)


def test_no_redirect_to_a_host_that_is_not_allowed():
    to_other = b"HTTP/1.1 302 Moved\r\nLocation: //other/x\r\n" + END
    assert _receive(_transfer(to_other)) is False
    for hosts in (["other"], ["Other"], ["files", ".other", "other"]):
        transfer = _transfer(to_other)
        transfer.agent.config.file_hosts = hosts
        assert _receive(transfer) is False and transfer.address[1] == "other"
    transfer.agent.config.file_hosts = ["files"]
    transfer = _transfer(to_other)
    transfer.agent.config.file_hosts = ["files"]
    error = raises_code(errors.HTTP_STATUS, _receive, transfer)
    assert error.detail == "redirect refused, Location: other is not in file_hosts"


def test_what_is_to_blame_is_named():
    for head, code, name in (
        (OK + b"content-encoding: gzip\r\n", errors.HTTP_STATUS, "Content-Encoding: gzip"),
        (OK + b"Transfer-Encoding: chunked\r\n", errors.HTTP_STATUS, "Transfer-Encoding: chunked"),
        (OK + b"Content-Length: 99\r\n", errors.SIZE_MISMATCH, "Content-Length: 99"),
        (OK, errors.SIZE_MISMATCH, "Content-Length: missing"),
        (OK + b"Content-Length: 100\r\nContent-Range: bytes 0-99/100\r\n", errors.SIZE_MISMATCH,
         "Content-Range: (0, 99, 100)"),
        (b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n", errors.HTTP_STATUS, "HTTP status 404"),
    ):  # fmt: skip
        error = raises_code(code, _receive, _transfer(head + END))
        assert error.detail == name
        assert error.facts == (() if "404" in name else (("field", name.split(":")[0]),))


def test_a_refused_handshake_is_over_with_the_answer_that_was_asked_for():
    """The host that redirects may be the one that did not refuse."""
    transfer = _transfer(b"HTTP/1.1 302 Moved\r\nLocation: /x\r\n" + END + WHOLE)
    transfer.was_refused = True
    assert _receive(transfer) is False and transfer.was_refused
    with recorded_log() as lines:
        assert _receive(transfer) is True and not transfer.was_refused
    assert "TLS refused before" in lines[0]


def test_a_head_that_does_not_come_or_trickles_is_bounded():
    for script, chunk in (([STALL], 1000), ([OK, STALL], 1000), ([OK + b"X: y\r\n" * 99], TRICKLE)):
        with FakeTime() as clock:
            raises_code(errors.TIMEOUT, _receive, _transfer(*script, chunk=chunk, clock=clock))
            assert 5000 <= clock.elapsed_ms <= 5200


def test_wifi_that_drops_while_a_head_is_waited_for():
    transfer = _transfer(STALL)
    transfer.agent.wlan.is_up = False
    raises_code(errors.NO_GOT_IP, _receive, transfer)
