"""The file systems of the simulated board: LittleFS in its own partition, ROMFS in the slot.

CPython has neither: there the file system is the host folder `fs` and the slot is unpacked.
"""

import sys

import partitions

ROMFS_MAGIC = b"\xd2\xcd\x31"
is_busy = False  # in an operation of the device under "/"
firmware = "/firmware"  # where the slot's files are, as if frozen into it


def data_partition():
    return partitions.find(partitions.DATA, partitions.VFS_SUBTYPE)[0]


def mount(folder, body, host_paths):
    """Make the file system "/" and the slot's files importable.

    body: memoryview of the ROMFS in the slot; host_paths: {name: host folder} of what a real board has
    frozen into its firmware.
    """
    if sys.implementation.name == "micropython":
        _mount(body, host_paths)
    else:
        _unpack(folder, body)


def _mount(body, host_paths):
    import vfs

    drivers = [(name, vfs.VfsPosix(path)) for name, path in host_paths.items()]
    vfs.umount("/")
    device = Uninterrupted(data_partition())
    vfs.mount(vfs.VfsLfs2(device, readsize=64, progsize=64), "/")
    for name, driver in drivers:
        vfs.mount(driver, "/" + name)
    vfs.mount(vfs.VfsRom(body), firmware)
    sys.path[:] = ["/" + name for name in host_paths] + ["", firmware, ".frozen"]
    _mount_romfs(vfs)
    sys.path.append("/lib")


def _mount_romfs(vfs):
    """The partition of that name, if there is one and mpremote has filled it."""
    for region in partitions.read_table():
        if region.label == "romfs" and bytes(region.view()[:3]) == ROMFS_MAGIC:
            vfs.mount(vfs.VfsRom(region.view()), "/rom")
            sys.path.extend(["/rom", "/rom/lib"])


def _unpack(folder, body):
    import os

    import romfs

    global firmware
    os.chdir(folder + "/fs")
    firmware = folder + "/rom"
    romfs.unpack(bytes(body), firmware)
    sys.path[1:1] = [folder + "/fs", firmware]


class Uninterrupted:
    """A block device in whose operations no timer calls back: on a board they are C."""

    def __init__(self, device):
        self._device = device

    def readblocks(self, block, buffer, offset=0):
        global is_busy
        was_busy, is_busy = is_busy, True
        try:
            return self._device.readblocks(block, buffer, offset)
        finally:
            is_busy = was_busy

    def writeblocks(self, block, buffer, offset=None):
        global is_busy
        was_busy, is_busy = is_busy, True
        try:
            return self._device.writeblocks(block, buffer, offset)
        finally:
            is_busy = was_busy

    def ioctl(self, request, argument):
        global is_busy
        was_busy, is_busy = is_busy, True
        try:
            return self._device.ioctl(request, argument)
        finally:
            is_busy = was_busy
