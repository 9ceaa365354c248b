"""device.expiry: a warning in time, for each certificate of the board."""

import os

from check import patched, recorded_log, settings
from makecert import certificate

from device import clock, expiry, files

END = 1829088000  # 2027-12-18 00:00:00
DAY = 86400


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
    assert "ca.der ends in 89 days" in lines[0] and "client.der ends in 89 days" in lines[1]
    assert "ends in -1 days" in _warnings(END + 1)[0]
    assert _warnings(END, "mqtt://broker") == []


def test_a_certificate_that_cannot_be_read_is_a_warning_too():
    for name in ("ca.der", "file.der"):
        files.write(name, b"nonsense")
    if "client.der" in os.listdir():
        os.remove("client.der")
    lines = _warnings(END)
    assert len(lines) == 3, lines
    assert all(line.startswith("W/ota") for line in lines)
