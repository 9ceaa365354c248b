"""device.expiry: when a certificate expires, and a warning in time for each one of the board."""

import os

from check import patched, raises_code, recorded_log, settings
from makecert import certificate, der

from device import clock, errors, expiry, files

END = 1829088000  # 2027-12-18 00:00:00
DAY = 86400


def test_when_it_ends():
    assert expiry.end_of(certificate()) == (2027, 12, 18, 0, 0, 0)
    assert expiry.end_of(certificate(version=False)) == (2027, 12, 18, 0, 0, 0)
    assert expiry.end_of(certificate(filler=3)) == (2027, 12, 18, 0, 0, 0)
    assert expiry.end_of(certificate(b"20271218000000Z", 0x18)) == (2027, 12, 18, 0, 0, 0)
    assert expiry.end_of(certificate(b"491231235959Z")) == (2049, 12, 31, 23, 59, 59)
    assert expiry.end_of(certificate(b"500101000000Z")) == (1950, 1, 1, 0, 0, 0)
    assert expiry.end_of(certificate(b"20500101000000Z", 0x18)) == (2050, 1, 1, 0, 0, 0)


def test_what_is_cut_off_or_has_no_end():
    whole = certificate()
    for length in range(0, len(whole) - 390):  # as far as the end of validity
        raises_code(errors.NO_INIT, expiry.end_of, whole[:length])
    for end in (b"", b"Z", b"x71218000000Z", b"2712180000Z", b"27121800000+1Z", b"271218000000+0100"):
        raises_code(errors.NO_INIT, expiry.end_of, certificate(end))
    raises_code(errors.NO_INIT, expiry.end_of, der(0x30, b""))
    raises_code(errors.NO_INIT, expiry.end_of, der(0x30, der(0x30, b"")))


def _warnings(unix_s, broker="mqtts://broker"):
    config = settings(broker=broker, broker_ca="ca.der", file_ca="file.der", client_cert="client.der")
    with recorded_log() as lines, patched(clock, "now", lambda: unix_s):
        expiry.warn(config)
    return lines


def test_a_warning_90_days_before_the_end():
    files.write("ca.der", certificate(b"300101000000Z") + certificate())
    files.write("file.der", certificate(b"300101000000Z"))
    files.write("client.der", certificate())
    assert _warnings(END - 91 * DAY) == []
    lines = _warnings(END - 90 * DAY + 1)
    assert len(lines) == 2, lines
    assert "ca.der ends on 2027-12-18" in lines[0] and "client.der ends on 2027-12-18" in lines[1]
    assert "ends on 2027-12-18" in _warnings(END + 1)[0]
    assert _warnings(END, "mqtt://broker") == []


def test_a_certificate_that_cannot_be_read_is_a_warning_too():
    for name in ("ca.der", "file.der"):
        files.write(name, b"nonsense")
    if "client.der" in os.listdir():
        os.remove("client.der")
    lines = _warnings(END)
    assert len(lines) == 3, lines
    assert all(line.startswith("W/ota") for line in lines)
