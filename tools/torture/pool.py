"""Worker processes that play cases inside MicroPython, several at a time, each wait bounded."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tools.errors import ToolError
from tools.programs import cache, runtimes
from tools.server.packets import mqttpackets
from tools.simboard.board import MICROPYTHON, ONBOARD
from tools.torture import fixture
from tools.torture.trace import Trace

SIMULATION = Path(__file__).resolve().parent / "simulation"
PACKETS = Path(mqttpackets.__file__).resolve().parent  # of the simulated broker
SILENCE_LIMIT_S = 3600  # only ends a hang; a worker tells of each case as it ends
HEAP = {"small": "2M", "big": "24M", "attacks": "4M"}


class Request(NamedTuple):
    """A line for a worker. fixture: a folder's name; branch: the cases share what precedes their fault."""

    fixture: str
    cases: list[dict[str, Any]]
    branch: bool = False
    show: bool = False


class Worker:
    """One interpreter. names: of the fixtures it will need; device: the folder with the package `device`."""

    def __init__(
        self, fixtures: Path, names: Iterable[str], *, device: Path = cache.REPO, heap: str = HEAP["small"]
    ) -> None:
        paths = [SIMULATION, PACKETS, ONBOARD, MICROPYTHON, runtimes.umqtt(), device, ".frozen"]
        command = [*runtimes.interpreter("mp32"), "-X", f"heapsize={heap}", str(SIMULATION / "worker.py")]
        self._process = subprocess.Popen(
            [*command, str(fixtures), *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, start_new_session=True,
            env={"MICROPYPATH": ":".join(map(str, paths))},
        )  # fmt: skip

    def play(self, request: Request) -> Iterator[dict[str, Any] | str]:
        """The result of each case as it ends; lines of the board's log where they were asked for.

        Raises ToolError if the worker dies or falls silent.
        """
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request._asdict()) + "\n")
        self._process.stdin.flush()
        guard = threading.Timer(SILENCE_LIMIT_S, self.close)
        guard.start()
        try:
            for line in self._process.stdout:
                if line == ".\n":
                    return
                if line.startswith("="):
                    yield json.loads(line[1:])
                else:
                    yield line.rstrip("\n")
        finally:
            guard.cancel()
        raise ToolError(f"a worker ended in the middle of {request.cases[0]['id']} and what follows it")

    def close(self) -> None:
        """Ends the interpreter and the cases that it has forked."""
        if self._process.returncode is None:  # else its number may be another's by now
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)


def play_all(
    requests: list[Request],
    fixtures: Path,
    jobs: int,
    *,
    device: Path = cache.REPO,
    heap: str = HEAP["small"],
) -> Iterator[dict[str, Any]]:
    """The result of every case, in the order in which they end. Raises ToolError."""
    names = sorted({request.fixture for request in requests})
    waiting: queue.Queue[Request] = queue.Queue()
    results: queue.Queue[Any] = queue.Queue()
    workers = [Worker(fixtures, names, device=device, heap=heap) for _ in range(jobs)]
    for request in requests:
        waiting.put(request)

    def work(worker: Worker) -> None:
        try:
            while True:
                for result in worker.play(waiting.get_nowait()):
                    results.put(result)
        except queue.Empty:
            results.put(None)
        except Exception as error:  # for the thread that reads `results`
            results.put(error)

    for worker in workers:
        threading.Thread(target=work, args=(worker,), daemon=True).start()
    left = len(workers)
    try:
        while left:
            result = results.get(timeout=SILENCE_LIMIT_S + 60)
            if isinstance(result, dict):
                yield result
            elif not isinstance(result, str):
                left -= 1
                if result is not None:
                    raise result
    finally:  # nobody may want to hear the rest
        for worker in workers:
            worker.close()


def traces(
    fixtures: Path, names: Iterable[str] = tuple(fixture.KINDS), heap: str = HEAP["small"]
) -> dict[str, Trace]:
    """The undisturbed run of each fixture."""
    requests = [Request(name, [{"id": name, "trace": True}]) for name in names]
    results = {result["id"]: result for result in play_all(requests, fixtures, 1, heap=heap)}
    return {name: Trace(name, results[name], (fixtures / name / "new.img").stat().st_size) for name in names}
