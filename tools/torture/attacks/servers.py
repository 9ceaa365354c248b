"""Attacks by the network: redirects, downgrades, certificates, time."""

from __future__ import annotations

from collections.abc import Iterator

from device import errors
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, attack, control
from tools.torture.attacks.forge import Ground

_SHORT = {"retry_window_s": 20, "http_timeout_s": 5}  # so that a case takes little time
_MEANWHILE_MS = 200_000
_AWAY = ["hostile", "hostile-plain", "plain"]


def redirects(ground: Ground) -> Iterator[Case]:
    """A redirect may lead to another https host whose certificate is good, and nowhere else."""
    places = {
        "http": "http://files/new.img", "hostile-http": "http://hostile/new.img", "upper": "HTTP://hostile/new.img",
        "ftp": "ftp://hostile/new.img", "file": "file:///ota.json", "data": "data:,x", "mqtts": "mqtts://broker/x",
        "relative": "../new.img", "query": "?x=1", "fragment": "#x", "slashes": "//files@hostile/new.img",
        "user": "https://files@hostile/new.img", "password": "https://files:443@mirror/new.img", "empty": "",
        "port-0": "https://mirror:0/", "port": "https://mirror:99999/", "port-text": "https://mirror:4x3/",
        "no-host": "https:///new.img", "space": "https://mirror/a b", "tab": "https://mirror/\ta",
        "backslash": "https://mirror\\@hostile/", "crlf-encoded": "https://mirror/\rGET / HTTP/1.1",
        "long": "https://mirror/" + "x" * 4100, "long-host": "https://" + "m" * 300 + "/", "none": None,
    }  # fmt: skip
    for status in (301, 302, 303, 307, 308):
        yield attack(f"{status}-http", errors.HTTP_STATUS, **_sends("http://hostile/new.img", status))
    for name, place in places.items():
        yield attack(name, errors.HTTP_STATUS, **_sends(place))
    yield attack("certificate", errors.TLS_REFUSED, **_sends("https://hostile/new.img"))
    yield attack("double-slash", errors.TLS_REFUSED, **_sends("//hostile/new.img"))
    yield attack("host", errors.HTTP_STATUS, config={"file_hosts": ["files"]}, **_sends("https://mirror/x"))
    others = {"config": {"file_hosts": ["files", ".mirror"]}, "offer": {"https_url": "https://mirror/x"}}
    yield attack("offered-host", errors.BAD_MESSAGE, unused=["mirror"], untouched=True, **others)
    yield attack(
        "other-name", errors.TLS_REFUSED, untrusted={"mirror": "CN=files"}, **_sends("https://mirror/new.img")
    )
    yield attack("nobody", errors.CONNECTION_FAILED, errors.TIMEOUT, config=_SHORT, ends_ms=_MEANWHILE_MS,
                 **_sends("https://nobody/new.img"))  # fmt: skip
    for name, place in (("loop", "/new.img"), ("loop-absolute", "https://files/new.img")):
        yield attack(name, errors.HTTP_STATUS, max_downloads=11, **_sends(place))
    hop = {"status": 302, "headers": {"Location": "/next"}}
    yield attack("chain-of-11", errors.HTTP_STATUS, files_script=[hop] * 11, untouched=True)
    yield attack(
        "then-http",
        errors.HTTP_STATUS,
        files_script=[hop, _sends("http://hostile/x")["answer"]],
        unused=_AWAY,
    )
    yield control("chain-of-10", files_script=[hop] * 10)
    for name, place in _GOOD_PLACES.items():
        yield control(name, files_script=[_sends(place)["answer"]])
    mirror = [_sends("//mirror/x")["answer"]]
    yield control("hosts", config={"file_hosts": ["Files", "mirror"]}, files_script=mirror)
    yield control("path", files_script=[_sends("/elsewhere?token=1")["answer"]])
    there = [_sends("https://mirror/x")["answer"]]
    yield control("http-to-https", offer=_plain("http://files/new.img"), plain_script=there)


_GOOD_PLACES = {
    "other-host": "https://mirror/new.img", "upper-case": "HTTPS://mirror/new.img",
    "no-scheme": "//mirror/new.img", "dots": "a/./../b/../new.img#x", "another-query": "?token=1",
    "presigned": "https://mirror/x?" + "y" * 1900,
}  # fmt: skip


def _sends(place: str | None, status: int = 302) -> Case:
    answer = {"status": status, "headers": {"Location": place}}
    return {"answer": answer, "unused": _AWAY, "untouched": True}


def _plain(address: str) -> Case:
    return {"http_url": address, "https_url": "absent"}


