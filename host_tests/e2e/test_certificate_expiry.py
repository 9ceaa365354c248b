"""Certificates end, boards do not: a second CA is trusted in advance, and the log warns in time."""

from __future__ import annotations

import datetime
import re
import shutil

import checks
import pytest
import steps

from tools.keys import certificates, keyfiles, pki
from tools.testbed.testbed import MAC


@pytest.mark.parametrize("runtime", ["mp32", "cpython"])
def test_the_servers_change_to_another_authority(make_testbed, testbed_folder, tmp_path, runtime):
    """The board has both in its files, and goes on with the certificate that the old one issued."""
    keys = testbed_folder / "keys"
    pki.make_all(keys, [MAC], next_ca=True)
    shutil.copytree(keys / "devices" / MAC, tmp_path / "before")
    old = keyfiles.read_pair(keys, "broker-ca").certificate
    pki.make_all(keys, [MAC], rotate_ca=True)
    assert not certificates.issued_by(keyfiles.read_certificate(keys / "broker.crt.pem"), old)
    shutil.copytree(tmp_path / "before", keys / "devices" / MAC, dirs_exist_ok=True)
    testbed = make_testbed(runtime=runtime)
    steps.online(testbed)
    image, offer = steps.new_offer(testbed)
    steps.update(testbed, offer)
    testbed.board.wait_for("confirmed 1.0.1")
    checks.check_record(testbed, "ota_1", image, "1.0.1")
    assert steps.lines_with(testbed, "renew it") == 0


def test_a_warning_long_before(make_testbed, testbed_folder):
    pki.make_all(testbed_folder / "keys", [MAC], days=80)
    testbed = make_testbed()
    steps.online(testbed)
    (line,) = [line for line in testbed.board.lines if "renew it" in line]  # authorities last longer
    (end,) = re.findall(r"certs/client.crt.der ends on (\d+-\d+-\d+)", line)
    left = datetime.date.fromisoformat(end) - datetime.datetime.now(datetime.timezone.utc).date()
    assert left.days in (79, 80)
