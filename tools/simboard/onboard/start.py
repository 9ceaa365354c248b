"""Power on: map the flash, let the boot loader choose a slot, run what that slot holds.

usage: start.py BOARD_FOLDER
"""

import sys

import bootloader
import facts
import faults
import files
import flash
import imagecheck
import machine
import memory
import panel

BRICKED = 44


def power_on(folder):
    facts.load(folder + "/board.json")
    flash.attach(memory.map_file(folder + "/flash.bin", facts.get("flash_size")))
    panel.attach(memory.map_file(folder + "/panel.bin", 4 * panel.WORDS))
    faults.load(facts.get("faults", []))
    bootloader.mode = facts.get("boot_mode")
    slot = bootloader.choose()
    if slot is None:
        print("boot: no slot holds an image that can boot")
        memory.end_process(BRICKED)
    start, end = imagecheck.body(slot.view())
    body = slot.view()[start:end]
    print("boot: running slot %s" % slot.label)
    if bytes(body[:3]) != files.ROMFS_MAGIC:
        print("boot: this machine cannot execute that image, it panics")
        memory.end_process(machine.PANIC)
    files.mount(folder, body, facts.get("host_paths"))


if sys.implementation.name == "micropython":
    import boardsocket

    sys.modules["usocket"] = boardsocket  # the built-in one would be as kind as the host
else:
    import board_imports

    board_imports.install()

power_on(sys.argv[1])
__import__("main")
print("boot: main has ended")
