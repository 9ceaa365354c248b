"""Messages from devices, in batches: questions are answered, reports stored before they are acknowledged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from tools.server import wire
from tools.server.clock import Clock
from tools.server.denied import Denied
from tools.server.enrolled import Enrolled
from tools.server.fleet import Fleet
from tools.server.flood import Flood
from tools.server.health import DATABASE, TROUBLE, Health
from tools.server.lines import Lines
from tools.server.store import Store

TURNED_AWAY_S = 5  # before a device that still floods is turned away again


class Inbox:
    """respond(mac, text): sends the answer to a `get`."""

    def __init__(
        self, store: Store, fleet: Fleet, clock: Clock, prefix: str, respond: Callable[[str, str], None],
        lines: Lines, health: Health, enrolled: Enrolled,
    ) -> None:  # fmt: skip
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._prefix = prefix
        self._respond = respond
        self._lines = lines
        self._health = health
        self._enrolled = enrolled
        self._flood = Flood()
        self._denied = Denied(store.folder)
        self._turned_away: dict[str, float] = {}

    def questions(self, messages: list[tuple[str, bytes]]) -> None:
        """By QoS 0: a lost answer costs another question, a late one is worth nothing."""
        for topic, payload in messages:
            try:
                self._answer(topic, payload)
            except TROUBLE as error:
                self._health.bad(DATABASE, str(error))

    def _answer(self, topic: str, payload: bytes) -> None:
        place = self._place(topic)
        question = wire.question(payload)
        if place is None or question is None:
            return
        number, word = question
        offer = self._fleet.answer(place[0], self._clock.now(), word)
        if offer:
            self._respond(place[0], wire.envelope(number, offer))

    def reports(self, messages: list[tuple[str, bytes]]) -> None:
        """All in one transaction, or none: then it raises, and the broker keeps them."""
        try:
            with self._lines.held(), self._store.transaction():
                for topic, payload in messages:
                    place = self._place(topic)
                    if place:
                        self._take(*place, payload)
        except TROUBLE as error:
            self._health.bad(DATABASE, str(error))
            raise

    def _take(self, mac: str, name: str, payload: bytes) -> None:
        """One that breaks something costs itself only: it would come again and again."""
        try:
            self._fleet.take(mac, name, payload, self._clock.now())
        except Exception as error:
            if isinstance(error, TROUBLE) or type(error) is sqlite3.DatabaseError:
                raise
            self._lines(mac, f"a report that cannot be taken: {error!r}")

    def _place(self, topic: str) -> tuple[str, str] | None:
        """(mac, name) of a message that is to be looked at."""
        place = wire.split_topic(self._prefix, topic)
        if place and place[0] in self._enrolled.revoked:
            return None
        if place is None or not self._flood.overflows(place[0], time.monotonic()):
            return place
        self._turn_away(place[0])
        return None

    def _turn_away(self, mac: str) -> None:
        now = time.monotonic()
        if now - self._turned_away.get(mac, -TURNED_AWAY_S) < TURNED_AWAY_S:
            return
        self._turned_away[mac] = now
        self._lines(mac, "sends more than a server can take: not heard for some minutes")
        with self._health.attempt("the list of denied devices"):
            self._denied.add(mac)
