"""The trial of a verified image: how it begins, and how it ends well. rollback.py is the other end.

It begins with its record, then the image's head, then the boot selector. All of this is in memory before the
first byte is written. The record is that of the image (see verify.py) with its signature (base64), the
attempts, boots that count against it (see offers.py), and as "excuses" those that do not; rollback.py adds
to it. untold is the version that was confirmed, until the server has it.
"""

from micropython import const

from . import board, errors, files, log, phases, record
from .report import log_error

_MAX_ADOPTIONS = const(3)  # that fail
_IOCTL_ERASE = const(6)
_HEAD = const(64)  # as in slot.py: without these bytes nothing boots from a slot
_BLANK = b"\xff" * _HEAD


def begin(transfer, image):
    """On return the next boot is the new image's. transfer: update.Transfer; image: its record, see
    verify.py. Raises OtaError, and then nothing in the slot can boot."""
    agent = transfer.agent
    if agent.offer is not transfer.offer:
        raise errors.OtaError(errors.ALREADY_RUNNING, "cancelled")
    agent.report.add('{"state": "verified"}', True)  # and so all before it: a reset may follow
    # The offer stays on record too: cut before the first byte of the head, the update goes on with it.
    trial = dict(image)
    trial.update({"signature": transfer.offer.signature_text, "excuses": 0})
    agent.state["trial"] = trial
    try:
        agent.save_state()
    except (errors.OtaError, MemoryError):
        agent.state["trial"] = None
        raise
    try:
        release_head(transfer.partition, transfer.head)
        select_boot(transfer.partition)
    except (errors.OtaError, MemoryError) as error:
        _take_back(agent, transfer.partition)
        raise error


def select_boot(partition):
    """The one place that chooses another image for the next boot. Raises OtaError."""
    board.set_boot(partition)


def _take_back(agent, partition):
    for function in (lambda: invalidate(partition), lambda: phases.call("download", "forget", agent.offer)):
        try:
            function()
        except (errors.OtaError, MemoryError) as error:
            log_error(error)
    agent.state["trial"] = None
    agent.save_state()


def confirm(agent):
    """Record that the boot loader was told to keep the new image. Raises OtaError(FLASH), and may then
    be called again."""
    state, running = agent.state, agent.running
    number = phases.call("strict", "version", running["version"])
    min_version = phases.call("strict", "version", state["floor"])
    phases.call("offers", "date_refused", state)
    agent.can_return = False
    entry = {key: running[key] for key in ("version", "build_time", "size", "digest")}
    if running.get("unversioned"):
        entry["unversioned"] = True
    _adopt_keys(agent)
    agent.is_new = False  # even if no record can be made of it
    _, label = board.running()
    state["slots"][label] = entry
    if "unversioned" not in entry and number and number >= (min_version or number):
        state["floor"] = entry["version"]
        record.keep_lowest(entry["version"])
    drop_waiting(state, running["signature"])
    state["trial"] = state["failed"] = None
    state["untold"] = entry["version"]
    agent.save_state()
    log.info("confirmed %s" % entry["version"])


def drop_waiting(state, signature):
    """The offer with this signature (base64) is done with."""
    if state["waiting"] and state["waiting"].get("sig-sha256-ecdsa") == signature:
        state["waiting"] = None


def _adopt_keys(agent):
    """Before the trial is off the record, so that a power cut does not lose it. A board whose keys cannot
    be written goes on with what it has."""
    try:
        adopt_keys(agent.config, agent.running.get("signer"), agent.running.get("next_key"))
    except errors.OtaError as error:
        agent.failed_adoptions += 1
        if agent.failed_adoptions < _MAX_ADOPTIONS:
            raise error
        log.error("keys stay as they are: " + error.detail)


def adopt_keys(config, signer, brought):
    """The image that this key (its fingerprint) has signed is confirmed: the key before it is retired.
    brought: the next key that the image brings, in base64, or "". Raises OtaError(FLASH); may be repeated.
    """
    from . import keys

    current, path = config.signing_key, config.next_signing_key
    key = keys.read_key(path)
    try:
        if key is not None and keys.fingerprint(key) == signer and key != keys.read_key(current):
            files.replace(keys.table_path(current), keys.read_table(path))
            files.replace(current, key)  # last: cut before, all is done again
        following = phases.call("verify", "decode_key", brought) if brought else key
        if following != key:
            files.replace(keys.table_path(path), b"")
            files.replace(path, following)
    except (OSError, MemoryError) as error:
        raise errors.OtaError(errors.FLASH, "signing key: %s" % error)


def release_head(partition, head):
    """Write the bytes held back and check them; partition: as in slot.py. They need no erase, because they
    are still 0xFF."""
    _call("head", partition.writeblocks, 0, head, 0)
    if _read_head(partition) != head:
        raise errors.OtaError(errors.FLASH, "head reads back wrong")


def is_head_blank(partition):
    """Are they all 0xFF?"""
    return _read_head(partition) == _BLANK


def invalidate(partition):
    """Erase the first block unless its head is blank, so that nothing can boot from here."""
    if not is_head_blank(partition):
        _call("erase", partition.ioctl, _IOCTL_ERASE, 0)


def _read_head(partition):
    head = bytearray(_HEAD)
    _call("head", partition.readblocks, 0, head, 0)
    return head


def _call(what, function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        raise errors.OtaError(errors.FLASH, "%s: %s" % (what, error))
