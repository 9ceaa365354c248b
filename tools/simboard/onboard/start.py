"""Power on: map the flash, let the boot loader choose a slot, run what that slot holds.

usage: start.py BOARD_FOLDER
       start.py BOARD_FOLDER raw|friendly LABEL SECONDS    after a soft reset: slot and clock stay
"""

import sys

import boardtime
import bootloader
import facts
import faults
import files
import flash
import imagecheck
import machine
import memory
import sharedmemory
import starters

BRICKED = 44
FAILED = 1  # main.py has raised something

_names = {"__name__": "__main__"}


def power_on(folder):
    facts.load(folder)
    flash.attach(memory.map_file(folder + "/flash.bin", facts.get("flash_size")))
    sharedmemory.attach(memory.map_file(folder + "/shared_memory.bin", 4 * sharedmemory.WORDS))
    faults.load(facts.get("faults", []))
    bootloader.mode = facts.get("boot_mode")
    if len(sys.argv) > 2:
        machine.is_soft = True
        boardtime.set_time(int(sys.argv[4]))
        return mount(folder, bootloader.resume(sys.argv[3]))
    slot = bootloader.choose()
    if slot is None:
        print("boot: no slot holds an image that can boot")
        memory.end_process(BRICKED)
    print("boot: running slot %s" % slot.label)
    mount(folder, slot)


def mount(folder, slot):
    start, end = imagecheck.body(slot.view())
    body = slot.view()[start:end]
    if bytes(body[:3]) != files.ROMFS_MAGIC:
        print("boot: this machine cannot execute that image, it panics")
        memory.end_process(machine.PANIC)
    files.mount(folder, body, facts.get("host_paths"))


def run_repl():
    import boardsys
    import boardvfs
    import interrupts
    import repl

    interrupts.install()
    sys.modules["sys"] = boardsys.BoardSys()
    sys.modules["vfs"] = boardvfs.BoardVfs()
    if not machine.is_soft and facts.get("clock") is not None:
        boardtime.set_time(facts.get("clock") - boardtime.epoch())
    repl.run(machine.is_soft and sys.argv[2] == "raw")


def run_plain():
    """Without a prompt: where that would come, nothing but a timer and the watchdog goes on."""
    error = starters.run(_execute)
    if machine.WDT.seconds or "timers" in sys.modules and sys.modules["timers"].is_any():
        print("board: at the prompt")
        while True:
            boardtime.sleep_ms(100)
    if error:
        memory.end_process(FAILED)
    print("boot: main has ended")


def _execute(path):
    try:
        starters.execute(path, _names)
    except SystemExit:
        import restart

        print("MPY: soft reboot")
        restart.soft(False)
    except BaseException as error:
        sys.print_exception(error)
        return error
    return None


if sys.implementation.name == "micropython":
    import boardsocket

    sys.modules["usocket"] = boardsocket  # the built-in one would be as kind as the host
else:
    import board_imports

    board_imports.install()

if sys.implementation.name == "micropython" and not memory.ffi:
    import ticker

    ticker.install()
power_on(sys.argv[1])
starters.install()
if facts.get("repl"):
    run_repl()
else:
    run_plain()
