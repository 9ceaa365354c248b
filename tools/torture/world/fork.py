"""Branches a run: at each point where a case departs from the undisturbed run the process forks, the
child lives through the case, the parent goes on. So cases share everything that comes before their fault.
"""

import ffi
import memory

_libc = ffi.open("libc.so.6")
_fork = _libc.func("i", "fork", "")
_waitpid = _libc.func("i", "waitpid", "ipi")
_SIGNALED = 0x7F
_SIGALRM = 14
CASE_LIMIT_S = 60  # of real time


class Hung(Exception):
    """The child did not end by itself. is_late: it was stopped by its time limit."""

    def __init__(self, signal, code):
        super().__init__("signal %d, exit %d" % (signal, code))
        self.is_late = signal == _SIGALRM


def branch(limit_s):
    """True in the child, which must end with `end()`; False in the parent, once the child has ended.

    Raises Hung in the parent if the child was killed by its time limit, or died.
    """
    child = _fork()
    if child == 0:
        memory._alarm(limit_s)
        return True
    status = bytearray(4)
    _waitpid(child, status, 0)
    if status[0] & _SIGNALED or status[1]:
        raise Hung(status[0] & _SIGNALED, status[1])
    return False


def end():
    memory._exit(0)
