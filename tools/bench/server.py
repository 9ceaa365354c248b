"""What the server costs: boards held by mutual TLS, and the processor time of an answer to `get`."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.bench import swarm
from tools.image import firmware, signing
from tools.keys import keyfiles, pki
from tools.server import imagestore, pushes
from tools.server.fleet import Fleet
from tools.server.offers import Wording
from tools.server.store import Store
from tools.server.targets import NEWEST
from tools.testbed.served import Served

BOARDS = 1000
GETS_EACH = 10
MAX_US = 150  # processor time of the server for one answer
MAX_STATEMENTS = 2.4  # the book-keeping of it, in bare SQL statements that read the same
ROUNDS = 9
PATIENCE_S = 20


def run(console: Console) -> int:
    """0 if all boards were held, nothing was lost, and an answer is as cheap as it must be."""
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
    with tempfile.TemporaryDirectory(prefix="ota-bench-") as name:
        folder = Path(name)
        macs = [f"{0x286DCE000000 + number:012X}" for number in range(BOARDS)]
        console.print(f"making {BOARDS} certificates …")
        pki.make_all(folder / "keys", [])
        askers = swarm.certify(folder / "keys", macs, folder / "clients")
        with Served(folder / "server", folder / "keys") as served:
            offer_all(folder, macs)
            figures = asyncio.run(_measure(askers, served, console))
        figures["get_us"], figures["statement_us"] = cost_of_get(folder, macs)
    console.print(_table(figures))
    is_complete = figures["held"] == BOARDS and not figures["lost"]
    is_cheap = figures["get_us"] <= MAX_STATEMENTS * figures["statement_us"]
    return 0 if is_complete and is_cheap and figures["server_us"] <= MAX_US else 1


def offer_all(folder: Path, macs: list[str]) -> None:
    """A push to all, so that each `get` is answered with an offer. folder: has keys/ and server/."""
    store = Store(folder / "server")
    image = firmware.build_image("1.0.1", "esp32", "bench")
    key = keyfiles.read_key(folder / "keys" / "sign.key.pem")
    offer = signing.offer(image, key, version="1.0.1", for_push=True)
    pushes.add_devices(store, dict.fromkeys(macs, time.time() + 3650 * 86400))
    digest = imagestore.add(store, image, offer, [keyfiles.public_bytes(key)])
    pushes.start(store, digest, offer, macs)
    store.close()


async def _measure(askers: list[swarm.Asker], served: Served, console: Console) -> dict[str, float]:
    console.print(f"connecting {BOARDS} boards by mutual TLS …")
    await swarm.connect_all(askers, served.mqtt_port)
    pids = (served.pid, served.broker_pid)
    await asyncio.sleep(3)  # what the push writes to all is not ours to measure
    before = [cpu_us(pid) for pid in pids]
    console.print(f"asking {BOARDS * GETS_EACH} times …")
    await asyncio.gather(*(asker.ask(GETS_EACH, PATIENCE_S) for asker in askers))
    after = [cpu_us(pid) for pid in pids]
    answered = sum(asker.answered for asker in askers)
    figures = {
        "held": sum(asker.is_held() for asker in askers),
        "answered": answered,
        "lost": sum(asker.repeated for asker in askers),
        "server_us": (after[0] - before[0]) / answered,
        "broker_us": (after[1] - before[1]) / answered,
        "server_mib": memory_mib(pids[0]),
        "broker_mib": memory_mib(pids[1]),
    }
    await asyncio.gather(*(asker.close() for asker in askers))
    return figures


def cost_of_get(folder: Path, macs: list[str]) -> tuple[float, float]:
    """Processor time, in µs, of the server's book-keeping for one `get`, and of the bare SQL statement that
    reads the same; in turns, the lowest of each."""
    store = Store(folder / "server")
    fleet = Fleet(store, Wording({"https_url": "https://localhost:8443/images"}, True), lambda *_: None)
    cursor = store.db.cursor()
    kinds = (
        lambda mac: fleet.answer(mac, time.time()),
        lambda mac: cursor.execute(NEWEST, (mac,)).fetchone(),
    )
    lowest = [math.inf, math.inf]
    for _ in range(ROUNDS):
        for place, work in enumerate(kinds):
            before = time.process_time()
            for mac in macs:
                assert work(mac)
            lowest[place] = min(lowest[place], time.process_time() - before)
    store.close()
    return lowest[0] / len(macs) * 1e6, lowest[1] / len(macs) * 1e6


def cpu_us(pid: int) -> float:
    """Processor time that a process has used, in its own code and in the kernel for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _table(figures: dict[str, float]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("line", "server", "broker", "must", "unit"):
        table.add_column(heading, justify="left" if heading in ("line", "unit") else "right")
    table.add_row("connections held", "–", f"{figures['held']:,.0f}", f"{BOARDS:,}", "")
    table.add_row("`get` answered", f"{figures['answered']:,.0f}", "–", f"{BOARDS * GETS_EACH:,}", "")
    table.add_row("`get` lost, so asked again", f"{figures['lost']:,.0f}", "–", "0", "")
    times = (f"{figures['server_us']:.0f}", f"{figures['broker_us']:.0f}", f"{MAX_US}")
    table.add_row("processor time of one answer", *times, "µs")
    ratio = f"{figures['get_us'] / figures['statement_us']:.2f}"
    table.add_row("book-keeping of one `get`", ratio, "–", f"{MAX_STATEMENTS}", "× its SQL statement alone")
    memory = (f"{figures['server_mib']:.0f}", f"{figures['broker_mib']:.0f}", "")
    table.add_row("memory", *memory, "MiB")
    return table
