"""Lets device code, the board's shims and the portable tests be imported by pytest on CPython."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parent.parent
PORTABLE = REPO / "host_tests" / "portable"
PACKETS = REPO / "tools/server/packets"

for folder in (PORTABLE, PACKETS, REPO / "tools/simboard/onboard", REPO / "tools/simboard/cpython", REPO):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from tools.programs import cache  # noqa: E402

# Each process of a run reads all tests: what one has compiled, with pytest's asserts, serves the others and
# the next run, also where Python was told to leave nothing beside the sources.
sys.dont_write_bytecode, sys.pycache_prefix = False, str(cache.CACHE / "pycache")

import board_imports  # noqa: E402
from progress import Progress  # noqa: E402

from tools.commands.test import MISSING, SAMPLED, SAMPLES  # noqa: E402
from tools.image import firmware, romfs  # noqa: E402
from tools.keys import pki  # noqa: E402
from tools.programs import runtimes, sdists  # noqa: E402
from tools.testbed import sampling  # noqa: E402
from tools.testbed.served import Served  # noqa: E402

sdists.hide_stubs()
board_imports.install()
collect_ignore = ["portable/run.py"]

# host_tests/fuzz: the same examples in each run, or, with --hypothesis-profile=long, new ones for hours.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "default", derandomize=True, max_examples=500, deadline=10000, database=None, suppress_health_check=SLOW
)
settings.register_profile("long", settings.get_profile("default"), derandomize=False, max_examples=20000)
settings.load_profile("default")


# Files with tests that wait, a minute or two on a busy machine: begun last, one would hold up a whole run.
LONG = {
    "test_checkouts.py", "test_file_server_outages.py", "test_kept_downloads.py",
    "test_kept_over_reboots.py", "test_near.py", "test_no_secrets.py", "test_noise.py",
    "test_outages.py", "test_tls_memory.py", "test_trial_network.py",
}  # fmt: skip


def pytest_collection_finish() -> None:
    """What is there now stays: device.phases collects garbage often, which would take minutes."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    umqtt = str(runtimes.umqtt())
    if umqtt not in sys.path:
        sys.path.append(umqtt)
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(Progress())
    config.addinivalue_line("markers", "sample(k): one in k of these plays in `test`, chosen by the commit")
    config.addinivalue_line("markers", "quick_sample(k): one in k of these plays in `test --quick`")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out interpreters that cannot be had here, and of long tests what the commit did not choose."""
    missing = set(os.environ.get(MISSING, "").split())
    seen: Counter[int] = Counter()
    kept, left_out = [], []
    for item in items:
        is_chosen = not missing & _texts(item)
        of = _sample_of(item)
        if of > 1:
            is_chosen &= sampling.chosen(seen[of], of)
            seen[of] += 1
        (kept if is_chosen else left_out).append(item)
    items[:] = _long_first(kept)
    if left_out:
        config.hook.pytest_deselected(items=left_out)


def _long_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """At the beginning of what each worker of pytest-xdist gets, a piece of the list."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.path.name in LONG]
    rest = [item for item in items if item.path.name not in LONG]
    size = -(-len(rest) // count)
    pieces = [long[n::count] + rest[n * size : (n + 1) * size] for n in range(count)]
    return [item for piece in pieces for item in piece]


def _sample_of(item: pytest.Item) -> int:
    """In this tier, of how many tests like this one is played?"""
    names = SAMPLES.get(os.environ.get(SAMPLED, ""), ())
    return max((mark.args[0] for name in names for mark in item.iter_markers(name)), default=1)


def _texts(item: pytest.Item) -> set[str]:
    """The parameters that are texts, names of interpreters among them."""
    callspec = getattr(item, "callspec", None)
    return {value for value in callspec.params.values() if isinstance(value, str)} if callspec else set()


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
    for paths, prefix in ((package, "device/"), (PORTABLE.glob("*.py"), ""), (PACKETS.glob("*.py"), "")):
        for path in paths:
            code = romfs.compile_module(path, prefix + path.name)
            (target / f"{prefix}{path.stem}.mpy").write_bytes(code)
    return target


@pytest.fixture(scope="module")
def keys(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet's folder of keys, for the boards that the module names in MACS."""
    folder = tmp_path_factory.mktemp("fleet") / "keys"
    pki.make_all(folder, getattr(request.module, "MACS", []))
    return folder


@pytest.fixture
def served(keys: Path, tmp_path: Path) -> Iterator[Served]:
    """`serve` for that fleet, as a process."""
    with Served(tmp_path / "server", keys) as one:
        yield one
