"""Attacks by what is served: bent images, images of others, old ones, and flash that changes afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from device import errors
from tools.torture.attacks import cases
from tools.torture.attacks.cases import Case, after_success, attack, control
from tools.torture.attacks.forge import TRAILERS, Ground
from tools.torture.attacks.signatures import FIELD, other_signature
from tools.torture.fixture import BLOCK, SLOT_SIZE

_ODD_LABELS = (
    " 1.0.2", "1.0.2 ", "1.0.2.0", "01.0.2", "1.00.2", "1.0.-2", "+1.0.2", "1.0", "1", "", "1..2", ".1.0.2",
    "1.0.2.", "v1.0.2", "1.0.2-rc", "1.0.100", "100.0.0", "1.0.\u0662", "\u0661.0.2", "1,0,2", "1.0.2\u0000",
    "1.0.0x2", "1e1.0.0", "1.0.2\n", "1_0.0.2", "\uff11.0.2", "1.0.\u00b2", None, 2, 1.2, [1, 0, 2], True,
)  # fmt: skip
_DAMAGE = (errors.SHA256_ECDSA, errors.CRC_ERROR, errors.HEADER_INVALID, errors.SIZE_MISMATCH,
           errors.WRONG_BOARD)  # fmt: skip
_ATTEMPTS = 3  # "trial_attempts" by default
_SMALLEST = 65  # bytes of an image that is looked at


def images(ground: Ground) -> Iterator[Case]:
    """Arbitrary bytes, a bit flipped anywhere, cut, extended; another one's signature."""
    image, size = ground.images["new"], len(ground.images["new"])
    for bit in [*range(0, 8 * 64, 32), *range(8 * 64, 8 * size, 6007), *range(8 * size - 800, 8 * size, 61)]:
        yield attack(f"flip-{bit}", *_DAMAGE, answer={"content": ["flip", bit]}, needs_downloads=1)
    for real in (1, 63, 64, 95, 96, BLOCK, size - 256, size - 1):
        codes = _DAMAGE if real >= _SMALLEST else (errors.BAD_MESSAGE,)
        yield attack(f"cut-{real}", *codes, answer={"content": ["size", real]}, offer={"size": real})
    for name, tail in (("zero", "00"), ("code", image[:500].hex()), ("trailer", image[-80:].hex()),
                       ("ff", "ff" * 64)):  # fmt: skip
        long = size + len(tail) // 2
        yield attack(f"extended-{name}", *_DAMAGE, answer={"content": ["append", tail]}, offer={"size": long})
    for name in ("older", "next", "same", "other-board", "nameless"):
        served = {"size": len(ground.images[name]), "version": "1.0.1"}
        yield attack(f"signature-of-new-on-{name}", *_DAMAGE, image=name, offer=_signature(ground) | served)
    yield attack("other-key", errors.SHA256_ECDSA, image="foreign")
    yield attack("empty", errors.SIZE_MISMATCH, answer={"content": ["size", 0]})
    yield attack("empty-offered", errors.BAD_MESSAGE, answer={"content": ["size", 0]}, offer={"size": 0})
    for name, text in (
        ("text", "no firmware at all " * 500),
        ("nul", "\0" * size),
        ("script", "import os\n" * 999),
    ):
        yield attack(name, *_DAMAGE, answer={"body": text, "headers": {"Content-Length": len(text)}},
                     offer={"size": len(text)})  # fmt: skip
    yield control("new")
    yield control("next", image="next")


def _signature(ground: Ground) -> Case:
    return {"sig-sha256-ecdsa": ground.offers["new"]["sig-sha256-ecdsa"]}


def rollback(ground: Ground) -> Iterator[Case]:
    """Images that the owner did sign, but which are not what this board should get."""
    yield attack("older", errors.DOWNGRADE, image="older", untouched=True)
    for label in ("1.0.1", "1.0.2", "99.99.99"):
        yield attack(f"older-as-{label}", errors.HEADER_INVALID, image="older", offer={"version": label})
        yield attack(f"same-as-{label}", errors.HEADER_INVALID, image="same", offer={"version": label})
    yield attack("same", errors.SAME_VERSION, image="same", untouched=True)
    yield attack("new-as-99.99.99", errors.HEADER_INVALID, offer={"version": "99.99.99"})
    yield attack("new-as-running", errors.SAME_VERSION, offer={"version": "1.0.0"}, untouched=True)
    yield attack("next-as-new", errors.HEADER_INVALID, image="next", offer={"version": "1.0.1"})
    yield after_success("yesterday", errors.DOWNGRADE, image="same", untouched=True)
    yield after_success("yesterday-as-newer", errors.HEADER_INVALID, image="same", offer={"version": "1.0.2"})
    yield after_success("again", errors.SAME_VERSION, image="new", untouched=True)
    for version in ("1.0.2", "1.1.0", "2.0.0"):  # confirmed once; then an old image came by cable
        yield attack(f"min-version-{version}", errors.DOWNGRADE, state={"floor": version}, untouched=True) | {
            "valid": "last"
        }
    if ground.mode == "idf":  # the other cannot return
        yield from _failed_trials(ground)
    for label in _ODD_LABELS:
        yield attack(
            f"label-{ascii(label)}", errors.BAD_MESSAGE, image="next", offer={"version": label},
            untouched=True,
        )  # fmt: skip
    yield control("at-the-minimum", state={"floor": "1.0.1"})
    yield control("last-version", image="last")


