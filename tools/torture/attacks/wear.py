"""Attacks on the flash and on the owner's patience, by somebody who stays hostile to the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.simboard.board import BLOCK
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, attack, control
from tools.torture.attacks.forge import Ground

_WEEK, _SHORT = 7, 2  # days
_AT_ONCE, _A_DAY = 20, 20  # erases of a block, so less than 24 a day over a week
_HOUR_MS = 60 * cases.MINUTE_MS
_NAPS_MS = 60_000  # between two steps, so that a week is over in seconds
_DENIED: list[Case] = [{}, {"status": 404, "headers": {}}]
_LATER = {"status": 503, "headers": {"Retry-After": "3600"}}
_SIGNED = {"require_signed_offer": True}


def weeks(ground: Ground) -> Iterator[Case]:
    """For days, ever new offers and a file server that lies: no block of the flash, of the file system too,
    is erased more often than the budget says."""
    cut = [{"peer": "files", "nth": None, "kind": "cut", "at": ground.trace.head_size + BLOCK + 50}]
    later = [{}, _LATER]
    other_tags = [{"etag": f'"{n}"'} for n in range(5)]
    signed = ground.offers["signed-offer"]
    yield _days("noise", ["signature"], days=_WEEK)
    yield _days("noise-versions", ["signature", "version"])
    yield _days("cut-and-denied", ["signature"], net=cut, answer=_DENIED)
    yield _days("addresses-of-one-image", ["url"], net=cut, answer=_DENIED)
    yield _days("cut-and-later", ["signature"], net=cut, answer=later)
    yield _days("other-tags", ["signature"], net=cut, answer=other_tags, days=_WEEK)
    yield _days("whole-again", ["signature"], net=cut, answer={"whole": True})
    yield _days("nobody-there", ["signature"], fields={"https_url": "https://nobody/x"})
    yield _days("delays", ["delay"])
    yield _days("cancels", ["delay", "cancel"])
    yield _days("cancels-of-downloads", ["signature", "cancel"], net=cut, answer=later)
    yield _days("signed-by-another", ["url"], image="foreign")
    yield _days("older-images", ["url"], image="other-board")
    yield _days("addresses-of-the-owners", ["url"], image="signed-offer", config=_SIGNED,
                valid="signed-offer", fields={"signed_offer": signed["signed_offer"]},
                net=cut, answer=_DENIED)  # fmt: skip
    yield control("new", image="new")


def _days(identity: str, vary: list[str], days: int = _SHORT, **case: Any) -> Case:
    noise = {"vary": vary, "every_ms": 10 * cases.MINUTE_MS, "fields": case.pop("fields", {})}
    config = {"keepalive_s": 600} | case.pop("config", {})  # the naps are long
    return attack(
        identity, noise=noise, pushes=0, config=config, watches=True, naps_ms=_NAPS_MS,
        ends_ms=days * 24 * _HOUR_MS, max_erases=_AT_ONCE + days * _A_DAY, **case,
    ) | {"silent": False, "phases": ["attack"]}  # fmt: skip


def hostages(ground: Ground) -> Iterator[Case]:
    """The attack does not end, and the owner's update comes through all the same."""
    cut = [{"peer": "files", "nth": None, "kind": "cut", "at": ground.trace.head_size + BLOCK + 50}]
    for seconds in (600, 3600, 10**9):
        later = {"status": 503, "headers": {"Retry-After": str(seconds)}}
        yield _held(f"later-{seconds}", net=cut, answer=[{}, later])
        yield _held(f"later-{seconds}-cancelled", net=cut, answer=[{}, later], owner_cancels=True)
        yield _held(f"later-{seconds}-of-the-owners", net=cut, answer=[{}, later], image="new")
    yield _held("stalls", net=[cut[0] | {"kind": "stall"}])
    yield _held("trickles", net=[cut[0] | {"kind": "trickle"}])
    noise = {"every_ms": cases.MINUTE_MS, "vary": ["signature"], "fields": {}}
    signed = {"config": _SIGNED, "valid": "signed-offer"}
    yield _held("unsigned-noise", noise=noise, net=cut, answer=[{}, _LATER], image="new", **signed)
    yield _held(
        "replayed-signed-offers", noise=noise, net=cut, answer=[{}, _LATER], image="signed-offer", **signed
    )
    signature = {"signed_offer": ground.offer_signatures["other-key"]}
    yield _held("wrong-offer-signatures", noise=noise | {"fields": signature}, image="signed-offer", **signed)
    yield control("from-the-mirror", offer={"https_url": "https://mirror/new.img"})


def _held(identity: str, **case: Any) -> Case:
    """Ten minutes of it, then the owner offers his update too, from a host of his own."""
    pushes = 0 if "noise" in case else 1
    return attack(
        identity, watches=True, naps_ms=500, ends_ms=10 * cases.MINUTE_MS,
        **{"pushes": pushes, "image": "foreign"} | case,
    ) | {"silent": False, "phases": ["attack", "owner"]}  # fmt: skip
