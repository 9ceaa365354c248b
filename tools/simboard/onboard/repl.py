"""The end of the simulated board's serial line: boot.py and main.py, then the REPL, raw and friendly.

Follows shared/runtime/pyexec.c of MicroPython byte by byte where tools talk to it (raw mode, raw paste, soft
reset); the friendly mode knows only lines. A soft reset replaces the process image: the heap is new, the
watchdog goes on, as on an ESP32.
"""

import sys

import restart
import sharedmemory
import starters

_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = 1, 2, 3, 4, 5
_PASTE_WINDOW = 128  # half of MICROPY_REPL_STDIN_BUFFER_MAX

_globals = {"__name__": "__main__"}
_out = sys.stdout
_in = sys.stdin.buffer


def run(is_raw):
    """Returns never."""
    starters.run(_execute_file, is_raw)
    while True:
        is_raw = (_raw if is_raw else _friendly)()


def _execute_file(path):
    with open(path) as file:
        source = file.read()
    error = _execute(source)
    if error:
        sys.print_exception(error, _out)
    return error


def _execute(source, kind="exec"):
    """Returns the exception that ended it, None if there was none. SystemExit is a soft reset."""
    try:
        sharedmemory.put(sharedmemory.INTERRUPT, 0)
        sharedmemory.put(sharedmemory.EXECUTING, 1)
        try:
            exec(compile(source, "<stdin>", kind), _globals)
        finally:
            sharedmemory.put(sharedmemory.EXECUTING, 0)
    except SystemExit:
        _soft_reset(False)
    except BaseException as error:
        return error
    return None


def _execute_for_client(source):
    """Output, ^D, traceback, ^D: what a tool waits for."""
    error = _execute(source)
    _out.write("\x04")
    if error:
        sys.print_exception(error, _out)
    _out.write("\x04")


def _read():
    """One byte, as a number. An interrupt that comes late is the ^C it was."""
    while True:
        try:
            data = _in.read(1)
        except KeyboardInterrupt:
            return _CTRL_C
        if not data:
            restart.end()  # nobody holds the line any more
        return data[0]


def _soft_reset(is_raw):
    _out.write("MPY: soft reboot\n")
    restart.soft(is_raw)


# Raw mode


def _raw():
    _out.write("raw REPL; CTRL-B to exit\n>")
    line = bytearray()
    while True:
        byte = _read()
        if byte == _CTRL_A:
            if bytes(line) == b"\x05A":
                _take_paste()
                _out.write(">")
            elif len(line) == 2 and line[0] == _CTRL_E:
                _out.write("R\x00>")
            else:
                _out.write("raw REPL; CTRL-B to exit\n>")
        elif byte == _CTRL_B:
            _out.write("\n")
            return False
        elif byte == _CTRL_D:
            _out.write("OK")
            if not line:
                _out.write("\n")
                _soft_reset(True)
            _execute_for_client(bytes(line))
            _out.write(">")
        elif byte != _CTRL_C:
            line.append(byte)
            continue
        line = bytearray()


def _take_paste():
    """Flow control: the client may send a window, and another for each ^A it gets."""
    _out.buffer.write(bytes((82, 1, _PASTE_WINDOW, 0, 1)))
    source = bytearray()
    left = _PASTE_WINDOW
    while True:
        byte = _read()
        if byte in (_CTRL_C, _CTRL_D):
            break
        source.append(byte)
        left -= 1
        if not left:
            _out.write("\x01")
            left = _PASTE_WINDOW
    _out.write("\x04")
    _execute_for_client(bytes(source) if byte == _CTRL_D else "raise KeyboardInterrupt")


# Friendly mode


def _friendly():
    _out.write("MicroPython v%d.%d.%d on a simulated board\n" % sys.implementation[1][:3])
    _out.write('Type "help()" for more information.\n>>> ')
    line = bytearray()
    while True:
        byte = _read()
        if byte == _CTRL_A:
            _out.write("\n")
            return True
        if byte == _CTRL_D and not line:
            _out.write("\n")
            _soft_reset(False)
        if byte in (13, 10):
            _out.write("\n")
            _show(bytes(line).decode())
        elif byte not in (_CTRL_B, _CTRL_C):
            line.append(byte)
            _out.buffer.write(bytes((byte,)))
            continue
        else:
            _out.write("\n")
        line = bytearray()
        _out.write(">>> ")


def _show(source):
    error = _execute(source, "single")
    if error:
        sys.print_exception(error, _out)
