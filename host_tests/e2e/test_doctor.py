"""`doctor` by real mpremote: nothing red on a good board, and one red line with its cure for each fault."""

from __future__ import annotations

import datetime
import json
import shutil
import time
from pathlib import Path

from e2e.test_commands import tools

from device import errors
from tools.commands import doctor
from tools.keys import certificates, keyfiles
from tools.keys.certificates import Validity
from tools.realboard import checks_board, findings
from tools.realboard.examination import examine
from tools.realboard.session import Session
from tools.testbed.testbed import MAC

UNFINISHED = {"package", "start", "configuration"}  # what is red before `deploy`


def red_lines(testbed, offer: dict | None = None) -> dict[str, findings.Finding]:
    """What is red, by the name of the check; all of it must come with a cure."""
    text = None if offer is None else json.dumps(offer)
    with Session(testbed.board.url) as board:
        found = doctor.diagnose(examine(board, text), offer is not None)
    red = {name: finding for name, finding in found if finding.level == findings.BAD}
    assert all(finding.cure for finding in red.values())
    return red


def bring(testbed, tmp_path: Path, **files: bytes) -> None:
    """Deploy the board's own certificates with these instead of theirs (client_key=… for client.key.der)."""
    folder = tmp_path / "certs"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(testbed.keys / "devices" / MAC, folder)
    (folder / "ota.json").unlink()
    for name, content in files.items():
        (folder / f"{name.replace('_', '.')}.der").write_bytes(content)
    testbed.deploy("--certs", folder)


def test_from_the_shop_to_all_green(make_unprovisioned):
    testbed = make_unprovisioned()
    shown = tools("doctor", testbed.board.url, code=1)
    assert "the package `device` is not on the board" in shown and "3 to cure" in shown
    testbed.provision()
    testbed.wait_report("INIT")
    shown = tools("doctor", testbed.board.url)
    assert "nothing stands in the way of updates" in shown and "BAD" not in shown
    assert "takes this board" in shown and "joined, address" in shown


def test_one_red_line_for_each_fault(make_unprovisioned, tmp_path: Path):
    testbed = make_unprovisioned()
    testbed.provision()
    testbed.wait_report("INIT")

    key = certificates.new_key()
    bring(testbed, tmp_path, client_key=keyfiles.key_bytes(key, "der"))
    red = red_lines(testbed)
    assert set(red) - {"broker"} == {"private key"}  # the broker cannot take it either

    past = certificates.now() - datetime.timedelta(days=9)
    ca = keyfiles.read_pair(testbed.keys, "broker-ca")
    old = certificates.issue(ca, MAC, "client", Validity(past - datetime.timedelta(days=1), past))
    files = {"client_crt": _der(old), "client_key": keyfiles.key_bytes(old.key, "der")}
    bring(testbed, tmp_path, **files)
    red = red_lines(testbed)
    assert set(red) - {"broker"} == {"certificate"} and "expired on" in red["certificate"].text
    other = certificates.make_ca("OTA broker CA", certificates.valid_for(30))
    (folder := tmp_path / "other").mkdir()
    (folder / "broker_ca.der").write_bytes(_der(other))
    bring(testbed, tmp_path)
    testbed.deploy("--certs", folder)
    red = red_lines(testbed)
    assert set(red) == {"broker"} and "TLS refused" in red["broker"].text


def _der(pair) -> bytes:
    return pair.certificate.public_bytes(keyfiles.ENCODINGS["der"])


def test_faults_of_the_board_itself(make_unprovisioned):
    """Before anything is on it, but for what deploy brings."""
    testbed = make_unprovisioned(umqtt=False)
    assert set(red_lines(testbed)) - UNFINISHED == {"umqtt.simple"}
    testbed.restart(umqtt=True, version=[1, 20, 0])
    red = red_lines(testbed)
    assert set(red) - UNFINISHED == {"MicroPython"} and "1.20.0" in red["MicroPython"].text
    testbed.restart(version=None, clock=int(time.time()) - 3 * 3600)
    red = red_lines(testbed)
    assert set(red) - UNFINISHED == {"clock"} and "3.0 h behind" in red["clock"].text
    testbed.restart(clock=None)
    assert set(red_lines(testbed)) == UNFINISHED


def test_the_memory_that_the_board_tells_of(make_unprovisioned):
    testbed = make_unprovisioned()
    for free, words in ((400_000, "both connections"), (20_000, "too little")):
        testbed.restart(idf_heap=[[free, free, free, free], [240, 4, 0, 4]])
        with Session(testbed.board.url) as board:
            finding = checks_board.heap(examine(board, None))
        assert words in finding.text and f"ESP-IDF has {free // 1000} KB" in finding.text


def test_a_board_with_one_slot(make_unprovisioned):
    testbed = make_unprovisioned(boot_mode="factory")
    red = red_lines(testbed)
    assert set(red) == UNFINISHED | {"slots"}
    assert "no second slot" in red["slots"].text and "OTA variant" in red["slots"].cure
    shown = tools("provision", testbed.board.url, *testbed.settings(), code=1)
    assert "no second slot" in shown and "OTA variant" in shown and "286DCE32AF70" not in shown


def test_would_it_take_this_offer(make_unprovisioned, tmp_path: Path):
    """Asked without writing to the board's flash."""
    testbed = make_unprovisioned()
    testbed.provision()
    testbed.wait_report("INIT")
    good = testbed.offer(testbed.build("1.0.1"), "1.0.1")
    path = tmp_path / "offer.json"
    path.write_text(json.dumps({name: good[name] for name in good if name != "https_url"}))  # as for `push`
    before = testbed.board.slot("ota_1")
    shown = tools("doctor", testbed.board.url, "--offer", path)
    assert "1.0.1 would be taken" in shown
    refused = {
        str(errors.SAME_VERSION): good | {"version": "0.0.0"},
        str(errors.FW_OVERFLOW): good | {"size": 0x100001},
        str(errors.BAD_MESSAGE): good | {"https_url": "ftp://x/y"},
    }
    for code, offer in refused.items():
        red = red_lines(testbed, offer)
        assert set(red) == {"offer"} and code in red["offer"].text
    assert testbed.board.slot("ota_1") == before
    testbed.board.cut_power()
    assert not testbed.board.state().get("waiting")
