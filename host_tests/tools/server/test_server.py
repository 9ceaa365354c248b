"""`serve` as a process: several of them, what is left when one is killed, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pace
import pytest
from pace import until
from pushing import opened, push

from tools.bench import swarm
from tools.cli import interrupts
from tools.errors import ToolError
from tools.keys import certificates, keyfiles
from tools.programs import cache
from tools.server import pushes, view
from tools.server.files import FileServer
from tools.testbed.served import Served

MANY = [f"286DCE{number:06X}" for number in range(50)]
MACS = MANY[:3]
WAIT_S = pace.HANG_S

# Several servers, and what a killed one leaves


def answered(served: Served) -> dict[str, int]:
    with opened(served) as store:
        return {server["name"]: server["answered"] for server in view.fleet(store)["servers"]}


def state_of(served: Served, mac: str) -> tuple[str, int]:
    with opened(served) as store:
        rows = {row["mac"]: row for row in view.devices(store, time.time())}
    return rows[mac]["state"], rows[mac]["progress"]


QUESTIONS = 30  # of each board


def test_two_servers_share_the_questions_and_one_may_die(
    given: Path, keys: Path, tmp_path: Path, image: bytes, offer: dict
) -> None:
    """The leader is killed under load, its broker goes on: each board is answered, some when they repeat."""
    askers = swarm.certify(keys, MANY, tmp_path / "clients")
    with Served(tmp_path / "server", given) as first:
        broker = f"--broker=mqtts://localhost:{first.servers_port}"
        with Served(tmp_path / "server", given, broker) as second:
            with opened(first) as store:
                pushes.add_devices(store, dict.fromkeys(MANY, time.time()))
            push(first, image, offer, MANY)
            asyncio.run(_ask_while_one_dies(askers, first))  # after both have written down some answers
            until(lambda: state_of(second, MACS[0]) == ("confirmed", 100), "the other one takes reports")
            counts = answered(second)
            assert set(counts) == {"ota-server-1", "ota-server-2"} and min(counts.values()) > 20, counts


async def _ask_while_one_dies(askers: list[swarm.Asker], first: Served) -> None:
    await swarm.connect_all(askers, first.mqtt_port)
    asking = [asyncio.create_task(asker.ask(QUESTIONS, 2, 0.1)) for asker in askers]
    while len(counts := answered(first)) < 2 or min(counts.values()) <= 20:
        assert not all(task.done() for task in asking), counts
        await asyncio.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    await asyncio.wait_for(asyncio.gather(*asking), WAIT_S)
    assert all(asker.answered == QUESTIONS for asker in askers)
    askers[0].say("progress/report", {"state": "confirmed", "version": "1.0.1"})
    await asyncio.wait_for(askers[0].heard(), WAIT_S)
    await asyncio.gather(*(asker.close() for asker in askers))


def test_killed_and_started_again_it_knows_what_was_said_meanwhile(
    given: Path, keys: Path, tmp_path: Path, image: bytes, offer: dict
) -> None:
    (board,) = swarm.certify(keys, MACS[:1], tmp_path / "clients")
    with Served(tmp_path / "server", given) as served:
        token = served.page.partition("#")[2]
        push(served, image, offer, MACS[:1])
        until(lambda: state_of(served, board.mac) == ("offered", 0), "offered")
        asyncio.run(_report_to_nobody(board, served))
        assert state_of(served, board.mac) == ("offered", 0)
        served.start()
        until(lambda: state_of(served, board.mac) == ("downloading", 50), "what the broker had kept")
        assert served.page.partition("#")[2] == token


async def _report_to_nobody(board: swarm.Asker, served: Served) -> None:
    port = served.mqtt_port
    served.end(signal.SIGKILL)
    await board.connect(port)
    board.say("progress/report", {"progress": 50})
    await asyncio.wait_for(board.heard(), WAIT_S)
    await board.close()


def test_a_board_that_was_away_finds_its_offer_at_the_broker(
    given: Path, keys: Path, tmp_path: Path, image: bytes, offer: dict
) -> None:
    (board,) = swarm.certify(keys, MACS[:1], tmp_path / "clients")
    board.lasting = True
    with Served(tmp_path / "server", given) as served:
        asyncio.run(_once_there(board, served.mqtt_port))
        push(served, image, offer, MACS[:1])
        until(lambda: state_of(served, board.mac) == ("offered", 0), "offered")
        asyncio.run(_once_there(board, served.mqtt_port))
        (got,) = board.offers
        assert got["version"] == "1.0.1" and got["https_url"].startswith(served.images["https"])
        assert got["https_url"].endswith(f"?device={board.mac}")
        assert got["signed_offer"] == offer["signed_offer"]


def test_nobody_speaks_or_hears_for_another_device(
    given: Path, keys: Path, tmp_path: Path, image: bytes, offer: dict
) -> None:
    """With a certificate of its own, and the other's name in all it says."""
    (enrolled, own) = swarm.certify(keys, MACS[:2], tmp_path / "clients")
    intruder = swarm.Asker(enrolled.mac, own.context)
    with Served(tmp_path / "server", given) as served:
        asyncio.run(_intrude(intruder, served, image, offer))
        assert state_of(served, enrolled.mac) == ("offered", 0) and intruder.offers == []
        with opened(served) as store:
            rows = {row["mac"]: row for row in view.devices(store, time.time())}
        assert rows[enrolled.mac]["seen"] is None and rows[enrolled.mac]["gets"] == 0
        asyncio.run(_answer_once(enrolled, served.mqtt_port))


