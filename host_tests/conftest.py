"""Lets device code, the board's shims and the portable tests be imported by pytest on CPython."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parent.parent
PORTABLE = REPO / "host_tests" / "portable"

for folder in (PORTABLE, REPO / "tools/simboard/onboard", REPO / "tools/simboard/cpython", REPO):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import board_imports  # noqa: E402

from tools import firmware, romfs, runtimes, umqtt_source  # noqa: E402

umqtt_source.hide_stubs()
board_imports.install()
collect_ignore = ["portable/run.py"]

# host_tests/fuzz: the same examples in each run, or, with --hypothesis-profile=long, new ones for hours.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "default", derandomize=True, max_examples=500, deadline=10000, database=None, suppress_health_check=SLOW
)
settings.register_profile("long", settings.get_profile("default"), derandomize=False, max_examples=20000)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _portable_surroundings(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A portable test may write files where it stands; device.link finds umqtt."""
    if PORTABLE not in Path(request.path).parents:
        return
    request.getfixturevalue("monkeypatch").chdir(tmp_path)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with .mpy files of the device package and of the tests."""
    target = tmp_path_factory.mktemp("compiled")
    (target / "device").mkdir()
    package = firmware.package_modules().values()
    for paths, prefix in ((package, "device/"), (PORTABLE.glob("*.py"), "")):
        for path in paths:
            code = romfs.compile_module(path, prefix + path.name)
            (target / f"{prefix}{path.stem}.mpy").write_bytes(code)
    return target


def pytest_configure() -> None:
    umqtt = str(runtimes.umqtt())
    if umqtt not in sys.path:
        sys.path.append(umqtt)
