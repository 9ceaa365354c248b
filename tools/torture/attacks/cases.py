"""What attacks and their honest twins have in common."""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]

NOW = 1_800_000_000  # virtualtime.START_S
DAY_S = 86_400
MINUTE_MS = 60_000


def attack(identity: object, *codes: int, **case: Any) -> Case:
    """Nothing of it may be taken, one of `codes` must be reported (none given: nothing may be), and then
    the owner's update must be taken. See world/siege.py for the rest."""
    told: Case = {"codes": list(codes)} if codes else {"silent": True}
    return {"id": str(identity), "phases": ["attack", "honest"], **told, **case}


def after_success(identity: object, *codes: int, **case: Any) -> Case:
    """The same, when the owner's update has been taken already."""
    return attack(identity, *codes, **case) | {"phases": ["honest", "attack"]}


def twin(identity: object, **case: Any) -> Case:
    """What looks like an attack and is none: it must be taken."""
    image = case.get("image", "new")
    return {"id": f"twin-{identity}", "phases": ["twin"], "honest": image, **case}


def is_twin(case: Case) -> bool:
    return case["phases"] == ["twin"]
