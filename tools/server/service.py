"""A running server: broker, files and page, the answers to `get`, and, in one server at a time, the rest.

Servers of one folder share their work: each takes its part of the questions by a shared subscription, under
an identity of its own. The one that holds FOLDER/leader.lock, the leader, takes the reports as well and makes
the offers; the broker keeps what comes for it while nobody does. When it dies, the next one is the leader.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import time
from collections.abc import Callable
from typing import IO

from tools import identities, keyfiles
from tools.errors import ToolError
from tools.server import pushes, view, wire
from tools.server.clock import Clock
from tools.server.fleet import Fleet
from tools.server.flood import Flood
from tools.server.keywatch import KeyWatch
from tools.server.leader import Leader
from tools.server.mqtt import Link
from tools.server.offers import Wording
from tools.server.settings import Settings
from tools.server.states import REVOKED
from tools.server.store import Store
from tools.server.web import Web
from tools.servers.broker import Broker

TICK_S = 0.25
FLUSH_S = 1
CERTIFICATES_S = 60
KEYS_S = 5
MOST_SERVERS_HINT = "`python3 -m tools keys DIR --servers N` makes identities for more servers"


class Service:
    """`async with Service(settings, tell) as service: await service.run()`. tell(mac, text): the log."""

    def __init__(self, settings: Settings, tell: Callable[[str, str], None]) -> None:
        settings.check()
        self.settings = settings
        self.store = Store(settings.folder, create=True)
        self.tell = tell
        self.identity = ""
        self.boards_address: tuple[str, int] | None = None  # of our own broker
        self._broker: Broker | None = None
        self.is_leader = False
        self._sequence = 0
        self._clock = Clock(self.store)
        self._flood = Flood()
        self._sent: dict[tuple[str, str], int] = {}  # bytes of an image to a device, not yet written down
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Service:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.store.close)
            self.identity = self._claim_identity(stack)
            self._leader_file = stack.enter_context((self.settings.folder / "leader.lock").open("w"))
            self._note_facts()
            self._warn_of_ends()
            self._keywatch = KeyWatch(self.settings.keys)
            self._know_devices()
            self.address = self.settings.broker or self._start_broker(stack)
            ports = (self.settings.https_port, self.settings.http_port)
            web = Web(self.store, self.settings.keys, self.settings.address, ports, self._count)
            web.revoked = self._keywatch.revoked
            self.web = await stack.enter_async_context(web)
            self._make_parts()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # Beginning

    def _claim_identity(self, stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> str:
        names = identities.answerers(self.settings.keys)
        for name in names:
            file = stack.enter_context((self.settings.folder / f"{name}.lock").open("w"))
            if _lock(file):
                return name
        raise ToolError(f"{len(names)} servers run in {self.settings.folder} already: {MOST_SERVERS_HINT}")

    def _note_facts(self) -> None:
        """What `push` needs to know, and the name of the shared subscription: nobody else may join it."""
        keys = sorted(self.settings.keys.glob("sign_*.der"))
        self.store.set_fact("signing_keys", b"".join(path.read_bytes() for path in keys))
        if self.store.fact("group") is None:
            self.store.set_fact("group", secrets.token_hex(16))

    def _warn_of_ends(self) -> None:
        """Of the server's own certificates, and of those who issued them."""
        for path in sorted(self.settings.keys.glob("*.crt.pem")):
            found = keyfiles.read_certificates(path)
            ends = min(one.not_valid_after_utc.timestamp() for one in found)
            warning = view.certificate_warning(ends, time.time())
            if warning:
                self.tell("", f"{path.name}: {warning}")

    def _know_devices(self) -> None:
        """Also those that were given a certificate while we ran."""
        ends = {}
        for path in sorted(self.settings.keys.glob("devices/*.crt.der")):
            ends[path.name.split(".")[0]] = keyfiles.read_certificate(path).not_valid_after_utc.timestamp()
        ends |= dict.fromkeys(self._keywatch.revoked, REVOKED)
        pushes.know(self.store, ends)

    def _start_broker(self, stack: contextlib.AsyncExitStack) -> tuple[str, int]:
        settings = self.settings
        broker = Broker(
            settings.folder / "broker", settings.keys, settings.mqtt_port, persistence=True, fleet=True,
            topic_prefix=settings.prefix, host=settings.address, servers_port=settings.servers_port,
        )  # fmt: skip
        self._broker = stack.enter_context(broker)
        self.boards_address = settings.own_host(), broker.port
        return "localhost", broker.servers_port

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
        self._fleet = Fleet(self.store, word_offer, self.tell)
        self._leader = Leader(self.store, word_offer, self.tell)
        group = self.store.fact("group")
        asks = [(f"$share/{group}/{settings.prefix}/+/ota/{wire.GET}", 0)]
        reports = [(f"{settings.prefix}/+/ota/{name}", 1) for name in (wire.REPORT, wire.PROGRESS)]
        self._asks = self._link(self.identity, asks, self._answer)
        self._reports = self._link(identities.SERVER_IDENTITY, reports, self._take, lasting=True)

    def _link(
        self, identity: str, topics: list[tuple[str, int]], on_message: Callable, lasting: bool = False
    ) -> Link:
        context = wire.tls_context(self.settings.keys, identity)
        on_state = lambda text: self.tell("", f"{identity}: {text}")  # noqa: E731
        login = identities.login(self.settings.keys, identity)
        return Link(login, self.address, context, topics, on_message, on_state, lasting)

    # Work

    async def run(self) -> None:
        """Until cancelled."""
        tasks = [asyncio.create_task(self._asks.run())]
        flushed = looked = watched = time.monotonic()
        try:
            while True:
                now = time.monotonic()
                if not self.is_leader and _lock(self._leader_file):
                    self._become_leader(tasks)
                if self.is_leader and self._reports.is_up:
                    self._send_offers()
                if now - flushed >= FLUSH_S:
                    self._flush()
                    flushed = now
                if now - looked >= CERTIFICATES_S:
                    self._know_devices()
                    looked = now
                if now - watched >= KEYS_S:
                    await self._watch_keys()
                    watched = now
                _raise_what_failed(tasks)
                await asyncio.sleep(TICK_S)
        finally:
            self._flush()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_keys(self) -> None:
        """A new start of the broker ends a revoked board's connection; everybody else's comes back."""
        found = await asyncio.to_thread(self._keywatch.look, self._broker)
        if found is not None:
            self.tell("", found)
            self._know_devices()
            self.web.revoked = self._keywatch.revoked

    def _become_leader(self, tasks: list[asyncio.Task]) -> None:
        self.is_leader = True
        self._leader.take_over(self._clock.now())
        tasks.append(asyncio.create_task(self._reports.run()))

    def _send_offers(self) -> None:
        for mac, message in self._leader.tick(self._clock.now()):
            self._sequence += 1
            self._reports.publish(self._topic(mac, wire.UPDATE), wire.envelope(self._sequence, message), 1)

    def _flush(self) -> None:
        self._fleet.flush(self.identity, self._clock.now())
        sent, self._sent = self._sent, {}
        if sent:
            pushes.count_bytes(self.store, sent)

    def _topic(self, mac: str, name: str) -> str:
        return f"{self.settings.prefix}/{mac}/ota/{name}"

    def _answer(self, topic: str, payload: bytes) -> None:
        """By QoS 0: a lost answer costs another question, a late one is worth nothing."""
        place = self._place(topic)
        asked = wire.question(payload)
        if place is None or asked is None:
            return
        number, word = asked
        offer = self._fleet.answer(place[0], self._clock.now(), word)
        if offer:
            self._asks.publish(self._topic(place[0], wire.RESPONSE), wire.envelope(number, offer), 0)

    def _take(self, topic: str, payload: bytes) -> None:
        place = self._place(topic)
        if place:
            self._fleet.take(*place, payload, self._clock.now())

    def _place(self, topic: str) -> tuple[str, str] | None:
        """(mac, name) of a message that is to be looked at."""
        place = wire.split_topic(self.settings.prefix, topic)
        if place and place[0] in self._keywatch.revoked:
            return None
        return None if place is None or self._flood.overflows(place[0], self._clock.now()) else place

    def _count(self, mac: str, digest: str, size: int) -> None:
        if mac and len(self._sent) < pushes.MOST_COUNTED:
            self._sent[mac, digest] = self._sent.get((mac, digest), 0) + size


def _lock(file: IO[str]) -> bool:
    """Held until the process ends, however it ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _raise_what_failed(tasks: list[asyncio.Task]) -> None:
    for task in tasks:
        if task.done():
            task.result()
