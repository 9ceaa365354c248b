"""Certificates of boards that count no more: a list (CRL) of each authority that has issued any, in one file.

A broker that asks for lists needs one of every authority it trusts, and one that has run out locks out all
boards. So each authority has its list from the start, empty; none ever runs out; and none begins in the
future by a clock that was set back: a list begins as many seconds after its authority as its number says.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.errors import ToolError
from tools.keys import certificates, keyfiles

LISTS = "revoked.crl.pem"
NEVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
_MARK = b"-----BEGIN X509 CRL-----"

Revoked = Sequence[x509.Certificate]
KeyOf = Callable[[x509.Certificate], ec.EllipticCurvePrivateKey]


def renew(content: bytes, authorities: Iterable[x509.Certificate], revoked: Revoked, key_of: KeyOf) -> bytes:
    """The file with a list of each authority, which holds what it held and `revoked`.

    content: of the file before, may be empty. key_of(certificate): asked only for a list that changes. Raises
    ToolError for a key that is not there.
    """
    before = parse(content)
    lists = []
    for ca in authorities:
        known = [one for one in before if one.is_signature_valid(_public(ca))]
        serials = {entry.serial_number for one in known for entry in one}
        added = {one.serial_number for one in revoked if certificates.issued_by(one, ca)} - serials
        lasting = [one for one in known if one.next_update_utc and one.next_update_utc.year == NEVER.year]
        if lasting and not added:
            lists.append(lasting[0])
        else:
            number = max(map(_number, known), default=0) + 1
            lists.append(_sign(ca, key_of(ca), number, sorted(serials | added)))
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in lists)


def parse(content: bytes) -> list[x509.CertificateRevocationList]:
    """Raises ValueError."""
    return [x509.load_pem_x509_crl(_MARK + part) for part in content.split(_MARK)[1:]]


def revoked_devices(keys: Path) -> set[str]:
    """MACs, from a server's folder: boards whose newest certificate is on a list. Raises ToolError."""
    path = keys / LISTS
    if not path.exists():
        return set()
    try:
        serials = {entry.serial_number for one in parse(path.read_bytes()) for entry in one}
    except ValueError as error:
        raise ToolError(f"cannot read the revoked certificates in {path}: {error}") from None
    if not serials:
        return set()
    found = set()
    for path in keys.glob("devices/*.crt.der"):
        with contextlib.suppress(ToolError, OSError):  # half of a file: it is read when it is whole
            if keyfiles.read_certificate(path).serial_number in serials:
                found.add(path.name.split(".")[0])
    return found


def _sign(
    ca: x509.Certificate, key: ec.EllipticCurvePrivateKey, number: int, serials: list[int]
) -> x509.CertificateRevocationList:
    begin = ca.not_valid_before_utc + datetime.timedelta(seconds=number)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(ca))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(begin)
        .next_update(NEVER)
        .add_extension(identifier, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256())


def _number(one: x509.CertificateRevocationList) -> int:
    """0 for a list of another program that has none."""
    try:
        return int(one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    except x509.ExtensionNotFound:
        return 0


def _public(ca: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = ca.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key