def downgrades(ground: Ground) -> Iterator[Case]:
    """Where https is offered, http is never asked, whatever becomes of https."""
    both = {"offer": {"http_url": "http://files/new.img"}, "unused": _AWAY, "untouched": True,
            "config": _SHORT, "ends_ms": _MEANWHILE_MS}  # fmt: skip
    for kind in ("refuse", "dns", "cut", "reset", "stall", "garbage", "trickle"):
        trouble = {"peer": "files", "nth": None, "kind": kind, "at": 0}
        yield attack(kind, errors.CONNECTION_FAILED, errors.TIMEOUT, net=[trouble], **both)
    for status in (400, 403, 404, 426, 500, 503):
        yield attack(status, errors.HTTP_STATUS, answer={"status": status}, **both)
    for name, problem in _PROBLEMS.items():
        yield attack(name, errors.TLS_REFUSED, untrusted={"files": problem}, **both)
    for name, url in _NO_HTTPS.items():
        yield attack(f"url-{name}", errors.BAD_MESSAGE, offer={"https_url": url}, unused=_AWAY,
                     untouched=True)  # fmt: skip
    yield control("bad-http-beside", offer={"http_url": "https://files/x"})  # which nobody uses
    yield control("https-of-both", offer={"http_url": "http://files/new.img"}, unused=_AWAY)
    yield control("http-only", offer=_plain("http://files/new.img"))


_NO_HTTPS = {
    "http": "http://files/new.img", "none": "files/new.img", "case": "HTTPS://files/new.img",
    "slashes": "https:/files/new.img", "user": "https://a:b@files/new.img", "ftp": "ftp://files/x",
    "crlf": "https://files/x\r\nHost: hostile", "space": "https://files/a b", "empty": "", "null": None,
    "number": 443, "unicode": "https://fil\u0435s/new.img",
}  # fmt: skip
_PROBLEMS = {
    "expired": "The certificate validity has expired",
    "not-yet": "The certificate validity starts in the future",
    "other-ca": "The certificate is not correctly signed by the trusted CA",
    "other-name": "CN=hostile",
}


def certificates(ground: Ground) -> Iterator[Case]:
    """Certificates that do not hold, of the file server and of the broker; a handshake that breaks."""
    for name, problem in _PROBLEMS.items():
        yield attack(f"files-{name}", errors.TLS_REFUSED, untrusted={"files": problem}, untouched=True)
        yield attack(f"broker-{name}", untrusted={"broker": problem}, **_offline())
    for at in range(0, 40, 7):
        for kind in ("garbage", "reset", "cut"):
            trouble = {"peer": "broker", "nth": None, "kind": kind, "at": at}
            yield attack(f"broker-{kind}-{at}", net=[trouble], **_offline())
    yield control("valid", certificate=[cases.NOW - cases.DAY_S, cases.NOW + cases.DAY_S])


def _offline() -> Case:
    """The attack holds from the first boot on: the board must not get as far as a subscription."""
    return {"untouched": True, "ends_ms": 60_000}


def times(ground: Ground) -> Iterator[Case]:
    """NTP lies for ten minutes; certificates go by the clock that the board makes of it. No lie may let an
    expired certificate in, nor lock the board out for longer than it lasts, and an hour."""
    year = 365 * cases.DAY_S
    validity = [cases.NOW - year, cases.NOW + 10 * year]
    lies = {"day-ahead": cases.DAY_S, "day-behind": -cases.DAY_S, "30-years-behind": -30 * year}
    lies |= {"zero": "zero", "dead": "dead", "19-years-ahead": 19 * year, "30-years-ahead": 30 * year}
    for name, lie in lies.items():
        yield attack(name, ntp=lie, certificate=validity, pushes=0, **_lasting()) | {"silent": False}
    expired = [cases.NOW - year, cases.NOW - 9 * cases.DAY_S]
    known = {"known_time": cases.NOW - cases.DAY_S}  # the board was online then
    for name, lie in (("dead", "dead"), ("30-years", -30 * year), ("after-the-build", -10 * cases.DAY_S)):
        yield attack(f"expired-{name}", ntp=lie, state=known, attack_certificate=expired, **_lasting()) | {
            "silent": False
        }
    signed: Case = {"config": {"require_signed_offer": True}, "valid": "signed-offer"}
    for years in (1, 5):  # by that clock what the owner signs is over; then the broker's time is a witness
        lasting: Case = {"certificate": validity, "pushes": 0, **signed, **_lasting()}
        yield attack(f"{years}-years-ahead-signed", ntp=years * year, **lasting) | {"silent": False}
    yield control("right", certificate=validity)


def _lasting() -> Case:
    return {"ends_ms": 10 * cases.MINUTE_MS, "watches": True, "naps_ms": 200, "untouched": True}
