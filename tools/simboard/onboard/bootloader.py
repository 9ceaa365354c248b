"""The boot loader: chooses the slot that runs. Four modes.

"idf": ESP-IDF's otadata with rollback: a new image is NEW, boots once as PENDING, and is ABORTED at the
next reset unless it was marked VALID. "w80x": the slot `upgrade` is copied over `run` whenever it has
a good header and good CRCs; there is no way back.
"generic": as "idf", on a board that is not an ESP32: its slots are reached by bootslots.py.
"factory": one slot and no otadata, as in the ESP32 firmware that is not an OTA variant.
"""

import binascii
import struct

import flash
import imagecheck
import partitions
import sharedmemory

NEW, PENDING, VALID, INVALID, ABORTED, UNDEFINED = 0, 1, 2, 3, 4, 0xFFFFFFFF

_ENTRY = "<I20sII"
_ENTRY_SIZE = 32

_DEEPSLEEP = 4  # reset cause, by the numbers of machine.py
_COPIES = 3  # tries until what was copied checks

mode = "idf"
running = None  # the Region that was chosen


def choose():
    """The Region to run, or None if nothing can. After a deep sleep it is the one that ran before, whatever
    otadata says: MicroPython's boot loaders are built with CONFIG_BOOTLOADER_SKIP_VALIDATE_IN_DEEP_SLEEP."""
    global running
    slots = partitions.app_slots()
    if sharedmemory.get(sharedmemory.RESET_CAUSE) == _DEEPSLEEP and mode != "w80x":
        running = slots[sharedmemory.get(sharedmemory.RETAINED) - 1]
        return running
    _choose()
    if running:
        sharedmemory.put(sharedmemory.RETAINED, [slot.label for slot in slots].index(running.label) + 1)
    return running


def _choose():
    global running
    if mode == "factory":
        (only,) = partitions.app_slots()
        running = only if can_boot(only) else None
    else:
        running = _choose_w80x() if mode == "w80x" else _choose_idf()


def resume(label):
    """What runs goes on: a soft reset is none of the boot loader's business."""
    global running
    (running,) = [slot for slot in partitions.app_slots() if slot.label == label]
    return running


def next_boot():
    """The Region that esp_ota_get_boot_partition names, whether or not it can boot."""
    slots = partitions.app_slots()
    if mode == "factory":
        return slots[0]
    if mode == "w80x":
        return slots[1] if can_boot(slots[1]) else slots[0]
    active = active_entry()
    return slots[0] if active is None else slots[(_read_entries()[active][0] - 1) % len(slots)]


def can_boot(region):
    return imagecheck.body(region.view()) is not None


# ESP-IDF


def _choose_idf():
    entries = _read_entries()
    for index, (sequence, state) in enumerate(entries):
        if sequence and state == PENDING:
            _write_entry(index, sequence, ABORTED)
    slots = partitions.app_slots()
    index = active_entry()
    first = 0
    if index is not None:
        sequence, state = _read_entries()[index]
        first = (sequence - 1) % len(slots)
        if state == NEW:
            _write_entry(index, sequence, PENDING)
    for slot in slots[first:] + slots[:first]:
        if can_boot(slot):
            return slot
    return None


def active_entry():
    """Index of the otadata entry that counts, None if there is none."""
    best = None
    entries = _read_entries()
    for index, (sequence, state) in enumerate(entries):
        usable = sequence and state not in (INVALID, ABORTED)
        if usable and (best is None or sequence > entries[best][0]):
            best = index
    return best


def _otadata():
    return partitions.find(partitions.DATA, partitions.OTADATA_SUBTYPE)[0]


def _read_entries():
    """[(sequence, state), (sequence, state)], sequence 0 where the entry is not valid."""
    entries = []
    for index in range(2):
        raw = flash.view(_otadata().address + index * flash.BLOCK, _ENTRY_SIZE)
        sequence, _, state, crc = struct.unpack(_ENTRY, raw)
        good = sequence != 0xFFFFFFFF and crc == _entry_crc(sequence)
        entries.append((sequence if good else 0, state))
    return entries


def _entry_crc(sequence):
    return binascii.crc32(struct.pack("<I", sequence), 0xFFFFFFFF)


def _write_entry(index, sequence, state):
    address = _otadata().address + index * flash.BLOCK
    flash.erase(address)
    entry = struct.pack(_ENTRY, sequence, b"\xff" * 20, state, _entry_crc(sequence))
    flash.write(address, entry)


def select(region):
    """What esp_ota_set_boot_partition does. Raises OSError for an image that could not boot."""
    if not can_boot(region):
        raise OSError(-5379, "ESP_ERR_OTA_VALIDATE_FAILED")
    if mode == "factory":
        raise OSError(-261, "ESP_ERR_NOT_FOUND")
    if mode == "w80x":
        return
    slots = partitions.app_slots()
    wanted = [slot.label for slot in slots].index(region.label)
    active = active_entry()
    if active is None:
        _write_entry(0, wanted + 1, NEW)
        return
    sequence = _read_entries()[active][0] + 1
    while (sequence - 1) % len(slots) != wanted:
        sequence += 1
    _write_entry(1 - active, sequence, NEW)


def mark_valid():
    """What esp_ota_mark_app_valid_cancel_rollback does."""
    if mode in ("w80x", "factory"):
        raise OSError(-261, "ESP_ERR_NOT_FOUND")
    active = active_entry()
    if active is None:
        raise OSError(1, "ESP_FAIL")  # MicroPython negates the code
    sequence, state = _read_entries()[active]
    if state != VALID:
        _write_entry(active, sequence, VALID)


def is_valid():
    """Would a reset bring back what runs? So it is, too, before the first update."""
    active = active_entry()
    return active is None or _read_entries()[active][1] == VALID


# W80x


def _choose_w80x():
    run, upgrade = partitions.app_slots()
    if can_boot(upgrade):
        for _ in range(_COPIES):
            _copy(upgrade, run)
            if can_boot(run):
                flash.write(upgrade.address, bytes(64))  # installed: never again
                break
    return run if can_boot(run) else None


def _copy(source, target):
    for offset in range(0, min(target.size, source.size), flash.BLOCK):
        flash.erase(target.address + offset)
        flash.write(target.address + offset, source.view()[offset : offset + flash.BLOCK])
