"""Fixtures of the end-to-end tests: testbeds with short time-outs, and applications to put on boards."""

from __future__ import annotations

import contextlib
import math
import shutil
from pathlib import Path

import apps
import pace
import pytest
from e2e.unprovisioned import UnprovisionedTestbed

from tools.programs import runtimes
from tools.testbed.testbed import Testbed

# Short enough for tests, long enough for two busy cores; for a machine that is slower still see scaled().
FAST = {
    "check_interval_s": 0,
    "wifi_timeout_s": 2,
    "mqtt_timeout_s": 5,
    "subscribe_timeout_s": 5,
    "publish_timeout_s": 5,
    "http_timeout_s": 2,
    "retry_window_s": 30,
    "backoff_max_s": 1,
}
SLACK = 3  # by how much slower than an idle one a machine may be before these are prolonged
FATAL = ("trial_limit_s", "watchdog_s")  # what runs into one of these has failed, so they have no slack
MAIN, *OTHERS = runtimes.WORD_BITS  # MicroPythons


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that names no interpreter plays on the main one, of a table of cases a quarter at a time; and
    now and then on the others."""
    if "make_testbed" in metafunc.fixturenames and "runtime" not in metafunc.fixturenames:
        is_table = metafunc.definition.get_closest_marker("parametrize") is not None
        main = pytest.param(MAIN, marks=pytest.mark.sample(4) if is_table else ())
        others = [pytest.param(name, marks=pytest.mark.sample(24)) for name in OTHERS]
        metafunc.parametrize("make_testbed", [main, *others], indirect=True)


def pytest_configure(config):
    config.addinivalue_line("markers", "code(number, ...): this test proves these error codes")


def scaled(config: dict) -> dict:
    """Its durations for a machine as busy as this one is. They have whole seconds; 0 stays."""
    slowness = max(pace.slowness() for _ in range(3))

    def scale(key: str, value: object) -> object:
        if not (key.endswith("_s") and isinstance(value, int) and value > 0):
            return value
        return math.ceil(value * (slowness if key in FATAL else max(1.0, slowness / SLACK)))

    return {key: scale(key, value) for key, value in config.items()}


class TestTestbed(Testbed):
    """A Testbed whose board runs an application of the test from the start, if one is given."""

    __test__ = False

    def __init__(self, folder: Path, app: Path | None = None, **options: object) -> None:
        super().__init__(folder, **options)
        self._app = app

    def build(self, version: str, app: Path | None = None, next_key: bytes | None = None) -> bytes:
        return super().build(version, app or self._app, next_key)


@pytest.fixture
def testbed_folder(tmp_path: Path) -> Path:
    """Where make_testbed builds, for a test that wants to prepare its keys."""
    return tmp_path / "testbed"


@pytest.fixture
def make_testbed(request: pytest.FixtureRequest, tmp_path: Path, testbed_folder: Path):
    """make_testbed(**options of Testbed) -> a Testbed that is up; config comes on top of FAST."""
    testbeds = []

    def make(*, config: dict | None = None, **options: object) -> Testbed:
        options.setdefault("runtime", getattr(request, "param", MAIN))
        options.setdefault("slot_size", 0x40000 if options["runtime"] == "cpython" else 0x20000)
        testbed = TestTestbed(testbed_folder, config=scaled(FAST | (config or {})), **options)
        testbeds.append(stack.enter_context(testbed))
        return testbed

    with contextlib.ExitStack() as stack:
        yield make
    for testbed in testbeds:  # pytest shows it when the test has failed
        print(*testbed.board.lines, sep="\n")
    shutil.rmtree(tmp_path, ignore_errors=True)  # megabytes of flash for each test


@pytest.fixture
def make_unprovisioned(tmp_path: Path):
    """make_unprovisioned(**options of the board) -> its testbed, the board on; config on top of FAST."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(*, config: dict | None = None, **options: object) -> UnprovisionedTestbed:
            settings = scaled(FAST | (config or {}))
            testbed = UnprovisionedTestbed(tmp_path / f"board{len(made)}", config=settings, **options)
            made.append(stack.enter_context(testbed))
            made[-1].board.power_on()
            return made[-1]

        yield make
    for testbed in made:
        lines = [line[:150] for line in testbed.board.lines if not line.startswith((">R", '["', "null"))]
        print(*lines, sep="\n")
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def make_app(tmp_path: Path):
    """make_app(source of its main.py, more files by name) -> folder for Testbed.build(app=...)."""

    def make(main: str, **files: bytes) -> Path:
        folder = tmp_path / f"app{len(list(tmp_path.glob('app*')))}"
        folder.mkdir()
        (folder / "main.py").write_text(main)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return make


@pytest.fixture
def slow_testbed(make_testbed, make_app):
    """slow_testbed(**config) -> a Testbed whose board runs apps.slow()."""
    held = {"http_timeout_s": pace.seconds(2)}  # so long a download hangs
    return lambda **config: make_testbed(app=make_app(apps.slow()), config=held | config)
