"""Certificates as far as the board looks into them itself: several in one file, and when they end."""

from micropython import const

from . import errors

_MOST = const(8)  # in one file
_EXPLICIT_VERSION = b"\xa0"
_UTC_TIME = const(0x17)  # two digits of the year


def split(data):
    """DER of one certificate after another -> list of them. Raises OtaError(NO_INIT)."""
    found: list[bytes] = []
    start = 0
    while start < len(data):
        _, end = _element(data, start)
        if len(found) == _MOST:
            raise _unusable()
        found.append(data[start:end])
        start = end
    if not found:
        raise _unusable()
    return found


def end_of(certificate):
    """Until when it is valid, as (year, month, day, hour, minute, second) in UTC. Raises OtaError(NO_INIT)
    if it is no certificate."""
    at, _ = _element(certificate, 0)
    at, _ = _element(certificate, at)
    has_version = certificate[at : at + 1] == _EXPLICIT_VERSION
    for _ in range(3 + has_version):  # version, serial number, algorithm, issuer
        _, at = _element(certificate, at)
    at, _ = _element(certificate, at)
    _, at = _element(certificate, at)  # not before
    start, end = _element(certificate, at)
    digits = certificate[start : end - 1]
    if certificate[at] == _UTC_TIME:
        digits = (b"20" if digits < b"5" else b"19") + digits
    if len(digits) != 14 or certificate[end - 1 : end] != b"Z" or not all(0x30 <= digit <= 0x39 for digit in digits):
        raise _unusable()
    numbers = [int(digits[i : i + 2]) for i in range(0, 14, 2)]
    return (numbers[0] * 100 + numbers[1],) + tuple(numbers[2:])


def _element(data, at):
    """Start and end of the content of the DER element at `at`, which must lie within data."""
    if at + 2 > len(data):
        raise _unusable()
    length = data[at + 1]
    start = at + 2
    if length > 0x80:
        count = length - 0x80
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise _unusable()
    return start, start + length


def _unusable():
    return errors.OtaError(errors.NO_INIT, "unusable certificate, DER is expected")
