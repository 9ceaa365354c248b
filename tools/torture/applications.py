"""Ways in which a new application can be broken, each a main.py, and what the old image is to say of it."""

from __future__ import annotations

from typing import NamedTuple

LATE = "still not confirmed after its time"


class Application(NamedTuple):
    """causes: the report has one of these in its cause. lasts: only time ends it, so that one trial is played
    instead of all. config: of the board."""

    source: str
    causes: list[str]
    lasts: bool = False
    config: dict[str, int] = {}


# Each begins with a line "== name: cause | another cause".
_ENDS = """
== import: ImportError: no module named 'no_such_module'
import no_such_module
== name: NameError: name 'no_such_name'
print(no_such_name)
== syntax: SyntaxError: invalid syntax
exec("1 +")
== oserror: OSError: [Errno 2] ENOENT
open("/no/such/file")
== recursion: RuntimeError: maximum recursion depth exceeded
def f():
    f()
f()
== own-exception: Odd
class Odd(Exception):
    def __str__(self):
        return 1 // 0
raise Odd
== long-text: ??????????
raise ValueError("first" + chr(10) + (chr(0) + chr(0x2603)) * 3000)
== base-exception: BaseException: from below
raise BaseException("from below")
== returns: main.py has ended
print("done")
== exits: SystemExit
import sys
sys.exit()
== soft-reset: SystemExit
import machine
machine.soft_reset()
== resets: reset
import machine
machine.reset()
== resets-late: reset
import machine, time
time.sleep(1)
machine.reset()
== resets-by-timer: reset
import machine
machine.Timer(0, period=100, callback=lambda timer: machine.reset())
while True:
    pass
== sleeps-deeply: deep sleep on trial
import machine
machine.deepsleep(50)
== agent-sleeps-deeply: deep sleep on trial
import machine
from device import agent, config
ota = agent.Agent(config.load("ota.json"))
ota.poll()
machine.deepsleep(50)
== agent-raises: ZeroDivisionError: divide by zero
from device import agent, config
ota = agent.Agent(config.load("ota.json"))
for _ in range(9):
    ota.poll()
1 // 0
== agent-returns: main.py has ended
from device import agent, config
agent.Agent(config.load("ota.json")).poll()
== no-configuration: 'cannot read nothing.json'
from device import agent
agent.main("nothing.json")
== memory: MemoryError
kept = []
while True:
    kept.append(bytearray(500))
== memory-in-a-module: MemoryError
import device
device.kept = kept = []
while True:
    kept.append(bytearray(500))
== wipes-records: ZeroDivisionError
import os
for name in "ota_state.json", "ota_journal.0", "ota_journal.1", "ota_cause":
    try:
        os.remove(name)
    except OSError:
        pass
1 // 0
== spoils-boot: main.py has ended
for name in "boot.py", "main.py":
    with open(name, "w") as file:
        file.write("while True: pass")
== unmounts: reset
import vfs
vfs.umount("/")
1 // 0
== forgets-modules: ZeroDivisionError
import sys
sys.modules.clear()
sys.path.clear()
1 // 0
"""

_LASTS = f"""
== hangs: {LATE}
while True:
    pass
== hangs-without-watchdog: {LATE}
while True:
    pass
== never-polls: {LATE}
import time
while True:
    time.sleep_ms(200)
== sleeps: {LATE}
import time
time.sleep(100000)
== asyncio: {LATE}
import asyncio
async def main():
    await asyncio.sleep(100000)
asyncio.run(main())
== catches-all: {LATE}
while True:
    try:
        1 // 0
    except BaseException:
        pass
== prints: {LATE}
while True:
    print(".", end="")
== prompt: {LATE}
raise KeyboardInterrupt
== own-watchdog: {LATE}
import machine
dog = machine.WDT(timeout=9000)
while True:
    dog.feed()
== own-watchdog-without-ours: {LATE}
import machine
dog = machine.WDT(timeout=9000)
while True:
    dog.feed()
== watchdog-for-days: {LATE}
import machine
machine.WDT(timeout=900_000_000)
while True:
    pass
== watchdog-for-days-without-timer: watchdog
import machine, time
machine.WDT(timeout=900_000_000)
time.sleep(2)
machine.Timer(-1).deinit()
while True:
    pass
== takes-our-timer: watchdog
import machine
machine.Timer(3, period=50, callback=print)
while True:
    pass
== timers: {LATE}
import machine
for number in range(3):
    machine.Timer(number, period=50, callback=lambda timer: 1 // 0)
while True:
    pass
== agent-hangs: watchdog
from device import agent, config
ota = agent.Agent(config.load("ota.json"))
while True:
    pass
== agent-fed-and-never-polled: {LATE}
from device import agent, config
ota = agent.Agent(config.load("ota.json"))
while True:
    ota.feed()
== memory-held: {LATE} | watchdog | reset
kept, size = [], 50000
while True:
    try:
        kept.append(bytearray(size))
    except MemoryError:
        size = size // 2 or 1
== fills-the-flash: OSError | {LATE}
while True:
    with open("log", "a") as file:
        file.write("x" * 99)
"""


def _read(text: str, lasts: bool) -> dict[str, Application]:
    found = {}
    for part in text.split("\n== ")[1:]:
        head, source = part.split("\n", 1)
        name, causes = head.split(": ", 1)
        config = {"watchdog_s": 0} if "-without-watchdog" in name or "-without-ours" in name else {}
        found[name] = Application(source + "\n", causes.split(" | "), lasts, config)
    return found


APPLICATIONS = _read(_ENDS, False) | _read(_LASTS, True)