def _failed_trials(ground: Ground) -> Iterator[Case]:
    """99.99.99 dies at each start. It stays refused, and 1.0.1 is still an update."""
    dies: Case = {"image": "last", "failing": "last", "steps": [["failing", 0, "reset", None]]}
    dies |= {"ends_ms": 10 * cases.MINUTE_MS, "max_boots": 1 + 2 * _ATTEMPTS}
    yield attack("failed", errors.ROLLED_BACK, **dies)
    often: Case = {"pushes": 9, "watches": True, **dies}
    yield attack("failed-again", errors.REFUSED_IMAGE, max_downloads=1, **often)
    signed_anew = [{FIELD: other_signature(ground.offers["last"][FIELD])}] * 8
    yield attack("failed-and-signed-anew", errors.REFUSED_IMAGE, broker_script=[{}, *signed_anew], **often)


def identity(ground: Ground) -> Iterator[Case]:
    """The owner's signature is good, but it is for another product, chip or kind, or says nothing clear."""
    early = {"untouched": True}
    yield attack("board", errors.WRONG_BOARD, image="other-board")
    yield attack("kind", errors.HEADER_INVALID, image="other-kind", **early)
    yield attack("kind-none", errors.HEADER_INVALID, image="no-head", **early)
    yield attack("too-big", errors.FW_OVERFLOW, image="too-big", **early)
    without = errors.WRONG_BOARD if ground.mode == "idf" else errors.VERSION_UNKNOWN  # a trailer
    yield attack("nameless", without, image="nameless")
    for size in (SLOT_SIZE + 1, 2**31 - 1):
        yield attack(f"size-{size}", errors.FW_OVERFLOW, offer={"size": size}, **early)
    if ground.mode == "idf":
        yield attack("chip", errors.WRONG_BOARD, image="other-chip", **early)
    wrong = {"prefix-board", "case-board", "space-board", "nul-board", "dup-keys"}
    for name in TRAILERS:
        code = errors.WRONG_BOARD if name in wrong else errors.HEADER_INVALID
        unclear = (without, errors.VERSION_UNKNOWN, errors.SIZE_MISMATCH)
        yield attack(f"trailer-{name}", code, *unclear, image=name)
    yield attack("trailer-far", errors.HEADER_INVALID, errors.SIZE_MISMATCH, image="far-trailer")
    yield attack("trailer-twice", errors.WRONG_BOARD, errors.SIZE_MISMATCH, image="twice-other")
    if ground.mode == "w80x":
        yield attack("gap", errors.SIZE_MISMATCH, image="gap")
        yield control("no-trailer", image="plain")
    else:
        yield attack("no-trailer", errors.WRONG_BOARD, errors.VERSION_UNKNOWN, image="plain")
    yield control("unnamed-allowed", image="nameless", config={"accept_unversioned": True})
    yield control("longest-trailer", image="control-long-board")


def changed_flash(ground: Ground) -> Iterator[Case]:
    """The flash holds something else after the signature was found good, or before it is verified."""
    trace = ground.trace
    start, size = trace.slot_address, len(ground.images["new"])
    codes = (errors.HEADER_INVALID, errors.FLASH, errors.SHA256_ECDSA, errors.CRC_ERROR)
    for at in [64, 65, 200, 288, BLOCK - 1, BLOCK, 2 * BLOCK + 5, 9_000]:
        yield attack(f"flip-{at}", *codes, after_verify=[["flip", 8 * (start + at)]])
    other = ground.images["same"]
    for name, data in (("zero", bytes(64)), ("other", other[:64])):
        yield attack(f"head-{name}", *codes, after_verify=[["put", [start, data.hex()]]])
    yield attack("whole", *codes, after_verify=[["put", [start, other.hex()]]])
    yield attack("body", *codes, after_verify=[["put", [start + 64, other[64:].hex()]]])
    step = trace.step_after(trace.slot_writes()[-1])
    for at in range(64, size, 457):
        yield attack(f"before-{at}", *codes, steps=[[1, step, "flip", 8 * (start + at)]])
    yield control("its-own-head", after_verify=[["put", [start, ground.images["new"][:64].hex()]]])
    yield control("elsewhere", after_verify=[["flip", 8 * (start + SLOT_SIZE - 5)]])
