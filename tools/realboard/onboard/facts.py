import gc
import os
import sys
import time

_EPOCH_2000 = 946684800


def system():
    """What MicroPython says of itself, files and clock."""
    facts = os.statvfs("/")
    return {
        "version": list(sys.implementation[1][:3]),
        "platform": sys.platform,
        "machine": getattr(sys.implementation, "_machine", ""),
        "mpy": getattr(sys.implementation, "_mpy", 0) & 255,
        "files_free": facts[0] * facts[3],
        "epoch": time.gmtime(0)[0],
        "clock": int(time.time()) + (_EPOCH_2000 if time.gmtime(0)[0] == 2000 else 0),
    }


def memory():
    """In bytes, with the radio on, as in an update. used, free: of MicroPython's heap; regions: of ESP-IDF's
    memory (bytes, free, largest free piece, least free so far), none on other ports. Where there are some,
    `free` counts memory of theirs. radio: "", or why it does not come on."""
    radio = _switch_on()
    gc.collect()
    used, free = gc.mem_alloc(), gc.mem_free()
    return {"used": used, "free": free, "regions": _regions(), "radio": radio}


def _switch_on():
    try:
        import network

        network.WLAN(network.STA_IF).active(True)
        return ""
    except (ImportError, OSError, RuntimeError) as error:
        return repr(error)


def _regions():
    try:
        from esp32 import HEAP_DATA, idf_heap_info

        return idf_heap_info(HEAP_DATA)
    except ImportError:
        return []


def partitions():
    """The slots as [label, bytes, is encrypted], the one that runs, the one for an update ("" = none); is
    there a boot record? None where there is no esp32 module."""
    try:
        from esp32 import Partition
    except ImportError:
        return None
    running = Partition(Partition.RUNNING)
    try:
        spare = running.get_next_update().info()[4]
    except OSError:
        spare = ""
    slots = [part.info() for part in Partition.find(Partition.TYPE_APP)]
    return {
        "slots": [[info[4], info[3], info[5]] for info in slots],
        "running": running.info()[4],
        "spare": "" if spare == running.info()[4] else spare,
        "has_record": len(Partition.find(Partition.TYPE_DATA, 0)) > 0,
        "can_confirm": hasattr(Partition, "mark_app_valid_cancel_rollback"),
    }


def read_text(path):
    """None if it cannot be read."""
    try:
        with open(path) as file:
            return file.read()
    except (OSError, ValueError):
        return None


def read_base64(path):
    """A file of up to 4 KiB; None if it cannot be read."""
    import binascii

    try:
        with open(path, "rb") as file:
            return binascii.b2a_base64(file.read(4096)).decode()
    except OSError:
        return None
