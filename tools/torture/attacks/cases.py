"""What attacks and their control cases have in common."""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]

NOW = 1_800_000_000  # virtualtime.START_S
DAY_S = 86_400
MINUTE_MS = 60_000


def attack(identity: object, *codes: int, **case: Any) -> Case:
    """Nothing of it may be taken, one of `codes` must be reported (none given: nothing may be), and then
    the owner's update must be taken. See simulation/attackverifier.py for the rest."""
    expected: Case = {"codes": list(codes)} if codes else {"silent": True}
    return {"id": str(identity), "phases": ["attack", "valid"], **expected, **case}


def after_success(identity: object, *codes: int, **case: Any) -> Case:
    """The same, when the owner's update has been taken already."""
    return attack(identity, *codes, **case) | {"phases": ["valid", "attack"]}


def control(identity: object, **case: Any) -> Case:
    """A valid case that looks like an attack: it must be taken."""
    image = case.get("image", "new")
    return {"id": f"control-{identity}", "phases": ["control"], "valid": image, **case}


def is_control(case: Case) -> bool:
    return case["phases"] == ["control"]
