"""Checks of a board's identity: configuration, certificates, keys; then of the servers that it reaches."""

from __future__ import annotations

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device import errors
from tools.keys import certificates, keytable
from tools.realboard.examination import Facts
from tools.realboard.findings import BAD, OK, Finding, bad, ok, skip, warn

SOON = datetime.timedelta(days=90)
CLOCK_LIMIT_S = 120
NO_CONFIG = "no valid configuration"
PROVISION = "run `python3 -m tools provision`"
NEXT_CA = 'bring the next one in time: tools/keys/README.md, "Certificates end"'
RENEW = "make it anew: delete both files in keys/devices/<MAC>, then run `python3 -m tools provision`"


def configuration(facts: Facts) -> Finding:
    if facts.config_text is None:
        return bad("no ota.json", PROVISION)
    if facts.config is None:
        return skip("the package checks it, and is not on the board")
    if not facts.settings:
        cure = "correct ota.json (table in device/CONFIGURATION.md), then `deploy --config ota.json`"
        return bad(_said(facts.config), cure)
    return ok(f"board {facts.settings['board']!r}, broker {facts.settings['broker']}")


def broker_ca(facts: Facts) -> Finding:
    return _authority(facts, "broker_ca")


def file_ca(facts: Facts) -> Finding:
    return _authority(facts, "file_ca")


def client_certificate(facts: Facts) -> Finding:
    if not facts.settings:
        return skip(NO_CONFIG)
    found = _load(facts, "client_cert", _first_certificate)
    if isinstance(found, Finding):
        return found
    name = certificates.common_name(found)
    if name != facts.mac:
        return bad(f"is for {name}, this board is {facts.mac}", PROVISION)
    return _dates(found, f"for {name}", RENEW)


def client_key(facts: Facts) -> Finding:
    """A key that does not match loads without an error on the board."""
    if not facts.settings:
        return skip(NO_CONFIG)
    key = _load(facts, "client_key", lambda data: serialization.load_der_private_key(data, None))
    if isinstance(key, Finding):
        return key
    public = _load(facts, "client_cert", lambda data: _first_certificate(data).public_key())
    if isinstance(public, Finding):
        return skip("no certificate to compare it with")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or public != key.public_key():
        return bad("is not the key of the certificate", RENEW)
    return ok("matches the certificate")


def signing_key(facts: Facts) -> Finding:
    if not facts.settings:
        return skip(NO_CONFIG)
    found = _load(facts, "signing_key", keytable.public)
    return found if isinstance(found, Finding) else ok("EC P-256")


def wifi(facts: Facts) -> Finding:
    if facts.wifi is None:
        return skip(NO_CONFIG)
    if "ok" in facts.wifi:
        return ok(f"joined, address {facts.wifi['ok']}")
    assert facts.settings
    names = ", ".join(repr(name) for name, _ in facts.settings["wifi"])
    return bad(f"cannot join {names}", "check name and password in ota.json; ESP32 hears 2.4 GHz only")


def time_servers(facts: Facts) -> Finding:
    if not facts.times:
        return skip("no network")
    answers = [(host, value) for host, value in facts.times if isinstance(value, int)]
    if not answers:
        return bad(f"no answer from {', '.join(host for host, _ in facts.times)}",
                   "let UDP port 123 through, or name your own NTP server in `ntp_hosts`")  # fmt: skip
    wrong = [host for host, value in answers if abs(value - facts.host_time) > CLOCK_LIMIT_S]
    if wrong:
        return bad(f"{', '.join(wrong)} has another time than this computer",
                   "correct the one that is wrong; `ntp_hosts` names the servers")  # fmt: skip
    return ok(", ".join(host for host, _ in answers))


def broker(facts: Facts) -> Finding:
    if facts.broker is None:
        return skip("no network")
    assert facts.settings
    name = facts.settings["broker"]
    if "ok" in facts.broker:
        return ok(f"{name} takes this board")
    if facts.broker["code"] == errors.TLS_REFUSED:
        return bad(
            f"{name}: TLS refused ({facts.broker['detail']})",
            "broker and board must come from the same keys folder, and the broker's certificate must name the"
            " host that the board uses: `keys DIR --server-name HOST`",
        )
    cure = "start the broker, check host, port and firewall (it must listen on more than localhost)"
    return bad(f"{name}: {facts.broker['detail']}", cure)


def offer(facts: Facts) -> Finding:
    if facts.offer is None:
        return bad("cannot be checked", "first cure the lines above")
    if "ok" in facts.offer:
        return ok(f"{facts.offer['ok']} would be taken, and downloaded; the image is verified after that")
    return bad(f"would be refused: {_said(facts.offer)}", "see the errors in device/CONFIGURATION.md")


IDENTITY = (
    ("configuration", configuration),
    ("broker's CA", broker_ca),
    ("file server's CA", file_ca),
    ("certificate", client_certificate),
    ("private key", client_key),
    ("signing key", signing_key),
)
SERVERS = (
    ("Wi-Fi", wifi),
    ("NTP", time_servers),
    ("broker", broker),
)


def _said(answer: dict[str, Any]) -> str:
    return f"{answer['code']} {answer['detail']}" if answer["code"] else answer["detail"]


def _load(facts: Facts, key: str, parse: Any) -> Any:
    """What is in the file that this key of the configuration names, or a Finding."""
    assert facts.settings
    path = facts.settings[key]
    data = facts.files[key]
    if data is None:
        return bad(f"cannot read {path}", PROVISION)
    try:
        return parse(data)
    except Exception:  # the library has a dozen ways to say "not what I know"
        return bad(f"{path} is damaged, or not DER", PROVISION)


def _authority(facts: Facts, key: str) -> Finding:
    if not facts.settings:
        return skip(NO_CONFIG)
    found = _load(facts, key, certificates.parse)
    if isinstance(found, Finding):
        return found
    each = [_dates(one, certificates.common_name(one), NEXT_CA) for one in found]
    good = [one for one in each if one.level != BAD]
    if not good:
        return each[0]
    # One that has ended beside one that counts is no fault: the board trusts whichever signed the server's.
    worst = min(good, key=lambda one: one.level == OK)
    return worst._replace(text="; ".join(one.text for one in each))


def _first_certificate(data: bytes) -> x509.Certificate:
    return certificates.parse(data)[0]


def _dates(certificate: x509.Certificate, what: str, cure: str) -> Finding:
    now = certificates.now()
    end = certificate.not_valid_after_utc
    if end < now:
        return bad(f"{what}, expired on {end:%Y-%m-%d}", cure)
    if certificate.not_valid_before_utc > now:
        return bad(f"{what}, not valid before {certificate.not_valid_before_utc:%Y-%m-%d}", cure)
    if end - now < SOON:
        return warn(f"{what}, ends on {end:%Y-%m-%d}", cure)
    return ok(f"{what}, until {end:%Y-%m-%d}")
