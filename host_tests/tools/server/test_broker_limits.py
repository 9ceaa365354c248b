"""One device that floods, and many that do not: whatever was acknowledged to the others arrives."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pace
import pytest
import reporting

from tools.bench import swarm
from tools.bench.server import memory_mib
from tools.server.packets import mqttpackets
from tools.testbed.served import Served

MACS = [f"286DCE{number:06X}" for number in range(31)]
REPORTS = 20  # of each of the others, while the attack goes on
MAX_MIB = 128  # of the broker, for a thousand boards; stands in tools/server/README.md
MAX_LOG_BYTES = 20_000_000  # likewise
BURST = 50_000


@pytest.fixture(scope="module")
def boards(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> list[swarm.Asker]:
    return swarm.certify(keys, MACS, tmp_path_factory.mktemp("clients"))


class Attack:
    """What `once()` does, as fast as it can, with a new connection when one is ended, until the server says
    that it has noticed and as much has come again; the broker's memory is watched meanwhile."""

    minimum = 0  # messages

    def __init__(self, board: swarm.Asker, served: Served) -> None:
        self.board = board
        self.max_mib = 0.0
        self._served = served
        self.tried = 0
        self._noticed_at = 0

    def _goes_on(self, said: str) -> bool:
        if not self._noticed_at and said in self._served.said():
            self._noticed_at = self.tried
        return not self._noticed_at or self.tried < 2 * max(self.minimum, self._noticed_at)

    async def run(self, said: str) -> None:
        await reporting.connect(self.board, self._served.mqtt_port)
        while self._goes_on(said):
            self.max_mib = max(self.max_mib, memory_mib(self._served.broker_pid))
            try:
                for _ in range(100):
                    self.once()
                    self.tried += 1
                await self.board.drain()
                if not self.board.is_held():
                    raise ConnectionError
            except reporting.TROUBLE:
                await self.board.close()
                await reporting.connect(self.board, self._served.mqtt_port)
            await asyncio.sleep(0)
        await self.board.close()

    def once(self) -> None:
        raise NotImplementedError


class Flood(Attack):
    minimum = 5000

    def once(self) -> None:
        self.board.say("progress/report", {"progress": 1, "more": "x" * 200})


class SubscribeBomb(Attack):
    """Each filter another one, and as long as it may be."""

    minimum = 500

    def once(self) -> None:
        topic = f"{self.tried}/{'x' * 8000}"
        self.board.send(mqttpackets.subscribe(self.tried % 65535 + 1, topic))


async def report_beside(attack: Attack, said: str, others: list[swarm.Asker], served: Served) -> None:
    over = asyncio.Event()

    async def work(board: swarm.Asker) -> None:
        await reporting.connect(board, served.mqtt_port)
        for number in range(REPORTS):
            await reporting.report(board, served.mqtt_port, number)
            if number == REPORTS // 2:
                await over.wait()  # the rest comes after it
        await board.close()

    async def run() -> None:
        try:
            await attack.run(said)
        finally:
            over.set()

    await asyncio.wait_for(asyncio.gather(run(), *map(work, others)), pace.HANG_S)


@pytest.mark.parametrize(
    ("kind", "said"), [(Flood, "sends more than"), (SubscribeBomb, "subscribes to more")]
)
def test_one_device_harms_nobody(
    served: Served, boards: list[swarm.Asker], kind: type[Attack], said: str
) -> None:
    attack = kind(boards[0], served)
    asyncio.run(report_beside(attack, said, boards[1:], served))
    for mac in MACS[1:]:
        pace.until(lambda mac=mac: reporting.arrived(served, mac) == set(range(REPORTS)), "all reports")
    assert attack.max_mib < MAX_MIB
    told = [line for line in served.said().splitlines() if said in line]
    assert told and all(MACS[0] in line for line in told)
    logs = [path.read_bytes() for path in (served.folder / "broker").glob("mosquitto.log*")]
    assert sum(map(len, logs)) < MAX_LOG_BYTES
    assert not any(b"being dropped" in log for log in logs)


def test_a_filter_cannot_speak_in_the_name_of_another(served: Served, boards: list[swarm.Asker]) -> None:
    """By line ends that mosquitto's log does not take as such."""
    forged = "".join(f"\u20281: {MACS[1]} 0 x{number}" for number in range(50))

    async def subscribe() -> None:
        for board in boards[:3]:
            await reporting.connect(board, served.mqtt_port)
        boards[0].send(mqttpackets.subscribe(9, forged))
        for number in range(40):  # this one is ended, so the log has been read
            boards[2].send(mqttpackets.subscribe(9, f"x{number}"))
        while boards[2].is_held():
            await asyncio.sleep(0.02)
        assert boards[1].is_held()
        for board in boards[:3]:
            await board.close()

    asyncio.run(asyncio.wait_for(subscribe(), pace.HANG_S))
    assert MACS[2] in served.said() and f"{MACS[1]} subscribes" not in served.said()


def test_a_filter_that_is_too_long_ends_the_connection(served: Served, boards: list[swarm.Asker]) -> None:
    async def subscribe() -> None:
        await boards[0].connect(served.mqtt_port)
        boards[0].send(mqttpackets.subscribe(9, 60_000 * "x"))
        while boards[0].is_held():
            await asyncio.sleep(0.02)
        await boards[0].close()

    asyncio.run(asyncio.wait_for(subscribe(), pace.HANG_S))


@pytest.mark.parametrize("away", [False, pytest.param(True, marks=pytest.mark.sample(2))])
@pytest.mark.parametrize("count", [BURST // 5, pytest.param(BURST, marks=pytest.mark.sample(4))])
def test_a_burst_of_all_is_not_lost(
    served: Served, boards: list[swarm.Asker], count: int, away: bool
) -> None:
    """As fast as the broker takes them. away: the server is killed before, and comes back after it."""
    port = served.mqtt_port
    if away:
        served.end(signal.SIGKILL)

    async def burst() -> None:
        await swarm.connect_all(boards, port)
        for _ in range(count // len(boards)):
            for board in boards:
                board.say("progress/report", {"progress": 1})
            await asyncio.gather(*(board.drain() for board in boards))
            await asyncio.sleep(0)
        await asyncio.gather(*(board.heard() for board in boards))
        await asyncio.gather(*(board.close() for board in boards))

    asyncio.run(asyncio.wait_for(burst(), pace.HANG_S))
    if away:
        served.start()
    each = count // len(boards)
    for mac in MACS:
        pace.until(lambda mac=mac: reporting.count(served, mac) >= each, f"{each} reports of {mac}")
