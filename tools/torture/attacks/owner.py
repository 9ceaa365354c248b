"""Attacks on what only the owner may say: which offer is his, for how long, and which key follows."""

from __future__ import annotations

from collections.abc import Iterator

from device import errors
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, after_success, attack, control
from tools.torture.attacks.forge import SOON, Ground

_REQUIRED: Case = {"config": {"require_signed_offer": True}, "valid": "signed-offer"}
_JUNK = (True, 1, "x", [], {})


def offer_signatures(ground: Ground) -> Iterator[Case]:
    """Signed offers that are expired, bent, of another key, or stand beside another image."""
    right = ground.offers["signed-offer"]["signed_offer"]
    soon = {"signed_offer": ground.offer_signatures[SOON], "upgrade_delay": cases.NOW + 600}
    yield attack("ends-while-it-waits", errors.OFFER_SIGNATURE, image="signed-offer", offer=soon,
                 untouched=True, ends_ms=20 * cases.MINUTE_MS)  # fmt: skip
    for name in sorted(set(ground.offer_signatures) - {SOON}):
        offer = {"signed_offer": ground.offer_signatures[name]}
        yield attack(name, errors.OFFER_SIGNATURE, image="signed-offer", offer=offer, untouched=True)
        yield attack(f"{name}-required", errors.OFFER_SIGNATURE, image="signed-offer", offer=offer,
                     untouched=True, **_REQUIRED)  # fmt: skip
    bent = {
        "longer": {"expires": right["expires"] + cases.DAY_S}, "in-ms": {"expires": right["expires"] * 1000},
        "other-digest": {"sha256": "00" * 32}, "other-kind-said": {"kind": "raw"},
        "signature-of-the-image": {"signature": ground.offers["signed-offer"]["sig-sha256-ecdsa"]},
    }  # fmt: skip
    for name, change in bent.items():
        offer = {"signed_offer": right | change}
        yield attack(name, errors.OFFER_SIGNATURE, image="signed-offer", offer=offer, untouched=True)
    for field, value in (("sha256", "0" * 63), ("sha256", "G" * 64), ("kind", 1), ("kind", "k" * 99),
                         ("expires", -1), ("expires", 1.5), ("expires", True), ("expires", 2**70),
                         ("signature", ""), ("signature", "AAAA"), ("signature", None)):  # fmt: skip
        yield attack(f"{field}-{str(value)[:9]}", errors.BAD_MESSAGE, image="signed-offer",
                     offer={"signed_offer": right | {field: value}}, untouched=True)  # fmt: skip
    for value in _JUNK:
        yield attack(f"junk-{value!r}", errors.BAD_MESSAGE, offer={"signed_offer": value}, untouched=True)
    yield attack("relabelled", errors.OFFER_SIGNATURE, image="signed-offer", offer={"version": "1.0.2"},
                 untouched=True)  # fmt: skip
    yield attack(
        "resized", errors.OFFER_SIGNATURE, image="signed-offer", offer={"size": 9999}, untouched=True
    )
    yield attack(
        "on-another-image", errors.OFFER_SIGNATURE, image="unsigned-offer", offer={"signed_offer": right}
    )
    yield attack("none", errors.OFFER_SIGNATURE, image="new", untouched=True, **_REQUIRED)
    yield attack("null", errors.OFFER_SIGNATURE, offer={"signed_offer": None}, untouched=True, **_REQUIRED)
    yield control("signed", image="signed-offer")
    yield control("signed-and-required", image="signed-offer", config=_REQUIRED["config"])
    yield control("unsigned-where-it-may-be", image="new", offer={"signed_offer": None})
    yield control("with-more", image="signed-offer", offer={"signed_offer": right | {"note": "x" * 300}})


def keys(ground: Ground) -> Iterator[Case]:
    """Keys that follow each other: none is trusted before its time, and none after it."""
    yield after_success("retired", errors.SHA256_ECDSA, image="next", valid="by-next")
    yield after_success("retired-by-one-that-brings", errors.SHA256_ECDSA, image="next",
                        valid="by-next-brings")  # fmt: skip
    yield after_success("brought-by-another", errors.SHA256_ECDSA, image="foreign-2", valid="new")
    yield attack("brings-itself", errors.SHA256_ECDSA, image="foreign-brings")
    for name in ground.images:
        if name.startswith("key-"):
            yield attack(name, errors.HEADER_INVALID, image=name)
    yield control("next-key", image="by-next")
    yield control("brings-a-key", image="brings")
    yield control("next-key-brings", image="by-next-brings")
