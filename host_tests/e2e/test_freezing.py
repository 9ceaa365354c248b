"""The package frozen into a MicroPython that is built for it by device/manifest.py, and an update in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bench.boardcode import FROZEN
from tools.bench.site import HEAP, Site
from tools.image import firmware
from tools.programs.frozen import build

LIMIT_S = 300

pytestmark = pytest.mark.skipif(not build.IS_POSSIBLE, reason="it is built for x86-64 Linux only")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("frozen")) as site:
        yield site


def test_every_module_of_the_package_is_in_the_interpreter(site: Site):
    names = sorted(Path(name).stem for name in firmware.package_modules())
    code = "".join(f"import device.{name}\n" for name in names if name != "__init__") + "print('all')"
    site.new_board(FROZEN)
    assert not (site.board / "device").exists()
    interpreter = site.board_code.command(HEAP, FROZEN, "client")[0]
    done = subprocess.run(
        [interpreter, "-c", code], cwd=site.board, env={"MICROPYPATH": ".frozen"}, capture_output=True,
        text=True, timeout=LIMIT_S,
    )  # fmt: skip
    assert done.stdout == "all\n", done.stdout + done.stderr


def test_a_whole_update_over_tls_to_the_confirmed_image(site: Site):
    assert site.update(HEAP, FROZEN) == ""
