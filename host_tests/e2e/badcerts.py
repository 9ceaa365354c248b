"""Server certificates that are wrong in one way each, and the two names a right one can have."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tools.keys import certificates
from tools.keys.certificates import DAY, Pair, Validity

NAME, ADDRESS = "localhost", "127.0.0.1"  # the same server


def good(ca: Pair, *hosts: str) -> Pair:
    return certificates.issue(ca, "server", "server", certificates.valid_for(9), hosts)


def shifted(ca: Pair | None, first: int, last: int, purpose: str = "server", name: str = NAME) -> Pair:
    """Valid from `first` to `last` days from now."""
    validity = Validity(certificates.now() + first * DAY, certificates.now() + last * DAY)
    return certificates.issue(ca, name, purpose, validity, [NAME, ADDRESS])


def other_ca(ca: Pair) -> Pair:
    """Another authority of the same name."""
    return certificates.make_ca(certificates.common_name(ca.certificate), certificates.valid_for(9))


def unreadable(ca: Pair) -> Pair:
    """With a critical extension that nobody knows: mbedtls does not even parse it."""
    pair = good(ca, NAME)
    told = pair.certificate
    builder = x509.CertificateBuilder(
        told.issuer, told.subject, pair.key.public_key(), told.serial_number,
        told.not_valid_before_utc, told.not_valid_after_utc, list(told.extensions),
    )  # fmt: skip
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    return Pair(builder.add_extension(unknown, critical=True).sign(ca.key, hashes.SHA256()), pair.key)


# How: (the host that a board has in its URL, the certificate of the server that it finds there).
BAD = {
    "unknown CA": (NAME, lambda ca: good(certificates.make_ca("some CA", certificates.valid_for(9)), NAME)),
    "other CA of that name": (NAME, lambda ca: good(other_ca(ca), NAME)),
    "self-signed": (NAME, lambda ca: shifted(None, -1, 9)),
    "expired": (NAME, lambda ca: shifted(ca, -9, -1)),
    "not yet valid": (NAME, lambda ca: shifted(ca, 2, 9)),
    "wrong DNS name": (NAME, lambda ca: good(ca, ADDRESS, "example.org", "a.localhost", "localhost.org")),
    "wrong IP address": (ADDRESS, lambda ca: good(ca, NAME, "127.0.0.2", "example.org")),
    "unknown critical extension": (NAME, unreadable),
    "for clients": (NAME, lambda ca: shifted(ca, -1, 9, "client")),
}
# (interpreter, what): all on the one nearest to a board, some on the others.
CASES = [
    *(("mp32", what) for what in BAD),
    ("mp64", "other CA of that name"),
    ("cpython", "other CA of that name"),
    ("cpython", "wrong IP address"),
]
