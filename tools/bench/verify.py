"""What one signature check costs, plain and with the key's table, also in products `a * b % p`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.bench import cost
from tools.bench.boardcode import FILES, IN_PLACE, BoardCode
from tools.bench.site import HEAP
from tools.keys import keytable

CHECKS = (1, 3)
PRODUCTS = (2000, 12000)
SECRET = 0x3A11F2C7E5D4890B6A7C1D2E3F405162738495A6B7C8D9EAFB0C1D2E3F405162  # no secret: to measure with
FORMS = {"plain": (), "table": ("tab",)}


def measure(folder: Path) -> dict[str, float]:
    """The lines of the group verify; folder: empty, for the board."""
    board_code = BoardCode(folder / "code")
    place = folder / "board"
    lay_out(place, board_code, IN_PLACE)
    costs = cost.compare(_programs(board_code, place))
    product = _slope(costs, "product", PRODUCTS)
    results: dict[str, float] = {}
    for form in FORMS:
        one = _slope(costs, form, CHECKS)
        results[f"ecdsa_{form}_mulmods"] = one / product
        if cost.is_counted():
            results[f"ecdsa_{form}"] = one
    return results


def _slope(costs: dict[str, float], name: str, counts: tuple[int, int]) -> float:
    few, many = counts
    return (costs[f"{name} {many}"] - costs[f"{name} {few}"]) / (many - few)


def _programs(board_code: BoardCode, place: Path) -> dict[str, Callable]:
    programs: dict[str, Callable] = {}
    for form, more in FORMS.items():
        for count in CHECKS:
            command = board_code.command(HEAP, IN_PLACE, "signature", count, *more)
            programs[f"{form} {count}"] = _runner(command, board_code, place)
    for count in PRODUCTS:
        command = board_code.command(HEAP, IN_PLACE, "product", count)
        programs[f"product {count}"] = _runner(command, board_code, place)
    return programs


def _runner(command: list[str], board_code: BoardCode, place: Path) -> Callable:
    return lambda wrap: cost.run(wrap(command), place, board_code.environment)


def lay_out(place: Path, board_code: BoardCode, where: str) -> None:
    """A board's folder with a key, its table, a digest and its signature, always the same ones."""
    place.mkdir(parents=True)
    board_code.lay_out(place, where)
    key = ec.derive_private_key(SECRET, ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    message = b"the bench's message"
    signature = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    files = {"key": public, "tab": keytable.build(public), "der": signature}
    for name, content in files.items():
        (place / name).write_bytes(content)
    (place / "digest").write_bytes(hashlib.sha256(message).digest())


def succeeds(board_code: BoardCode, place: Path, heap: int, form: str) -> bool:
    """Does one check fit a heap of that many bytes, the code from .mpy files?"""
    try:
        cost.run(board_code.command(heap, FILES, "signature", 1, *FORMS[form]), place, board_code.environment)
    except Exception:
        return False
    return True
