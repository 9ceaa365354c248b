"""Shim of `socket`: real sockets that depend on the simulated Wi-Fi and wait for ever as ESP32's do.

`setblocking(True)` takes every time-out away (unix MicroPython alone would keep it); without Wi-Fi
nothing connects and what is open falls silent; a socket older than the last join is dead. For more
connections at a time than board.json says there is no memory.
"""

import sys

import boardtime
import facts
import network

_ETIMEDOUT, _ECONNABORTED, _EHOSTUNREACH, _EINPROGRESS, _DNS_FAILED = 110, 103, 113, 115, -202
_ENOMEM, _MANY = 12, 10
_EISCONN = 106
_POLL, _GET_FILENO = 3, 10
_MICROPYTHON = sys.implementation.name == "micropython"

if _MICROPYTHON:
    import io

    import uselect as _select
    import usocket as _host

    _Base = io.IOBase
else:
    import select as _select
    import socket as _host

    _Base = object

AF_INET = _host.AF_INET
SOCK_STREAM = _host.SOCK_STREAM
SOCK_DGRAM = _host.SOCK_DGRAM


def getaddrinfo(host, port, family=0, kind=SOCK_STREAM, *_):
    """IPv4 only, as most boards."""
    if not network.is_up():
        raise OSError(_DNS_FAILED)
    return _host.getaddrinfo(host, port, AF_INET, kind)


_connected = []


class socket(_Base):
    def __init__(self, family=AF_INET, kind=SOCK_STREAM, protocol=0):
        self.raw = _host.socket(family, kind)
        self._timeout = None  # seconds; 0 = do not block
        self._join = network.joins()
        self._poller = _select.poll()
        self._poller.register(self.raw, _select.POLLIN)

    def settimeout(self, seconds):
        self._timeout = seconds
        self.raw.settimeout(seconds)

    def setblocking(self, flag):
        self.settimeout(None if flag else 0)

    def setsockopt(self, *arguments):
        self.raw.setsockopt(*arguments)

    def fileno(self):
        return self.raw.fileno()

    def connect(self, address):
        if not network.is_up():
            raise OSError(_EHOSTUNREACH)
        if len(_connected) >= facts.get("connections", _MANY):
            raise OSError(_ENOMEM)
        try:
            self._connect(address)
        except OSError as error:
            raise _as_board(error)
        _connected.append(self)

    def _connect(self, address):
        """With a time-out of its own: each signal, see ticker.py, has the host's begin anew."""
        if not self._timeout:
            return self.raw.connect(address)
        self.raw.setblocking(False)
        try:
            self.raw.connect(address)
        except OSError as error:
            if error.errno != _EINPROGRESS:
                raise
            self._wait_connected(address)
        finally:
            self.raw.settimeout(self._timeout)

    def _wait_connected(self, address):
        started = boardtime.plain_ticks_ms()
        self._poller.modify(self.raw, _select.POLLOUT)
        while boardtime.ticks_diff(boardtime.plain_ticks_ms(), started) < self._timeout * 1000:
            if self._poller.poll(10):
                try:
                    return self.raw.connect(address)  # how it has ended
                except OSError as error:
                    if error.errno != _EISCONN:
                        raise
                    return
        raise OSError(_ETIMEDOUT, "connect")

    def is_silent(self):
        """True while Wi-Fi is away and the caller does not block. Raises OSError if the wait would
        run into the time-out or the connection died with the last network."""
        if self._join != network.joins():
            raise OSError(_ECONNABORTED)
        if network.is_up():
            return False
        if self._timeout == 0:
            return True
        boardtime.sleep(86400 if self._timeout is None else self._timeout)
        raise OSError(_ETIMEDOUT)

    def readinto(self, buffer, count=-1):
        if self.is_silent():
            return None
        if _MICROPYTHON:
            return self.raw.readinto(buffer) if count < 0 else self.raw.readinto(buffer, count)
        return _cpython_readinto(self.raw, memoryview(buffer)[: None if count < 0 else count])

    def readline(self):
        return None if self.is_silent() else self.raw.readline()

    def read(self, count=None):
        if count is None:
            return None if self.is_silent() else self.raw.read()
        buffer = bytearray(count)
        got = self.readinto(buffer)
        return None if got is None else bytes(buffer[:got])

    def write(self, data, count=-1):
        if self.is_silent():
            return None
        if count >= 0:
            data = memoryview(data)[:count]
        if _MICROPYTHON:
            return self.raw.write(data)
        return _cpython_call(self.raw.send, data)

    send = write

    def sendto(self, data, address):
        return None if self.is_silent() else self.raw.sendto(data, address)

    def recv(self, count):
        if self.is_silent():
            return None
        try:
            return self.raw.recv(count)
        except OSError as error:
            raise _as_board(error)

    def close(self):
        self.raw.close()
        if self in _connected:
            _connected.remove(self)

    def ioctl(self, request, argument):
        """The stream protocol of MicroPython, for `tls` and `select` on top of this object."""
        if request == _GET_FILENO:
            return self.raw.fileno()
        if request == _POLL:
            if self._join != network.joins():
                return argument
            if not network.is_up():
                return 0
            self._poller.modify(self.raw, argument & (_select.POLLIN | _select.POLLOUT))
            for event in self._poller.ipoll(0):
                return event[1]
        return 0


def _as_board(error):
    """The host's exception as the number a board gives: its connect time-out shows as EINPROGRESS."""
    number = getattr(error, "errno", None) or _ETIMEDOUT
    return OSError(_ETIMEDOUT if number == _EINPROGRESS else number)


def _cpython_call(function, *arguments):
    try:
        return function(*arguments)
    except BlockingIOError:
        return None
    except OSError as error:
        raise _as_board(error)


def _cpython_readinto(raw, view):
    """MicroPython's blocking readinto fills the buffer; so does this."""
    done = 0
    while done < len(view):
        got = _cpython_call(raw.recv_into, view[done:])
        if got is None:
            return done or None
        if got == 0:
            break
        done += got
    return done
