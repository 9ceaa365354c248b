"""Runs in MicroPython: power cuts at each flash operation while `deploy` switches to what it has copied.

Prints a line for each way in which the old package may lie: in lib/, in the root, nowhere.
"""

import binascii
import os
import sys

import store
import vfs

BLOCK, BLOCKS = 4096, 64
NAMES = ("__init__", "agent", "board")
PACKAGE = ["lib/device/" + name + ".py" for name in NAMES]
OTHERS = ["lib/app.mpy", "certs/a.der", "certs/b.der", "ota.json", "main.py"]


class Cut(Exception):
    pass


class Flash:
    """A block device in RAM. At operation number `cut` the power goes: it raises once, so that the caller
    ends, and nothing has any effect from then on."""

    def __init__(self, memory):
        self.memory = memory
        self.operations = 0
        self.cut = None

    def _is_dead(self):
        self.operations += 1
        if self.operations == self.cut:
            raise Cut
        return self.cut is not None and self.operations > self.cut

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        buffer[:] = self.memory[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self._is_dead():
            return
        start = block * BLOCK + offset
        self.memory[start : start + len(buffer)] = buffer

    def ioctl(self, request, argument):
        if request == 6 and not self._is_dead():
            self.memory[argument * BLOCK : (argument + 1) * BLOCK] = b"\xff" * BLOCK
        return {4: BLOCKS, 5: BLOCK, 6: 0}.get(request, 0)


opened = []


def remembering_open(*arguments):
    file = open(*arguments)
    opened.append(file)
    return file


store.open = remembering_open


def forget_files():
    """A file left to the garbage collector would be closed while no memory can be had."""
    while opened:
        try:
            opened.pop().close()
        except OSError:  # of the dead flash
            pass


def mount(flash):
    """LittleFS on it becomes the root, as on a board."""
    vfs.mount(vfs.VfsLfs2(flash, readsize=64, progsize=64), "/")


def unmount():
    vfs.umount("/")


def write(path, text):
    store.make_folders(path)
    with open(path, "w") as file:
        file.write(text)


def read(path):
    with open(path) as file:
        return file.read()


def prepare(old):
    """old: folder of the old package, "" = none. The new one and a main.py stand in the stage."""
    if old:
        for name in NAMES:
            write(old + "/" + name + ".py", source("old"))
    for path in OTHERS:
        write(path, "old")
    store.begin()
    put_all()


def put_all():
    for path in OTHERS:
        store.put(path, binascii.b2a_base64(b"new"), True)
    for path in PACKAGE:
        store.put(path, binascii.b2a_base64(source("new").encode()), True)


def source(age):
    return "from . import board\nAGE = '%s'\n" % age


def live():
    """What is imported: "old", "new" or "nothing". Nothing is written before that."""
    assert all(read(path) in ("old", "new") for path in OTHERS)
    for name in [name for name in sys.modules if name.startswith("device")]:
        del sys.modules[name]
    try:
        import device
        from device import agent, board
    except ImportError:
        assert not store.live_package()
        return "nothing"
    assert agent.AGE == board.AGE == agent.board.AGE, "a mixture"
    assert store.exists(store.POINTER) or device.AGE == agent.AGE
    return agent.AGE


def again():
    """The next try, whatever the cut has left."""
    store.begin()
    put_all()
    store.commit(True, OTHERS, ["lib/app.py"])
    check_end()


def check_end():
    assert store.live_package() == store.HOME and live() == "new"
    assert {read(path) for path in OTHERS} == {"new"}
    assert sorted(os.listdir()) == ["certs", "lib", "main.py", "ota.json"], os.listdir()
    assert sorted(os.listdir("lib")) == ["app.mpy", "device"], os.listdir("lib")


def play(old):
    first = Flash(bytearray(b"\xff" * (BLOCK * BLOCKS)))
    vfs.VfsLfs2.mkfs(first, readsize=64, progsize=64)
    mount(first)
    prepare(old)
    unmount()
    image = bytes(first.memory)
    seen = {"old": 0, "new": 0, "nothing": 0}
    cut = 0
    while True:
        cut += 1
        flash = Flash(bytearray(image))
        mount(flash)
        flash.operations, flash.cut = 0, cut
        try:
            store.commit(True, OTHERS, ["lib/app.py"])
            break
        except Cut:
            forget_files()
        unmount()
        flash.cut = None
        mount(flash)
        seen[live()] += 1
        again()
        unmount()
    check_end()
    unmount()
    if old:
        assert not seen["nothing"]
    else:
        seen["old"] += seen["nothing"]  # there was none
    name = {"": "nowhere", "device": "root"}.get(old, "lib")
    print(f"{name}: {cut - 1} cuts, {seen['old']} times old, {seen['new']} times new")


vfs.umount("/")
sys.path[:] = ["", "lib"]
for place in ("lib/device", "device", ""):
    play(place)
