# An image on trial is guarded from here on; for any other this is one look at the boot record.
"""What starts first. Frozen into a firmware (device/FREEZING.md) it comes before a file of this name."""

guard = None


def is_pending():
    """The same look without the package, on an ESP32: does an entry of otadata wait to be confirmed?"""
    from esp32 import Partition

    entry = bytearray(32)
    for block in (0, 1):
        Partition.find(Partition.TYPE_DATA, 0)[0].readblocks(block, entry, 0)
        if entry[24:28] == b"\1\0\0\0":
            return True
    return False


try:
    from device import phases

    if phases.call("board", "can_return"):
        from device import guard as found

        guard = found
except Exception as error:  # an image on trial that has no whole package could never be confirmed
    import sys

    import machine

    sys.print_exception(error)
    try:
        if is_pending():
            try:
                with open("ota_cause", "w") as file:  # as device/guard.py has it
                    file.write("%-120s" % ("%s: %s" % (type(error).__name__, error))[:100])
            finally:
                machine.reset()
    except Exception as problem:
        sys.print_exception(problem)
if guard:
    guard.start()
del guard, is_pending
