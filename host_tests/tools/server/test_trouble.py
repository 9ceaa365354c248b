"""What befalls the machine of `serve`: it lives, says so in one line, once, heals, and loses no report."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import time
from pathlib import Path

import pace
import pytest
import reporting

from tools.__main__ import main
from tools.bench import swarm
from tools.server import clock, enrolled
from tools.server.health import Health
from tools.server.store import Store
from tools.testbed.served import Served

MACS = [MAC, OTHER] = ["286DCE000001", "286DCE000002"]
SECONDS = 2  # of trouble, which is many ticks of the server


@pytest.fixture(scope="module")
def board(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> swarm.Asker:
    return swarm.certify(keys, [MAC], tmp_path_factory.mktemp("clients"))[0]


def report_ten(board: swarm.Asker, served: Served) -> None:
    """All of them are acknowledged to the board, whatever the server can do with them."""

    async def report() -> None:
        await reporting.connect(board, served.mqtt_port)
        for number in range(10):
            await reporting.report(board, served.mqtt_port, number)
        await board.close()

    asyncio.run(asyncio.wait_for(report(), pace.HANG_S))


def lines(served: Served, text: str) -> list[str]:
    return [line for line in served.said().splitlines() if text in line]


def wait_until_all_is_well(served: Served) -> None:
    pace.until(lambda: reporting.arrived(served, MAC) == set(range(10)), "the reports")
    pace.until(lambda: len(lines(served, "the database: works again")) == 1, "a word that it is over")
    assert served.pid and "Traceback" not in served.said()


def test_a_database_that_another_process_has_locked(served: Served, board: swarm.Asker) -> None:
    other = sqlite3.connect(served.folder / "fleet.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    report_ten(board, served)
    pace.until(lambda: lines(served, "the database: database is locked"), "a word of it")
    time.sleep(SECONDS)
    assert not lines(served, "works again")
    other.execute("ROLLBACK")
    other.close()
    wait_until_all_is_well(served)
    assert len(lines(served, "the database:")) == 2


def test_a_disk_that_is_full(served: Served, board: swarm.Asker) -> None:
    """No file of the server may grow, its log neither; then there is room again."""
    said = served.said()
    resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    report_ten(board, served)
    time.sleep(SECONDS)
    assert served.said() == said and served.pid
    assert not reporting.arrived(served, MAC)
    resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until_all_is_well(served)


@pytest.mark.parametrize(("days", "is_told"), [(0, False), (3600, True)])
def test_certificate_expiry_by_the_servers_own_time(
    days: int, is_told: bool, keys: Path, tmp_path: Path
) -> None:
    """In the log as for `devices`; days: how far it is ahead of the machine's."""
    said: list[str] = []
    log = lambda _, text: said.append(text)  # noqa: E731
    store = Store(tmp_path / "store", create=True)
    clock.note(store, time.time() + days * 86400)
    enrolled.Enrolled(keys / "server", store, Health(log), log).begin()
    assert any("broker.crt.pem: " in line for line in said) == is_told, said
    store.close()


def test_a_database_that_is_damaged_under_a_running_server(served: Served) -> None:
    """All of it but the facts: it ends with the cure."""
    database = served.folder / "fleet.db"
    other = sqlite3.connect(database, isolation_level=None)
    (size,) = other.execute("PRAGMA page_size").fetchone()
    query = "SELECT rootpage FROM sqlite_master WHERE rootpage > 0 AND tbl_name != 'facts'"
    roots = [row[0] for row in other.execute(query)]
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.open("r+b") as file:
        for root in roots:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
    other.execute("INSERT INTO facts VALUES ('x', 1)")  # what the server has in memory counts no more
    other.close()
    cure = f"error: {database}: database disk image is malformed: put a copy of yours in its place"
    pace.until(lambda: cure in served.said(), "a word of it")
    assert "Traceback" not in served.said()


@pytest.mark.parametrize(("at", "words"), [(0, "file is not a database"), (1, "disk image is malformed")])
def test_a_database_that_is_damaged_at_the_start(
    at: int, words: str, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """at: the first page that is not right."""
    Store(tmp_path, create=True).close()
    content = bytearray((tmp_path / "fleet.db").read_bytes())
    content[at * 4096 :] = b"\xff" * len(content[at * 4096 :])
    (tmp_path / "fleet.db").write_bytes(content)
    for words_given in (["devices", str(tmp_path)], ["serve", str(tmp_path), "--keys", str(keys / "server")]):
        assert main(words_given) == 1
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and "fleet.db: " in said[0], said
        assert said[0].endswith(f"{words}: put a copy of yours in its place")


@pytest.mark.parametrize("name", [f"devices/{MAC}.crt.der", "sign_1.der", "spare.crt.pem"])
def test_a_file_that_is_half_written_at_the_start(keys: Path, tmp_path: Path, name: str) -> None:
    """Of the keys: where it can, the server does without."""
    folder = tmp_path / "keys"
    shutil.copytree(keys / "server", folder / "server")
    if name == "spare.crt.pem":
        (folder / "server" / name).write_text("-----BEGIN")
    else:
        path = next((folder / "server").glob(name.replace("sign_1", "sign_*")))
        path.write_bytes(path.read_bytes()[:40])
    with Served(tmp_path / "server", folder) as served:
        assert len(lines(served, "tried again until it works")) == 1
        assert "Traceback" not in served.said()


def test_files_that_are_written_while_it_runs(keys: Path, tmp_path: Path) -> None:
    """Half of a certificate, one that nobody may read, a folder in its place; then the rest of it."""
    folder = tmp_path / "server"
    shutil.copytree(keys / "server", folder)
    said: list[str] = []
    log = lambda _, text: said.append(text)  # noqa: E731
    looked = enrolled.Enrolled(folder, Store(tmp_path / "store", create=True), Health(log), log)
    look = looked.begin
    look()
    assert not said
    whole = (folder / "devices" / f"{MAC}.crt.der").read_bytes()
    new = folder / "devices" / "286DCE000003.crt.der"
    for content in (b"", whole[:100]):
        new.write_bytes(content)
        look()
        assert len(said) == 1
    (folder / "devices" / "286DCE000004.crt.der").mkdir()
    look()
    assert len(said) == 2
    new.write_bytes(whole)
    (folder / "devices" / "286DCE000004.crt.der").rmdir()
    assert set(looked.new_devices()[0]) == {"286DCE000003"}
    look()
    assert len(said) == 4
    assert sum("works again" in line for line in said) == 2
