"""Work per byte: instructions of the client against the floor loop, as the slope between two image sizes."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from tools.bench import cost
from tools.bench.boardcode import IN_PLACE
from tools.bench.site import HEAP, Site
from tools.errors import ToolError

SIZES = (1 << 20, 3 << 20)  # far apart: what handshakes and signatures differ by must not count


def measure(site: Site) -> dict[str, float]:
    """The lines of the group work."""
    results: dict[str, float] = {}
    for transport in ("http", "https"):
        costs = cost.compare(_programs(site, transport))
        client, floor = (_slope(costs, name) for name in ("client", "floor"))
        results[f"work_{transport}"] = client / floor
        if cost.is_counted():
            results[f"floor_{transport}"] = floor
    return results


def _slope(costs: dict[str, float], name: str) -> float:
    small, large = SIZES
    return (costs[f"{name} {large}"] - costs[f"{name} {small}"]) / (large - small)


def _programs(site: Site, transport: str) -> dict[str, Callable]:
    programs: dict[str, Callable] = {}
    for size in SIZES:
        programs[f"client {size}"] = lambda wrap, size=size: _client(site, transport, size, wrap)
        programs[f"floor {size}"] = lambda wrap, size=size: _floor(site, transport, size, wrap)
    return programs


def _client(site: Site, transport: str, size: int, wrap: Callable) -> None:
    site.offer_image(size, transport)
    site.new_board(IN_PLACE)
    run = site.download(wrap(site.board_code.command(HEAP, IN_PLACE, "client")))
    if run.has_failed or run.process.returncode is None:
        raise run.failure("the update failed")


def _floor(site: Site, transport: str, size: int, wrap: Callable) -> None:
    site.offer_image(size, transport)
    site.new_board(IN_PLACE)
    cost.run(wrap(floor_command(site, transport)), site.board, site.board_code.environment)
    if (site.board / "ota_1").read_bytes()[:size] != site.image:
        raise ToolError("the floor loop has lost bytes")


def floor_command(
    site: Site, transport: str, *more: str, heap: int = HEAP, module: str = "floor"
) -> list[str]:
    """The floor loop, or another module with its arguments, for the image that is offered."""
    url = urlsplit(site.offer[f"{transport}_url"])
    ca = "certs/file_ca.der" if transport == "https" else "-"
    arguments = (url.hostname, url.port, url.path, len(site.image), ca, *more)
    return site.board_code.command(heap, IN_PLACE, module, *arguments)
