"""Who signs: a private key in a file, or a program of the user's that has the key: smart card, HSM, KMS."""

from __future__ import annotations

import hashlib
import os
import selectors
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.cli import console, wholefile
from tools.errors import ToolError
from tools.image.signing import Signer
from tools.keys import keyfiles

LIMIT_S = 60  # for one signature, the time in which somebody types a PIN included
MAX_OUTPUT = 64 * 1024  # bytes that a command may print
_PUBLIC_DER = b"\x30\x59"  # of a point on P-256: a sequence of 89 bytes
_BESIDE = ("sign*.der", "server/sign*.der", "devices/*/sign*.der")  # of a fleet's folder: who may sign


def choose(path: Path, command: str | None) -> Signer:
    """The private key in the file or, with a command, the one whose public half is in the file. Raises
    ToolError, also for a key that the boards of its folder do not know."""
    signer: Signer = Command(command, path) if command is not None else _private(path)
    known = [file.read_bytes() for file in _known(path.parent)]
    if known and keyfiles.read_public(path) not in known:
        raise ToolError(
            f"{path} is not the signing key of the boards of {path.parent}: give sign.key.pem or, if they"
            " know it, sign-next.key.pem"
        )
    return signer


class Command:
    """Signs as a private key does. The command gets the SHA-256 digest on its standard input, 32 bytes, and
    writes the signature, DER, to its standard output."""

    def __init__(self, command: str, public: Path) -> None:
        """public: the file of the public half. Raises ToolError."""
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise ToolError(f"--signer {command}: {error}") from None
        if not self._words:
            raise ToolError("--signer is empty: give the command that signs")
        self._public, self._path = serialization.load_der_public_key(keyfiles.read_public(public)), public

    def sign(self, data: bytes, signature_algorithm: ec.ECDSA) -> bytes:
        """Raises ToolError."""
        signature = self._ask(hashlib.sha256(data).digest())
        try:
            self._public.verify(signature, data, signature_algorithm)  # type: ignore[union-attr,call-arg]
        except InvalidSignature:
            is_der = signature[:1] == b"\x30" and len(signature) == int.from_bytes(signature[1:2], "big") + 2
            seen = "signed with another key" if is_der else f"wrote {len(signature)} bytes that are not DER"
            raise self._error(f"{seen}: no signature by the key of {self._path}") from None
        return signature

    def _ask(self, digest: bytes) -> bytes:
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(self._words, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise self._error(f"cannot be started: {error.strerror}") from None
        try:
            return self._talk(process, digest)
        finally:
            process.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()  # type: ignore[union-attr]
            process.wait()

    def _talk(self, process: subprocess.Popen, digest: bytes) -> bytes:
        """What it writes until its end. What it starts may outlive it, and hold its streams open."""
        deadline, silent = time.monotonic() + LIMIT_S, f"has not answered within {LIMIT_S} s"
        heard = {process.stdout: b"", process.stderr: b""}
        with selectors.DefaultSelector() as selector:
            for stream in heard:
                selector.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
            try:
                os.write(process.stdin.fileno(), digest)  # type: ignore[union-attr]
                process.stdin.close()  # type: ignore[union-attr]
            except BrokenPipeError:
                pass  # it needs no digest, or has ended; its words tell
            while selector.get_map():
                for key, _ in selector.select(max(0, deadline - time.monotonic())):
                    piece = os.read(key.fd, 4096)
                    heard[key.fileobj] += piece  # type: ignore[index]
                    if not piece:
                        selector.unregister(key.fileobj)
                if time.monotonic() >= deadline:
                    raise self._error(silent, heard[process.stderr])
                if max(map(len, heard.values())) > MAX_OUTPUT:
                    raise self._error("writes without end")
        try:
            code = process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise self._error(silent) from None
        if code:
            raise self._error(f"ended with {code}", heard[process.stderr])
        return heard[process.stdout]

    def _error(self, what: str, said: bytes = b"") -> ToolError:
        lines = said.decode(errors="replace").strip().splitlines()
        told = f"the signer {self._words[0]!r} {what}"
        return ToolError(": ".join([told, *map(console.clean, lines[-1:])]))


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        begin = wholefile.read(path).lstrip()[:26]
    except OSError:
        begin = b""  # read_key() tells
    if begin == b"-----BEGIN PUBLIC KEY-----" or begin[:2] == _PUBLIC_DER:
        raise ToolError(f"{path} is a public key: give the private one, or --signer, the command that has it")
    return keyfiles.read_key(path)


def _known(folder: Path) -> Iterator[Path]:
    for pattern in _BESIDE:
        yield from folder.glob(pattern)
