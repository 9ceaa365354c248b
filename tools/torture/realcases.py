"""What happens to the real boards of the sample: every class of faults, a few cases each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from device import errors
from tools.server.files import Fault
from tools.simboard.board import BLOCK
from tools.testbed.relay import TO_SERVER, Trouble
from tools.testbed.testbed import Testbed

WAIT_S = 900  # only ends a hang
CONFIG = {"check_interval_s": 0, "retry_window_s": 3600, "backoff_max_s": 1, "checkpoint_kib": 8,
          "subscribe_timeout_s": 60, "publish_timeout_s": 60}  # fmt: skip
IMPATIENT = {  # where somebody falls silent; elsewhere a slow machine may take the time that it takes
    "wifi_timeout_s": 3, "mqtt_timeout_s": 5, "subscribe_timeout_s": 5, "publish_timeout_s": 5,
    "http_timeout_s": 3, "keepalive_s": 6,
}  # fmt: skip
RESETS = "import machine\nmachine.reset()\n"
HANGS = """from device import agent, config

settings = config.load("ota.json")
settings.watchdog_s = 3
agent.Agent(settings)
while True:
    pass
"""


def _nothing(testbed: Testbed) -> None:
    pass


@dataclass
class RealCase:
    """faults, wifi_drops: see SimBoard.inject. before(testbed): with the power still off; during(testbed):
    once it is on. main: source of the new image's main.py. code: that must be reported, None = any or
    none."""

    id: str
    faults: list = field(default_factory=list)
    wifi_drops: list = field(default_factory=list)
    before: Callable[[Any], None] = _nothing
    during: Callable[[Any], None] = _nothing
    main: str | None = None
    config: dict = field(default_factory=dict)
    boot_mode: str = "idf"
    transport: str = "https"
    expect: str = "new"
    code: int | None = None


def make_cases(operations: int) -> list[RealCase]:
    """operations: of the flash, in an undisturbed update."""
    return [
        *_power(operations), *_killed(), *_flash(operations), *_trials(), *_links(), *_servers(),
        *_small_heaps(),
    ]  # fmt: skip


def _power(operations: int) -> list[RealCase]:
    kinds = (["before"], ["torn", 7], ["after"])
    cuts = [
        RealCase(f"real/cut/{number}-{kinds[at % 3][0]}", [[number, *kinds[at % 3]]],
                 boot_mode="w80x" if at % 4 == 3 else "idf")
        for at, number in enumerate(range(3, operations))
    ]  # fmt: skip
    middle = operations // 2
    pairs = [
        RealCase(f"real/pairs/{first}-{second}", [[first, "before"], [second, "torn", 5]])
        for first, second in ((9, 14), (middle, middle + 3), (operations - 9, operations - 2))
    ]
    return cuts + pairs


def _killed() -> list[RealCase]:
    """SIGKILL from outside, wherever the board happens to be."""
    return [RealCase(f"real/kill/{n}", during=partial(_kill, wait_s=0.25 + 0.13 * n)) for n in range(20)]


def _kill(testbed: Testbed, wait_s: float) -> None:
    time.sleep(wait_s)
    testbed.board.cut_power()
    testbed.board.power_on()


def _flash(operations: int) -> list[RealCase]:
    writes = (7, operations // 3 | 1)
    return [
        *(RealCase(f"real/flash/{n}-{kind}", [[n, kind]]) for n in writes for kind in ("ignore", "error")),
        *(RealCase(f"real/read/{n}", [[n, "read_error"]]) for n in range(300, 1300, 25)),
    ]


def _trials() -> list[RealCase]:
    condemned = {"expect": "old", "code": errors.ROLLED_BACK}
    return [
        RealCase("real/dies/resets", main=RESETS, **condemned),
        RealCase("real/dies/hangs", main=HANGS, config={"trial_attempts": 2}, **condemned),
    ]


def _links() -> list[RealCase]:
    cases = []
    places = {"cut": 900, "reset": 9000, "stall": 20000, "trickle": 3000, "garbage": 12000}
    for kind, place in places.items():
        for transport in ("https", "http"):
            if (kind, transport) != ("garbage", "http"):  # nothing but TLS notices that at once
                plan = partial(_plan, proxy=f"{transport}_proxy", trouble=Trouble(kind, place))
                name = f"real/link/{transport}-{kind}"
                cases.append(RealCase(name, before=plan, transport=transport, config=IMPATIENT))
    for kind, place in (("cut", 1110), ("stall", 1310), ("garbage", 1010), ("reset", 1610)):
        plan = partial(_plan, proxy="broker_proxy", trouble=Trouble(kind, place))
        cases.append(RealCase(f"real/link/broker-{kind}", before=plan, config=IMPATIENT))
    mute = partial(_plan, proxy="broker_proxy", trouble=Trouble("stall", 1500, TO_SERVER))
    return [*cases, RealCase("real/link/broker-mute", before=mute, config=IMPATIENT)]


def _plan(testbed: Any, proxy: str, trouble: Trouble) -> None:
    getattr(testbed, proxy).plan(trouble)


def _servers() -> list[RealCase]:
    busy = partial(_fail, faults=[Fault(status=503), Fault(cut_after=3 * BLOCK), Fault(status=429)])
    whole = partial(_fail, faults=[Fault(cut_after=3 * BLOCK), Fault(ignore_range=True)])
    slow = [Fault(stall_after=4 * BLOCK)]
    return [
        RealCase("real/answer/busy", before=busy),
        RealCase("real/answer/whole", before=whole),
        RealCase(
            "real/away/broker", before=partial(_fail, faults=slow), during=_restart_broker, config=IMPATIENT
        ),
        RealCase("real/away/files", before=partial(_fail, faults=slow), during=_files_away, config=IMPATIENT),
        RealCase("real/clock/dead", before=_dead_clock, during=_clock_returns),
        *(
            RealCase(f"real/wifi/{start}-{ms}", wifi_drops=[[start, ms]], config=IMPATIENT)
            for start, ms in ((50, 300), (300, 3000), (450, 100))
        ),
    ]


def _fail(testbed: Testbed, faults: list[Fault]) -> None:
    for fault in faults:
        testbed.files.fail(fault)


def _wait_sent(testbed: Testbed) -> None:
    deadline = time.monotonic() + WAIT_S
    while not any(request.sent for request in testbed.files.requests) and time.monotonic() < deadline:
        time.sleep(0.02)


def _restart_broker(testbed: Testbed) -> None:
    _wait_sent(testbed)
    testbed.broker.kill()
    time.sleep(1)
    testbed.broker.start()


def _files_away(testbed: Testbed) -> None:
    _wait_sent(testbed)
    testbed.https_proxy.down()
    time.sleep(2)
    testbed.https_proxy.up()


def _dead_clock(testbed: Testbed) -> None:
    testbed.ntp.mode = "dead"


def _clock_returns(testbed: Testbed) -> None:
    testbed.board.wait_for(str(errors.NO_CLOCK), WAIT_S)
    testbed.ntp.mode = "valid"


def _small_heaps() -> list[RealCase]:
    """With too little memory nothing is half done; with enough again the update is."""
    return [
        RealCase(f"real/heap/{kib}", before=partial(_shrink, kib=kib), during=_give_memory_back)
        for kib in range(40, 200, 4)
    ]


def _shrink(testbed: Testbed, kib: int) -> None:
    testbed.board.facts["heap_kib"] = kib


def _give_memory_back(testbed: Testbed) -> None:
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and not any("confirmed" in line for line in testbed.board.lines):
        time.sleep(0.1)
    testbed.board.cut_power()
    testbed.board.facts["heap_kib"] = 192
    testbed.board.power_on()
