"""Format the board's LittleFS and copy the folder `fs` of the board folder into it.

usage: provision.py BOARD_FOLDER              format and fill
       provision.py BOARD_FOLDER FILE         print one file of it
       provision.py BOARD_FOLDER again FILE   copy only that one; the others stay as they are
"""

import os
import sys

import facts
import files
import flash
import memory
import sharedmemory
import vfs


def open_flash(folder):
    facts.load(folder)
    flash.attach(memory.map_file(folder + "/flash.bin", facts.get("flash_size")))
    sharedmemory.attach(memory.map_file(folder + "/shared_memory.bin", 4 * sharedmemory.WORDS))


def copy(source, target):
    for name, kind, *_ in os.ilistdir(source):
        if kind == 0x4000:
            os.mkdir(target + "/" + name)
            copy(source + "/" + name, target + "/" + name)
        else:
            copy_file(source + "/" + name, target + "/" + name)


def copy_file(source, target):
    with open(source, "rb") as old, open(target, "wb") as new:
        new.write(old.read())


folder = sys.argv[1]
open_flash(folder)
partition = files.data_partition()
if len(sys.argv) == 2:
    vfs.VfsLfs2.mkfs(partition, readsize=64, progsize=64)
vfs.mount(vfs.VfsLfs2(partition, readsize=64, progsize=64), "/lfs")
if len(sys.argv) == 2:
    copy(folder + "/fs", "/lfs")
elif sys.argv[2] == "again":
    copy_file(folder + "/fs/" + sys.argv[3], "/lfs/" + sys.argv[3])
else:
    with open("/lfs/" + sys.argv[2]) as file:
        print(file.read(), end="")
