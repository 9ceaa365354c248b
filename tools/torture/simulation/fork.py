"""Branches a run: at each point where a case departs from the undisturbed run the process forks, the
child lives through the case, the parent goes on. So cases share everything that comes before their fault.
"""

import struct

import ffi
import memory

_libc = ffi.open("libc.so.6")
_prctl = _libc.func("i", "prctl", "iiiii")
_setitimer = _libc.func("i", "setitimer", "ipp")
_fork = _libc.func("i", "fork", "")
_waitpid = _libc.func("i", "waitpid", "ipi")
_SIGNALED = 0x7F
_SIGKILL, _SIGPROF = 9, 27
_PR_SET_PDEATHSIG, _ITIMER_PROF = 1, 2
_CASE_LIMIT_S = 60  # of processor time, so that a busy machine is no reason; a week of offers takes 8


class Hung(Exception):
    """The child did not end by itself. is_late: it was stopped by its time limit."""

    def __init__(self, signal, code):
        super().__init__("signal %d, exit %d" % (signal, code))
        self.is_late = signal == _SIGPROF


def end_with_parent():
    """This process does not outlive the one that started it, however that ends."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def branch():
    """True in the child, which must end with `end()`; False in the parent, once the child has ended.

    Raises Hung in the parent if the child was killed by its time limit, or died.
    """
    child = _fork()
    if child == 0:
        end_with_parent()
        _setitimer(_ITIMER_PROF, struct.pack("4l", 0, 0, _CASE_LIMIT_S, 0), None)
        return True
    status = bytearray(4)
    _waitpid(child, status, 0)
    if status[0] & _SIGNALED or status[1]:
        raise Hung(status[0] & _SIGNALED, status[1])
    return False


def end():
    memory._exit(0)
