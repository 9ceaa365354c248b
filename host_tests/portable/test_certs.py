"""device.certs: several certificates in one file, when each ends, and what is none."""

from check import raises_code
from makecert import certificate, der

from device import certs, errors

PROVES = {errors.NO_INIT: "test_what_is_no_certificate"}

def test_when_it_ends():
    assert certs.end_of(certificate()) == (2027, 12, 18, 0, 0, 0)
    assert certs.end_of(certificate(version=False)) == (2027, 12, 18, 0, 0, 0)
    assert certs.end_of(certificate(filler=3)) == (2027, 12, 18, 0, 0, 0)
    assert certs.end_of(certificate(b"20271218000000Z", 0x18)) == (2027, 12, 18, 0, 0, 0)
    assert certs.end_of(certificate(b"491231235959Z")) == (2049, 12, 31, 23, 59, 59)
    assert certs.end_of(certificate(b"500101000000Z")) == (1950, 1, 1, 0, 0, 0)
    assert certs.end_of(certificate(b"20500101000000Z", 0x18)) == (2050, 1, 1, 0, 0, 0)


def test_several_in_one_file():
    one, two = certificate(), certificate(filler=900)
    assert certs.split(one) == [one]
    assert certs.split(one + two + one) == [one, two, one]
    assert len(certs.split(one * 8)) == 8
    raises_code(errors.NO_INIT, certs.split, one * 9)


def test_what_is_no_certificate():
    whole = certificate()
    for data in (b"", b"0", whole[:-1], whole + b"x", whole + b"\x30\x05", b"-----BEGIN CERTIFICATE-----"):
        raises_code(errors.NO_INIT, certs.split, data)
    for length in range(0, len(whole) - 390):  # as far as the end of validity
        raises_code(errors.NO_INIT, certs.end_of, whole[:length])
    for end in (b"", b"Z", b"x71218000000Z", b"2712180000Z", b"27121800000+1Z", b"271218000000+0100"):
        raises_code(errors.NO_INIT, certs.end_of, certificate(end))
    raises_code(errors.NO_INIT, certs.end_of, der(0x30, b""))
    raises_code(errors.NO_INIT, certs.end_of, der(0x30, der(0x30, b"")))
