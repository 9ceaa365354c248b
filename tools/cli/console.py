"""Standard input and output as a command finds them: any encoding, closed, a pipe that ends, a full disk; and
what may be written to a terminal."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import locale
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable

ERRORS = "backslashreplace"  # what the encoding lacks is shown as \uXXXX
LONGEST = 800  # characters of an error
FULL = (errno.ENOSPC, errno.EDQUOT)
CURES = {errno.EACCES: "choose another place, or be allowed there", errno.EROFS: "choose another place",
          errno.EFBIG: "it is the wrong file, or a limit (ulimit -f) keeps it from growing"}


class Output(io.TextIOWrapper):
    """A stream that, when it cannot be written, ends the command whichever thread writes. failure: why."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """What is written from now on goes nowhere, so this happens once."""
        self.failure = error
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        if threading.current_thread() is threading.main_thread():
            raise error
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def guard(main: Callable[[list[str]], int], argv: list[str]) -> int | str | None:
    """The exit code of main(argv), or of what befell its output: 141 (as of SIGPIPE) if nobody reads on."""
    _speak_utf8()
    _open_missing()
    sys.stdout, sys.stderr = out, err = _guarded(sys.stdout), _guarded(sys.stderr)
    code: int | str | None = 130
    try:
        code = main(argv)
    except SystemExit as end:
        code = end.code
    except (OSError, KeyboardInterrupt):
        if not (out.failure or err.failure):
            raise
    for stream in (out, err):
        with contextlib.suppress(OSError):  # it is in the stream's failure
            stream.flush()
    failure = out.failure or err.failure
    if isinstance(failure, BrokenPipeError):
        return 128 + signal.SIGPIPE
    return f"error: standard output: {failure.strerror}" if failure else code


def explain(error: OSError) -> str:
    """One line: what failed, where, and what to do. Raises the error again if it is of the output's own."""
    streams = (stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, Output))
    if error in [stream.failure for stream in streams]:
        raise error
    name = error.filename2 or error.filename
    if error.errno in FULL:
        where = name or f"what it writes, or in {tempfile.gettempdir()} (TMPDIR names another)"
        return f"{error.strerror}: make room for {where}, run again"
    words = [str(name)] if name else []
    words += [error.strerror or str(error) or type(error).__name__]
    cure = CURES.get(error.errno or 0)
    return ": ".join([*words, *([cure] if cure else [])])


def clean(text: object, keep: str = "") -> str:
    """The text as a terminal may see it, if it is not ours: a board's, another program's, a file's name. What
    is not printable (escape sequences, line ends, marks that change the direction of writing) is spelled out,
    but for the characters of `keep`."""
    return "".join(
        character if character.isprintable() or character in keep else repr(character)[1:-1]
        for character in str(text)
    )


def last_words(text: str, limit: int = 400) -> str:
    """The end of what another program has said, for one line of ours; clean() comes after it."""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())[-limit:]


def shorten(text: str) -> str:
    """The text without its middle, if it is longer than an error should be."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def _speak_utf8() -> None:
    """Files, names of files and what programs say are UTF-8, for this process and all that it starts,
    whatever the locale is; the streams keep its encoding."""
    if sys.stdout is not None and not _is_utf8(sys.stdout.encoding):
        os.environ["PYTHONIOENCODING"] = f"{sys.stdout.encoding}:{ERRORS}"
    if not (sys.flags.utf8_mode or _is_utf8(locale.getpreferredencoding(False))):
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


def _open_missing() -> None:
    """A file that is opened later, or a child, must not take the number of a closed stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115 - as long as the process


def _guarded(stream: io.TextIOWrapper | None) -> Output:
    if stream is None:  # it was closed
        return Output(open(os.devnull, "wb"), encoding="utf-8")  # noqa: SIM115 - as long as the process
    kept = (stream.encoding, ERRORS, None, stream.line_buffering, stream.write_through)
    return Output(stream.detach(), *kept)
