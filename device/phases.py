"""Phases: modules that are in memory only while something is done with them. The one place that loads and
forgets.

Whatever a phase imports is forgotten when it is over. So nothing of it may outlive it but plain data: no
instance of its classes and none of its functions.

Always in memory: agent, clock, config, errors, files, link, log, net, phases, report. Everything else comes
and goes:
  start     config_table · board · start → connection, keys, guard, record · state → offers, tries, ntp
  online    ntp → connection, board, expiry → connection; online → connection, board, tries, trial → keys, or
            rollback → verify, offers, guard; then offers → tries
  an offer  offers → offer → strict, or offer_signature; then ntp, strict, tries, offer_signature, board
  update    update → download, tries, then connection, download, response, slot → wm, download → slot;
            then verify, keys → ecdsa, verify, offers, guard, trial
  failures  failure → texts_en or texts_zh, download, tries
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
