"""The table of attack classes. One more class is a generator of cases and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tools.testbed import sampling
from tools.torture.attacks import (
    bodies,
    firmware,
    messages,
    mqtt,
    owner,
    servers,
    signatures,
    wear,
)
from tools.torture.attacks.cases import Case, is_control
from tools.torture.attacks.forge import Ground
from tools.torture.pool import Request

SAMPLE = 4  # a run that is not full plays one in so many
ALL, IDF = ("idf", "w80x"), ("idf",)
_CHUNK = 8  # cases a request


class AttackClass(NamedTuple):
    """modes: of the boards it is played on; what does not touch boot loader and image kind needs one."""

    title: str
    cases: Callable[[Ground], Iterator[Case]]
    modes: tuple[str, ...] = IDF


ATTACKS = {
    "image": AttackClass("image bent, cut, extended, of another key", firmware.images, ALL),
    "signature": AttackClass("signature malformed, out of range, noise", signatures.encodings),
    "rollback": AttackClass("older image, wrong or odd label", firmware.rollback, ALL),
    "identity": AttackClass("signed for another product, chip or kind", firmware.identity, ALL),
    "offer-signature": AttackClass("signed offers bent, expired, of another key", owner.offer_signatures),
    "key": AttackClass("signing keys before or after their time", owner.keys),
    "replay": AttackClass("offers and answers repeated or unasked", messages.replays),
    "body": AttackClass("HTTP that lies, never ends or trickles", bodies.bodies),
    "redirect": AttackClass("redirects to where nobody should go", servers.redirects),
    "downgrade": AttackClass("https fails, http stands ready", servers.downgrades),
    "swap": AttackClass("flash changed before and after the verdict", firmware.changed_flash, ALL),
    "message": AttackClass("messages that are not offers", messages.offers),
    "packet": AttackClass("packets that are not MQTT", mqtt.packets),
    "certificate": AttackClass("certificates that do not hold", servers.certificates),
    "time": AttackClass("NTP that lies", servers.times),
    "wear": AttackClass("days of offers, to wear out the flash", wear.weeks),
    "hostage": AttackClass("the owner's update while an attack goes on", wear.hostages),
}


def every(name: str, ground: Ground) -> list[Case]:
    """The cases of a class, each with its whole name as id."""
    if ground.mode not in ATTACKS[name].modes:
        return []
    return [case | {"id": f"{name}/{ground.mode}/{case['id']}"} for case in ATTACKS[name].cases(ground)]


def requests(name: str, grounds: dict[str, Ground], full: bool) -> list[Request]:
    """full: all cases, not those that the commit chooses."""
    found = []
    for ground in grounds.values():
        cases = every(name, ground)
        control = next(
            (case for case in cases if is_control(case)), None
        )  # without it refusals prove nothing
        chosen = [
            case for at, case in enumerate(cases)
            if full or case is control or sampling.chosen(at, SAMPLE)
        ]  # fmt: skip
        count = -(-len(chosen) // _CHUNK)  # neighbours, which take as long, go to different ones
        found += [Request(ground.trace.fixture, chosen[at::count]) for at in range(count)]
    return found


def find(identity: str, grounds: dict[str, Ground]) -> tuple[Ground, Case]:
    """The case of this id, to be played alone. Raises KeyError."""
    name, mode = [*identity.split("/"), ""][:2]
    for case in every(name, grounds[mode]):
        if case["id"] == identity:
            return grounds[mode], case
    raise KeyError(identity)
