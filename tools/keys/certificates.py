"""X.509 certificates and keys on curve P-256: makes authorities and what they issue, in memory."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.errors import ToolError

DAY = datetime.timedelta(days=1)
PURPOSES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}


class Validity(NamedTuple):
    """From when to when a certificate is valid, both in UTC."""

    not_before: datetime.datetime
    not_after: datetime.datetime


class Pair(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def valid_for(days: int) -> Validity:
    """From yesterday, because a board's clock may lag, to `days` from now."""
    return Validity(now() - DAY, now() + days * DAY)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def make_ca(name: str, validity: Validity) -> Pair:
    """A self-signed authority that may issue certificates but no further authorities."""
    key = new_key()
    builder = _builder(name, name, key, key.public_key(), validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(
    ca: Pair | None, name: str, purpose: str, validity: Validity, hosts: Sequence[str] = ()
) -> Pair:
    """A certificate of `ca` (None: signed by itself) with the common name `name`.

    purpose: "server" or "client". hosts: DNS names and IP addresses it is valid for. It ends with
    its authority at the latest. Raises ToolError for a host that is neither name nor address.
    """
    key = new_key()
    issuer, issuer_key = name, key
    if ca:
        issuer, issuer_key = common_name(ca.certificate), ca.key
        end = min(validity.not_after, ca.certificate.not_valid_after_utc)
        validity = Validity(validity.not_before, end)
    builder = _builder(name, issuer, issuer_key, key.public_key(), validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([PURPOSES[purpose]]), critical=False)
    if hosts:
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return Pair(builder.sign(issuer_key, hashes.SHA256()), key)


def parse(content: bytes) -> list[x509.Certificate]:
    """All certificates of a file, one or more: PEM, or DER one behind the other. Raises ValueError."""
    if content.lstrip().startswith(b"-----"):
        return x509.load_pem_x509_certificates(content)
    found: list[x509.Certificate] = []
    while content or not found:
        size = _der_size(content)
        found.append(x509.load_der_x509_certificate(content[:size]))
        content = content[size:]
    return found


def _der_size(content: bytes) -> int:
    """Bytes of the first DER value, its head included."""
    if len(content) < 2:
        raise ValueError("cut off")
    if content[1] < 0x80:
        return 2 + content[1]
    end = 2 + (content[1] & 0x7F)
    return end + int.from_bytes(content[2:end], "big")


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """The DNS names and IP addresses a server certificate is valid for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def common_name(certificate: x509.Certificate) -> str:
    """Of its subject; the whole of that, as text, where there is none, as with some authorities."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def matches(pair: Pair) -> bool:
    """Whether the key is the certificate's own."""
    return pair.certificate.public_key() == pair.key.public_key()


def issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # the library raises ValueError, TypeError or InvalidSignature
        return False
    return True


def _builder(
    subject: str,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    public_key: ec.EllipticCurvePublicKey,
    validity: Validity,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(identifier, critical=False)
        .add_extension(authority, critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if text.isascii() and text.replace("-", "").replace(".", "").isalnum():
        return x509.DNSName(text)
    raise ToolError(f"{text!r} is neither a host name nor an IP address: correct --server-name")


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
