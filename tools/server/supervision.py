"""Our own mosquitto, kept running: started again when it ends, its log bounded, floods turned away."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import defaultdict
from collections.abc import Callable

from tools.errors import ToolError
from tools.server.broker import START_LIMIT_S, Broker
from tools.server.control import end_session
from tools.server.denied import Denied
from tools.server.health import Health

LOOK_S = 0.25
TRIES = 6  # in a row, of a mosquitto that does not start or ends at once
STEADY_S = 2  # so long it runs before it counts as started
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 4
FILTERS = 20  # different ones that a board may subscribe to; it needs two
_SUBSCRIBED = re.compile(r"\d+: ([0-9A-F]{12}) [012] (.+)")
_DROPPED = re.compile(r"Outgoing messages are being dropped for client (ota-server\S*?)\.?$")


class Supervision:
    """`run()` beside the server. log(mac, text): the log."""

    def __init__(
        self, broker: Broker, denied: Denied, health: Health, log: Callable[[str, str], None]
    ) -> None:
        self._broker = broker
        self._denied = denied
        self._log = log
        self._health = health
        self._told: frozenset[str] = frozenset()  # who is denied, as far as the broker knows
        self._filters: dict[str, set[int]] = defaultdict(set)
        self._warned: set[str] = set()
        self._started = time.monotonic()
        self._failures = 0
        self._starting = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled. Raises ToolError when mosquitto cannot be kept running."""
        while True:
            async with self._starting:  # a mosquitto that is just starting would die of the signal
                if not self._broker.pid:
                    await self._start_again()
                with self._health.attempt("the broker's rights"):
                    self._deny()
            await self._read_log()
            await asyncio.sleep(LOOK_S)

    async def restart(self) -> None:
        """With what is in the folder of keys now. One that does not start is tried again by run()."""
        async with self._starting:
            with self._health.attempt("the broker's new start"):
                await _to_its_end(self._broker.restart)
            self._started = time.monotonic()
            self._filters.clear()

    async def _start_again(self) -> None:
        why = f"mosquitto {self._broker.ended()}"
        if time.monotonic() - self._started > STEADY_S:
            self._failures = 0
        self._log("", f"{why}; it is started again")
        while True:
            if self._failures >= TRIES:
                raise ToolError(f"mosquitto cannot be kept running, tried {TRIES} times: {why}")
            if self._failures:
                await asyncio.sleep(min(FIRST_WAIT_S * 2**self._failures, LONGEST_WAIT_S))
            self._failures += 1
            try:
                await _to_its_end(self._broker.start)
                self._started = time.monotonic()
                self._filters.clear()
                return
            except (ToolError, OSError) as error:
                why = str(error)

    def _deny(self) -> None:
        denied = self._denied.macs()
        if denied != self._told:
            self._broker.reload(denied)
            self._told = denied

    async def _read_log(self) -> None:
        excessive = set()
        for line in self._broker.logged.new_lines():
            if found := _SUBSCRIBED.fullmatch(line):
                mac, filters = found[1], self._filters[found[1]]
                filters.add(hash(found[2]))
                if len(filters) > FILTERS:
                    excessive.add(mac)
            elif found := _DROPPED.search(line):
                self._log(
                    "", f"the broker dropped messages for {found[1]}: each board's next `get` repeats it"
                )
        for mac in excessive:
            await self._end_session(mac)

    async def _end_session(self, mac: str) -> None:
        """All that it subscribed to goes with its session."""
        if mac not in self._warned:
            self._warned.add(mac)
            self._log(mac, f"subscribes to more than {FILTERS} topics: disconnected, each time")
        self._filters.pop(mac, None)
        with contextlib.suppress(OSError):  # mosquitto has just ended
            await asyncio.to_thread(end_session, self._broker.control, mac)


async def _to_its_end(start: Callable[[], None]) -> None:
    """In a thread; also where we are cancelled, for a mosquitto that comes later would be nobody's."""
    work = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work], timeout=START_LIMIT_S)
        raise
