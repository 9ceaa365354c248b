"""Ways in which a new application can be broken, each a main.py, and what the old image is to say of it."""

from __future__ import annotations

from typing import NamedTuple

_AGENT = """from device import agent, config
ota = agent.Agent(config.load("ota.json"))
"""
_SPIN = "while True:\n    pass\n"
_OWN_WATCHDOG = "import machine\ndog = machine.WDT(timeout=%d)\n"
_LATE = "still not confirmed after its time"
_HOG = "kept = []\nsize = 50000\nwhile True:\n    %s\n"
_HOLD = """try:
        kept.append(bytearray(size))
    except MemoryError:
        size = size // 2 or 1"""
_WIPE = """import os
for name in %s:
    try:
        os.remove(name)
    except OSError:
        pass
"""


class Application(NamedTuple):
    """causes: the report has one of these in its cause. config: of the board. is_quick: it ends itself, so that
    all of its trials are played."""

    source: str
    causes: tuple[str, ...]
    is_quick: bool = True
    config: dict = {}


def _ends(source: str, *causes: str) -> Application:
    return Application(source, causes)


def _lasts(source: str, *causes: str, **config: int) -> Application:
    return Application(source, causes, False, config)


APPLICATIONS = {
    "import": _ends("import no_such_module\n", "ImportError: no module named 'no_such_module'"),
    "name": _ends("print(no_such_name)\n", "NameError: name 'no_such_name'"),
    "syntax": _ends("exec('1 +')\n", "SyntaxError: invalid syntax"),
    "oserror": _ends("open('/no/such/file')\n", "OSError: [Errno 2] ENOENT"),
    "recursion": _ends("def f():\n    f()\n\n\nf()\n", "RuntimeError: maximum recursion depth exceeded"),
    "own-exception": _ends("class Odd(Exception):\n    def __str__(self):\n        return 1 // 0\n\n\nraise Odd\n", "Odd"),
    "long-text": _ends("raise ValueError('first\\n' + '\\u2603\\x00' * 3000)\n", "??????????"),
    "base-exception": _ends("raise BaseException('from below')\n", "BaseException: from below"),
    "returns": _ends("print('done')\n", "main.py has ended"),
    "exits": _ends("import sys\nsys.exit()\n", "SystemExit"),
    "soft-reset": _ends("import machine\nmachine.soft_reset()\n", "SystemExit"),
    "resets": _ends("import machine\nmachine.reset()\n", "reset"),
    "resets-late": _ends("import machine, time\ntime.sleep(1)\nmachine.reset()\n", "reset"),
    "sleeps-deeply": _ends("import machine\nmachine.deepsleep(50)\n", "deep sleep on trial"),
    "agent-sleeps-deeply": _ends(_AGENT + "import machine\nota.poll()\nmachine.deepsleep(50)\n", "deep sleep on trial"),
    "agent-raises": _ends(_AGENT + "for _ in range(9):\n    ota.poll()\n1 // 0\n", "ZeroDivisionError: divide by zero"),
    "agent-returns": _ends(_AGENT + "ota.poll()\n", "main.py has ended"),
    "memory": _ends(_HOG % "kept.append(bytearray(500))", "MemoryError"),
    "memory-in-a-module": _ends("import device\ndevice.kept = kept = []\nwhile True:\n    kept.append(bytearray(500))\n", "MemoryError"),
    "wipes-records": _ends(_WIPE % '("ota_state.json", "ota_journal.0", "ota_journal.1", "ota_cause")' + "1 // 0\n", "ZeroDivisionError"),
    "wipes-starters": _ends(_WIPE % '("boot.py", "main.py")' + "open('boot.py', 'w').write('while True: pass')\n", "main.py has ended"),
    "unmounts": _ends("import vfs\nvfs.umount('/')\n1 // 0\n", "reset"),
    "forgets-modules": _ends("import sys\nsys.modules.clear()\nsys.path.clear()\n1 // 0\n", "ZeroDivisionError"),
    "bad-configuration": _ends("from device import agent\nagent.main('nothing.json')\n", "main.py has ended"),
    "hangs": _lasts(_SPIN, _LATE),
    "hangs-without-watchdog": _lasts(_SPIN, _LATE, watchdog_s=0),
    "never-polls": _lasts("import time\nwhile True:\n    time.sleep_ms(200)\n", _LATE),
    "catches-all": _lasts("while True:\n    try:\n        1 // 0\n    except BaseException:\n        pass\n", _LATE),
    "sleeps": _lasts("import time\ntime.sleep(100000)\n", _LATE),
    "prints": _lasts("while True:\n    print('.', end='')\n", _LATE),
    "own-watchdog": _lasts(_OWN_WATCHDOG % 9000 + "while True:\n    dog.feed()\n", _LATE),
    "own-watchdog-alone": _lasts(_OWN_WATCHDOG % 9000 + "while True:\n    dog.feed()\n", _LATE, watchdog_s=0),
    "watchdog-for-days": _lasts(_OWN_WATCHDOG % 900_000_000 + _SPIN, _LATE),
    "watchdog-unfed": _lasts(_OWN_WATCHDOG % 2500 + "machine.Timer(-1).deinit()\n" + _SPIN, "watchdog"),
    "agent-hangs": _lasts(_AGENT + _SPIN, "watchdog"),
    "agent-never-polled": _lasts(_AGENT + "while True:\n    ota.feed()\n", _LATE),
    "memory-held": _lasts(_HOG % _HOLD, _LATE, "watchdog", "reset"),
    "fills-the-flash": _lasts("while True:\n    with open('log', 'a') as file:\n        file.write('x' * 99)\n", "OSError", _LATE),
    "timers": _lasts("import machine\nfor n in range(3):\n    machine.Timer(n, period=50, callback=lambda t: 1 // 0)\n" + _SPIN, _LATE),
    "takes-our-timer": _lasts("import machine\nmachine.Timer(3, period=50, callback=print)\n" + _SPIN, "watchdog"),
    "prompt": _lasts("raise KeyboardInterrupt\n", _LATE),
    "asyncio": _lasts("import asyncio\n\n\nasync def main():\n    await asyncio.sleep(100000)\n\n\nasyncio.run(main())\n", _LATE),
}  # fmt: skip
