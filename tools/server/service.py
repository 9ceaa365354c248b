"""A running server: broker, files and page, the answers to `get`, and, in one server at a time, the rest.

Servers of one folder share their work: each takes its part of the questions by a shared subscription, under
an identity of its own. The one that holds FOLDER/leader.lock, the leader, takes the reports as well and makes
the offers; the broker keeps what comes for it while nobody does. When it dies, the next one is the leader.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable

from tools.errors import ToolError
from tools.keys import identities
from tools.server import claims, pushes, wire
from tools.server.broker import Broker, end_leftover
from tools.server.clock import Clock
from tools.server.denied import Denied
from tools.server.enrolled import Enrolled
from tools.server.fleet import Fleet
from tools.server.health import DATABASE, TROUBLE, Health
from tools.server.inbox import Inbox
from tools.server.leader import Leader
from tools.server.lines import Lines
from tools.server.mqtt import Link
from tools.server.offers import Wording
from tools.server.ports import HOST, listener
from tools.server.settings import Settings
from tools.server.store import NAME, Store, explain
from tools.server.supervision import Supervision
from tools.server.web import Web

TICK_S = 0.25
FLUSH_S = 1
BUSY_LIMIT_MS = 300  # for one statement: boards are not kept waiting by a lock of another process
MIN_BOARDS = 1000  # for which the broker has room


class Service:
    """`async with Service(settings, log) as service: await service.run()`. log(mac, text): the log."""

    def __init__(self, settings: Settings, log: Callable[[str, str], None]) -> None:
        settings.check()
        self.settings = settings
        self.identity = ""
        self.is_leader = False
        self.broker: Broker | None = None  # our own
        self.boards_address: tuple[str, int] | None = None  # where boards reach it
        self._supervision: Supervision | None = None
        self._lines = Lines(log)
        self._health = Health(log)
        self._sequence = 0
        self._flushed = 0.0
        self._sent: dict[tuple[str, str], int] = {}  # bytes of an image to a device, not yet written down
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Service:
        """Locks first, then ports: nothing of a server that runs here already is touched."""
        settings, pid = self.settings, os.getpid()
        async with contextlib.AsyncExitStack() as stack:
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not settings.broker:
                self._broker_claim = claims.claim_broker(settings.folder, pid)
                stack.callback(self._broker_claim.close)
            self.identity, claim = claims.claim_identity(
                settings.folder, identities.answerers(settings.keys), pid
            )
            stack.callback(claim.close)
            self._leader_claim = claims.Claim(settings.folder / "leader.lock")
            stack.callback(self._leader_claim.close)
            self.store = Store(settings.folder, create=True)
            stack.callback(self.store.close)
            self._clock = Clock(self.store)
            self.store.db.execute(f"PRAGMA busy_timeout = {BUSY_LIMIT_MS}")
            self._enrolled = Enrolled(settings.keys, self.store, self._health, self._lines)
            ports = (settings.https_port, settings.http_port)
            self.web = Web(self.store, settings.keys, settings.address, ports, self._enrolled, self._count)
            await stack.enter_async_context(self.web)
            self._note_facts()
            self.address = settings.broker or self._start_broker(stack)
            self._make_parts()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # Beginning

    def _note_facts(self) -> None:
        """What `push` needs to know, and the name of the shared subscription: nobody else may join it."""
        if self.store.fact("group") is None:
            self.store.set_fact("group", secrets.token_hex(16))
        self._enrolled.begin()

    def _start_broker(self, stack: contextlib.AsyncExitStack) -> tuple[str, int]:
        settings = self.settings
        boards = max(MIN_BOARDS, len(pushes.all_devices(self.store)))
        self.broker = Broker(
            settings.folder / "broker", settings.keys, settings.mqtt_port, persistence=True, boards=boards,
            topic_prefix=settings.prefix, host=settings.address, servers_port=settings.servers_port,
            kept=self._report_topics(),
        )  # fmt: skip
        end_leftover(settings.folder / "broker")
        if settings.mqtt_port:
            listener(settings.address, settings.mqtt_port, "--mqtt-port").close()
        if settings.servers_port:
            listener(HOST, settings.servers_port, "--servers-port").close()
        stack.enter_context(self.broker)
        self._broker_claim.write(f"{os.getpid()} {self.broker.servers_port}")
        self._supervision = Supervision(
            self.broker, Denied(self.store.folder), self._health, self._lines
        )
        self.boards_address = settings.own_host(), self.broker.port
        return "localhost", self.broker.servers_port

    def _make_parts(self) -> None:
        web, settings = self.web, self.settings
        self.bases = {
            "https_url": f"https://{settings.name}:{web.https_port}/images",
            "http_url": f"http://{settings.name}:{web.http_port}/images",
        }
        if settings.files_url:
            url = settings.files_url.rstrip("/")
            self.bases = {f"{url.split(':')[0]}_url": url}
        word_offer = Wording(self.bases, names_device=not settings.files_url)
        self._fleet = Fleet(self.store, word_offer, self._lines)
        self._leader = Leader(self.store, word_offer, self._lines)
        inbox = Inbox(
            self.store, self._fleet, self._clock, settings.prefix, self._respond, self._lines, self._health,
            self._enrolled,
        )  # fmt: skip
        group = self.store.fact("group")
        asks = [(f"$share/{group}/{settings.prefix}/+/ota/{wire.GET}", 0)]
        reports = [(topic, 1) for topic in self._report_topics()]
        self._asks = self._link(self.identity, asks, inbox.questions)
        self._reports = self._link(identities.SERVER_IDENTITY, reports, inbox.reports, lasting=True)

    def _link(
        self, identity: str, topics: list[tuple[str, int]], on_messages: Callable, lasting: bool = False
    ) -> Link:
        keys = self.settings.keys

        def on_state(text: str) -> None:
            self._lines("", f"{identity}: {text}")
            if lasting and self.broker and self._reports.is_up:
                self.broker.save()  # killed now, it keeps what comes until we are back

        login, tls = identities.login(keys, identity), wire.tls_context(keys, identity)
        return Link(login, self.address, tls, topics, on_messages, on_state, lasting)

    # Work

    async def run(self) -> None:
        """Until cancelled. Raises ToolError when it cannot go on."""
        parts = [self._asks.run(), self._enrolled.run(self._supervision)]
        if self._supervision:
            parts.append(self._supervision.run())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            while True:
                try:
                    self._work(tasks)
                except TROUBLE as error:
                    self._health.bad(DATABASE, str(error))
                _raise_what_failed(tasks)
                await asyncio.sleep(TICK_S)
        except sqlite3.DatabaseError as error:
            path = self.settings.folder / NAME
            raise ToolError(f"{path}: {explain(error)}") from None
        finally:
            with contextlib.suppress(*TROUBLE, sqlite3.DatabaseError):
                self._flush()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _work(self, tasks: list[asyncio.Task]) -> None:
        if not self.is_leader and self._leader_claim.take(str(os.getpid())):
            self._become_leader(tasks)
        if self.is_leader and self._reports.is_up:
            self._send_offers()
        if time.monotonic() - self._flushed >= FLUSH_S:
            self._flush()
            self._flushed = time.monotonic()

    def _become_leader(self, tasks: list[asyncio.Task]) -> None:
        self._leader.take_over(self._clock.now())
        self.is_leader = True
        tasks.append(asyncio.create_task(self._reports.run()))

    def _send_offers(self) -> None:
        with self._lines.held():
            messages = self._leader.tick(self._clock.now())
        for mac, message in messages:
            self._sequence += 1
            self._reports.publish(self._topic(mac, wire.UPDATE), wire.envelope(self._sequence, message), 1)

    def _flush(self) -> None:
        self._fleet.flush(self.identity, self._clock.now())
        if self._sent:
            pushes.count_bytes(self.store, self._sent)
            self._sent = {}
        self._health.good(DATABASE)  # it was written to

    def _topic(self, mac: str, name: str) -> str:
        return f"{self.settings.prefix}/{mac}/ota/{name}"

    def _report_topics(self) -> list[str]:
        return [f"{self.settings.prefix}/+/ota/{name}" for name in (wire.REPORT, wire.PROGRESS)]

    def _respond(self, mac: str, text: str) -> None:
        self._asks.publish(self._topic(mac, wire.RESPONSE), text, 0)

    def _count(self, mac: str, digest: str, size: int) -> None:
        if mac and len(self._sent) < pushes.MAX_COUNTED:
            self._sent[mac, digest] = self._sent.get((mac, digest), 0) + size


def _raise_what_failed(tasks: list[asyncio.Task]) -> None:
    for task in tasks:
        if task.done():
            task.result()
