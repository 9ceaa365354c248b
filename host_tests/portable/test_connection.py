"""device.certs: several certificates in one file, when each ends, and what is none."""

from check import raises_code
from makecert import certificate, der

from device import certs, errors

PROVES = {errors.NO_INIT: "test_what_is_no_certificate"}

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
