"""A simulated board starts with an image that is of its kind and fits its slot, or is not made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.commands import simboard
from tools.errors import ToolError
from tools.image import images
from tools.simboard.board import WIFI_OFF_WORD, SimBoard
from tools.simboard.factory import create
from tools.testbed.testbed import MAC

IMAGES = {
    "esp32": images.esp32_image(b"code" * 300, "1.0.0"),
    "wm": images.wm_image(b"body" * 100, "1.0.0"),
    "raw": b"\x01" * 500,
}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("wanted", [*IMAGES, None])
def test_an_image_is_of_the_kind_that_the_configuration_says(
    kind: str, wanted: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "image"
    path.write_bytes(IMAGES[kind])
    config = {"image": wanted} if wanted else {}
    if kind == (wanted or "esp32"):
        assert simboard._image(path, config) == IMAGES[kind]
    else:
        with pytest.raises(ToolError, match=f'{path} is .*(of kind {kind}, |"image": "raw")'):
            simboard._image(path, config)


def test_an_image_fits_its_slot(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    too_large = bytes(0x1001)
    with pytest.raises(ToolError, match="4,097 bytes, a slot of this board 4,096"):
        create(tmp_path / "board", too_large, {}, tmp_path / "certs", mac=MAC, slot_size=0x1000)
    assert not (tmp_path / "board").exists()


def test_a_folder_of_before_the_counters_had_their_name_is_still_a_board(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    board = create(tmp_path / "board", IMAGES["esp32"], {}, tmp_path / "certs", mac=MAC, runtime="cpython")
    board.wifi(False)
    (board.folder / "shared_memory.bin").rename(board.folder / "panel.bin")
    assert SimBoard(board.folder).counter(WIFI_OFF_WORD) == 1
    assert not (board.folder / "panel.bin").exists()
