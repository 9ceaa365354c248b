"""Loads a module for one call and forgets it afterwards, to save memory: such a module is a phase.

Whatever a phase imports is forgotten when it is over. So nothing of it may outlive it but plain data: no
instance of its classes and none of its functions.

Always in memory: agent, clock, config, errors, files, link, log, net, phases, report. The others come and go.
A line says what comes in with a module (+), and what that loads while it is there (:). failure also loads the
texts of errors, by their language.
  agent: board, failure, ntp, offers, online, record, rollback, start, state, tries, update
  config: config_table
  config_table + strict
  connection: failure, offer
  download + slot: board, failure, trial
  ecdsa + p256_comb
  expiry + connection
  failure: download, ntp, tries
  keys + ecdsa + p256_comb: keytable
  link: online
  net: failure
  ntp + strict: board, connection, expiry, offers
  offer + strict: offer_signature
  offer_signature + offer: keys
  offers + strict: board, keys, ntp, offer, offer_signature, strict, tries
  online: board, connection, ntp, rollback, trial, tries
  report: failure
  response: failure, strict
  rollback + board + trial: guard, offers, verify
  slot: wm
  start: board, connection, guard, keys, record, verify
  state + strict: ntp, offers, record, tries
  trial + board + keys + record: download, offers, strict, verify
  update: connection, download, failure, guard, keys, offers, response, slot, trial, tries, verify
  verify + slot + strict: ecdsa
  wm + slot
"""

import gc
import sys

from . import errors, files

_PACKAGE = __name__.rsplit(".", 1)[0]
_PREFIX = _PACKAGE + "."
_known: list[str] = []  # the package's modules that were in memory at the last look, those of phases last
_depths: list[int] = []  # of the open phases: how many of them there were before


def call(name, function, *arguments):
    """Call a function of the module `name` and return its result. Raises OtaError(NO_INIT) if it cannot be
    loaded."""
    depth = _load(name)
    try:
        return getattr(sys.modules[_PREFIX + name], function)(*arguments)
    finally:
        arguments = None  # what they hold would still be there while memory is collected
        _forget(depth)


def steps(name, function, *arguments):
    """Generator: the same for one that the module has."""
    depth = _load(name)
    inner = None
    try:
        inner = getattr(sys.modules[_PREFIX + name], function)(*arguments)
        return (yield from inner)
    finally:
        if inner:
            inner.close()
        inner = arguments = None
        _forget(depth)


def reset():
    """What is left of an agent that was given up in the middle of a phase."""
    if _depths:
        _forget(0)


def path():
    """Where the package's files are; None if it is in the firmware or in a ROMFS, which cannot break."""
    paths = sys.modules[_PACKAGE].__path__
    found = paths if isinstance(paths, str) else paths[0]  # CPython has a list
    return None if found.startswith(".frozen") or found.startswith("/rom") else found


def _load(name):
    """Returns how many phases are open around it."""
    gc.collect()
    if files.is_broken and path():
        raise errors.OtaError(errors.FLASH, "nothing can be loaded until the restart")
    if not _depths:
        del _known[:]
    for other in sys.modules:  # also what the phase around this one has imported since
        if other.startswith(_PREFIX) and other not in _known:
            _known.append(other)
    depth = len(_depths)
    _depths.append(len(_known))
    try:
        __import__(_PREFIX + name)
    except BaseException as error:  # what it had imported until then would stay
        _forget(depth)
        if isinstance(error, MemoryError) or not isinstance(error, Exception):
            raise
        files.note(error)
        raise errors.OtaError(errors.NO_INIT, "cannot load %s: %r" % (_PREFIX + name, error))
    return depth


def _forget(depth):
    """All of the package's modules that have come since the phase with so many around it was opened."""
    package = sys.modules[_PACKAGE]
    for before in _depths[depth : depth + 1]:  # none if it was forgotten with one around it
        del _known[before:]
    del _depths[depth:]
    for name in [name for name in sys.modules if name.startswith(_PREFIX) and name not in _known]:
        del sys.modules[name]
        if hasattr(package, name[len(_PREFIX) :]):
            delattr(package, name[len(_PREFIX) :])
    gc.collect()
