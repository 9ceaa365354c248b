"""A whole update in the heap of a stock board: what Wi-Fi leaves of ESP-IDF's memory, beside the first area.

As on the board, the heap grows into the memory that TLS needs (tools/bench/room.py). Wi-Fi has had its part
before, or takes it first or late: the order must not matter.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.bench.room import BOARDS, play
from tools.bench.site import Site
from tools.programs.frozen import build

LEFT = {
    "esp32c3_room": 45_000,
    "esp32_room": 95_000,
    "esp32_room_in_place": 45_000,
    "esp32_room_frozen": 45_000,
}
WIFI = {"apart": 0, "first": 40_200, "late": 40_200}  # bytes, with the heads of the blocks

pytestmark = pytest.mark.skipif(not build.IS_POSSIBLE, reason="it is built for x86-64 Linux only")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("room")) as site:
        yield site


@pytest.mark.parametrize("wifi", WIFI)
@pytest.mark.parametrize("name", LEFT)
def test_an_update_fits_a_stock_board(site: Site, name: str, wifi: str):
    outcome = play(site, BOARDS[name], LEFT[name] + WIFI[wifi], wifi)
    assert not outcome.failure, outcome


def test_too_little_is_said_to_be_so(site: Site):
    """One TLS connection alone takes more."""
    assert play(site, BOARDS["esp32_room_frozen"], 20_000).failure
