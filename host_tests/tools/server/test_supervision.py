"""`serve` and its mosquitto, killed or in each other's way: nothing acknowledged is lost, all comes back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pace
import pytest
import reporting

from tools.bench import swarm
from tools.errors import ToolError
from tools.server import brokerlog
from tools.server.broker import free_port
from tools.server.brokerlog import BrokerLog
from tools.testbed.served import Served

MACS = [f"286DCE{number:06X}" for number in range(10)]
REPORTS = 20  # of each board; a server keeps 100, and what a broker had saved comes once more
KILLS = 5  # in one test; all of them in `test --full`


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.suffix not in (".db", ".db-wal", ".db-shm", ".log")}  # fmt: skip


def test_a_second_one_by_mistake_changes_nothing(served: Served, keys: Path) -> None:
    before, broker = files(served.folder), served.broker_pid
    said = rf"a server runs in .* \(pid {served.pid}\): end it first, or .*--broker"
    with pytest.raises(ToolError, match=said):
        Served(served.folder, keys).start()
    assert files(served.folder) == before and served.broker_pid == broker
    os.kill(broker, 0)
    assert "started again" not in served.said()


def test_ports_are_tried_before_a_broker_is(keys: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("mqtt", "https", "http"):
            with pytest.raises(ToolError, match=f"127.0.0.1:{port}: .*give another --{name}-port"):
                Served(tmp_path / "server", keys, f"--{name}-port={port}").start()
            assert not (tmp_path / "server" / "broker").exists()


def test_mosquitto_gives_up_what_root_may(served: Served) -> None:
    status = Path(f"/proc/{served.broker_pid}/status").read_text()
    uids = status.partition("Uid:")[2].split()[:4]
    assert "0" not in uids or Path("/proc/self/uid_map").read_text().split()[2] == "1"
    assert "mosquitto runs as" in served.said() and "room for" in served.said()


def kill_and_wait(served: Served, broker: bool) -> None:
    """Until all is back, and what came meanwhile is saved: a mosquitto that is killed while no server is
    there loses the rest. The owner starts `serve` again, as systemd would."""
    before = 0
    if broker:
        before = connections(served)
        os.kill(served.broker_pid, signal.SIGKILL)
    else:
        served.end(signal.SIGKILL)
        served.start()
    pace.until(lambda: connections(served) > before, "all is back")
    saved = saves(served)
    pace.until(lambda: saves(served) > saved, "all is saved")


def saves(served: Served) -> int:
    """How often mosquitto has saved its sessions."""
    return (served.folder / "broker" / "mosquitto.log").read_text(errors="replace").count("Saving in-memory")


def connections(served: Served) -> int:
    """How often the server was connected to take reports."""
    return served.said().count("ota-server: connected")


class Load:
    """All boards report, while something befalls the server. first: the number of their first report."""

    def __init__(self, boards: list[swarm.Asker], served: Served, first: int = 0) -> None:
        self.acknowledged = 0
        self._boards = boards
        self._port = served.mqtt_port
        self._served = served
        self._numbers = range(first, first + REPORTS)

    async def run(self, trouble: Callable[[], Awaitable[None]]) -> None:
        work = asyncio.gather(trouble(), *map(self._report, self._boards))
        await asyncio.wait_for(work, KILLS * pace.HANG_S)
        await asyncio.to_thread(pace.until, self._is_all_there, "all that was acknowledged")

    async def _report(self, board: swarm.Asker) -> None:
        await reporting.connect(board, self._port)
        for number in self._numbers:
            await reporting.report(board, self._port, number)
            self.acknowledged += 1
        await board.close()

    async def wait_for(self, share: float) -> None:
        while self.acknowledged < len(self._boards) * REPORTS * share:
            await asyncio.sleep(0.01)

    def _is_all_there(self) -> bool:
        return all(reporting.arrived(self._served, mac) >= set(self._numbers) for mac in MACS)


@pytest.mark.parametrize("turn", [pytest.param(turn, marks=pytest.mark.sample(20)) for turn in range(20)])
def test_killed_at_random_under_load(keys: Path, tmp_path: Path, turn: int) -> None:
    """Five times, server or broker."""
    boards = swarm.certify(keys, MACS, tmp_path / "clients")
    chosen = random.Random(turn)
    with Served(tmp_path / "server", keys, f"--mqtt-port={free_port()}") as served:
        load = Load(boards, served)

        async def kill() -> None:
            for number in range(KILLS):
                await load.wait_for(number / KILLS)
                await asyncio.to_thread(kill_and_wait, served, chosen.random() < 0.5)

        asyncio.run(load.run(kill))


def test_a_broker_that_is_killed_is_started_again(served: Served, keys: Path, tmp_path: Path) -> None:
    boards = swarm.certify(keys, MACS, tmp_path / "clients")

    load = Load(boards, served)

    async def kill() -> None:
        for number in range(2):
            await load.wait_for(number / 2)
            await asyncio.to_thread(kill_and_wait, served, True)

    asyncio.run(load.run(kill))
    assert "mosquitto was ended by SIGKILL; it is started again" in served.said()
    assert served.pid and served.end(signal.SIGTERM) == 130


def test_one_that_cannot_be_started_again_ends_the_server(served: Served) -> None:
    """Its database of sessions is a folder: it ends at once, each time."""
    (served.folder / "broker" / "sessions" / "mosquitto.db").unlink(missing_ok=True)
    (served.folder / "broker" / "sessions" / "mosquitto.db").mkdir()
    process, pid = served._process, served.broker_pid
    os.kill(pid, signal.SIGKILL)
    assert process.wait(pace.HANG_S) == 1
    last = served.said().strip().splitlines()[-1]
    assert "mosquitto cannot be kept running, tried 6 times" in last and "Traceback" not in served.said()


def test_its_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokerlog, "MAX_BYTES", 1000)
    log = BrokerLog(tmp_path / "mosquitto.log")
    log.begin()
    seen = []
    with log.path.open("ab", buffering=0) as file:
        for number in range(500):
            file.write(b"line %d\n" % number)
            if number % 7 == 0:
                seen += log.new_lines()
    seen += log.new_lines()
    assert seen == [f"line {number}" for number in range(500)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3000


def test_a_killed_one_leaves_its_broker_to_the_next(served: Served, keys: Path) -> None:
    """The same port, and no orphan."""
    port, broker = served.mqtt_port, served.broker_pid
    served.end(signal.SIGKILL)
    os.kill(broker, 0)
    with Served(served.folder, keys, f"--mqtt-port={port}") as again:
        assert again.mqtt_port == port
        state = Path(f"/proc/{broker}/cmdline")
        assert not state.exists() or state.read_bytes() == b""  # ended, if nobody has asked for its code