async def _intrude(intruder: swarm.Asker, served: Served, image: bytes, offer: dict) -> None:
    await intruder.connect(served.mqtt_port)
    push(served, image, offer, [intruder.mac])
    await asyncio.to_thread(until, lambda: state_of(served, intruder.mac)[0] == "offered", "offered")
    intruder.say("firmware/report", {"type": "UPDATE", "version": "1.0.1"})
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(intruder.ask(1, 1), 2)
    await intruder.close()


async def _answer_once(board: swarm.Asker, port: int) -> None:
    await board.connect(port)
    await asyncio.wait_for(board.ask(1, 5), WAIT_S)
    await board.close()


def test_images_may_be_hosted_elsewhere(
    given: Path, keys: Path, tmp_path: Path, image: bytes, offer: dict
) -> None:
    """The offer names the other host alone, and what lies there is the folder of images."""
    (board,) = swarm.certify(keys, MACS[:1], tmp_path / "clients")
    board.lasting = True
    images = tmp_path / "server" / "images"
    with FileServer(images, given / "server") as host:
        base = host.http_url("")
        with Served(tmp_path / "server", given, f"--files-url={base}") as served:
            asyncio.run(_once_there(board, served.mqtt_port))
            push(served, image, offer, MACS[:1])
            until(lambda: state_of(served, board.mac) == ("offered", 0), "offered")
            asyncio.run(_once_there(board, served.mqtt_port, offers=1))
            (got,) = board.offers
            assert got["http_url"] == f"{base}{hashlib.sha256(image).hexdigest()}.img"
            assert "https_url" not in got
            with urllib.request.urlopen(got["http_url"], timeout=WAIT_S) as answer:
                assert answer.read() == image


async def _once_there(board: swarm.Asker, port: int, offers: int = 0) -> None:
    """Until it has got so many."""
    await board.connect(port)
    await asyncio.to_thread(until, lambda: len(board.offers) >= offers, "an offer")
    await board.close()


def test_on_a_terminal_the_table_lives_and_in_a_log_there_are_lines(
    given: Path, tmp_path: Path, image: bytes, offer: dict
) -> None:
    """The same server on a pseudo-terminal: its table changes in place while a push waits for a device."""
    with Served(tmp_path / "server", given) as served:
        push(served, image, offer, MACS[:1])
        until(lambda: f"{MACS[0]} offered 1.0.1" in served.said(), "a line of the log")
    shown, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-m", "tools", "serve", str(tmp_path / "server")]
    command += [f"--keys={given / 'server'}"] + [f"--{name}-port=0" for name in ("mqtt", "https", "http")]
    environment = os.environ | {"TERM": "xterm"}  # where rich has tables that live
    process = subprocess.Popen(
        command, cwd=cache.REPO, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    text = ""
    deadline = time.monotonic() + WAIT_S
    while text.count("push 1, 1.0.1 to 1 device: running; 1 offered") < 3 and time.monotonic() < deadline:
        if select.select([shown], [], [], 1)[0]:
            text += os.read(shown, 65536).decode(errors="replace")
    process.terminate()
    with contextlib.suppress(OSError):  # the terminal closes with its last writer
        while True:
            text += os.read(shown, 65536).decode(errors="replace")
    assert process.wait(WAIT_S) == interrupts.EXIT_CODE and text.rstrip().endswith("stopped")
    assert text.count("push 1, 1.0.1 to 1 device: running; 1 offered") >= 3 and "\x1b[" in text
    assert "state" in text and MACS[2] in text


def test_certificates_that_end_are_told(keys: Path, given: Path, tmp_path: Path) -> None:
    """A device's in `devices`, the server's own in its log."""
    folder = tmp_path / "keys"
    shutil.copytree(given, folder)
    authority = keyfiles.read_pair(keys, "broker-ca")
    short = certificates.valid_for(30)
    for stem, name in (("ota-server", "ota-server"), (f"devices/{MACS[0]}", MACS[0])):
        certificate = certificates.issue(authority, name, "client", short)
        form = "der" if "/" in stem else "pem"
        path = folder / "server" / f"{stem}.crt.{form}"
        path.write_bytes(certificate.certificate.public_bytes(keyfiles.ENCODINGS[form]))
        if form == "pem":
            (path.parent / "ota-server.key.pem").write_bytes(keyfiles.key_bytes(certificate.key))
    with Served(tmp_path / "server", folder) as served:
        assert "ota-server.crt.pem: certificate expires 20" in served.said()
        assert "broker.crt.pem: certificate" not in served.said()
        with opened(served) as store:
            rows = {row["mac"]: row["warning"] for row in view.devices(store, time.time())}
    assert rows[MACS[0]].startswith("certificate expires 20") and rows[MACS[1]] == ""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_order(given: Path, tmp_path: Path, how: signal.Signals) -> None:
    with Served(tmp_path / "server", given) as served:
        broker = served.broker_pid
        assert served.end(how) == interrupts.EXIT_CODE
        assert served.said().rstrip().endswith("stopped")
        with pytest.raises(ProcessLookupError):
            os.kill(broker, 0)


def test_a_third_server_and_a_taken_port_are_told_in_a_line(given: Path, tmp_path: Path) -> None:
    with Served(tmp_path / "server", given) as first:
        broker = f"--broker=mqtts://localhost:{first.servers_port}"
        with Served(tmp_path / "server", given, broker):
            third = Served(tmp_path / "server", given, broker)
            with pytest.raises(ToolError, match="2 servers run in .* already"):
                third.start()
        port = urlsplit(first.page).port
        with pytest.raises(ToolError, match=f"cannot listen on 127.0.0.1:{port}"):
            Served(tmp_path / "other", given, f"--https-port={port}").start()
