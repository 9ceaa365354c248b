"""A warning long before a certificate of this board expires: nobody can reach it afterwards."""

import time

from micropython import const

from . import clock, connection, errors, files, log

_WARN_S = const(90 * 86400)
_EXPLICIT_VERSION = b"\xa0"
_UTC_TIME = const(0x17)  # two digits of the year


def warn(config):
    """A line in the log for each certificate that expires soon, or cannot be read."""
    soon = time.gmtime(clock.now() + _WARN_S - clock.EPOCH_2000)[:6]
    names = [config.file_ca]
    if config.broker_address[0] == "mqtts":
        names += [config.broker_ca, config.client_cert]
    for name in names:
        try:
            for certificate in connection.certificates(files.read_required(name)):
                end = end_of(certificate)
                if end < soon:
                    log.warning("%s ends on %d-%02d-%02d: renew it" % ((name,) + end[:3]))
        except errors.OtaError as error:
            log.warning("%s: %s" % (name, error.detail))


def end_of(certificate):
    """Until when it is valid, as (year, month, day, hour, minute, second) in UTC. Raises OtaError(NO_INIT)
    if it is not a certificate."""
    element = connection.element
    at, _ = element(certificate, 0)
    at, _ = element(certificate, at)
    has_version = certificate[at : at + 1] == _EXPLICIT_VERSION
    for _ in range(3 + has_version):  # version, serial number, algorithm, issuer
        _, at = element(certificate, at)
    at, _ = element(certificate, at)
    _, at = element(certificate, at)  # not before
    start, end = element(certificate, at)
    digits, zone = certificate[start : end - 1], certificate[end - 1 : end]
    if certificate[at] == _UTC_TIME:
        digits = (b"20" if digits < b"5" else b"19") + digits
    if len(digits) != 14 or zone != b"Z" or not all(0x30 <= digit <= 0x39 for digit in digits):
        raise connection.unusable()
    numbers = [int(digits[i : i + 2]) for i in range(0, 14, 2)]
    return (numbers[0] * 100 + numbers[1],) + tuple(numbers[2:])
