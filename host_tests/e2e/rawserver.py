"""A server that says whatever a test wants, plain or over any version of TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.server.files import HOST

LIMIT_S = 120  # of one connection
END_OF_REQUEST = b"\r\n\r\n"


class RawServer:
    """`with RawServer(answer, context) as server:` listens on 127.0.0.1:server.port.

    answer(request) -> the pieces to send, until the client hangs up. context: None = without TLS.
    until: a request is over when it contains this. requests: all that came. certificates: of the
    clients, DER or None, one for each handshake that succeeded; versions: of its TLS.
    """

    def __init__(
        self,
        answer: Callable[[bytes], Iterable[bytes]],
        context: ssl.SSLContext | None = None,
        *,
        until: bytes = END_OF_REQUEST,
    ) -> None:
        self._answer = answer
        self._context = context
        self._until = until
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self.certificates: list[bytes | None] = []
        self.versions: list[str | None] = []

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(LIMIT_S)
        self._listener.close()

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was shut down
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                connection.settimeout(LIMIT_S)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._context is None:
                self._talk(connection)
                return
            with self._context.wrap_socket(connection, server_side=True) as stream:
                self.certificates.append(stream.getpeercert(binary_form=True))
                self.versions.append(stream.version())
                self._talk(stream)

    def _talk(self, stream: socket.socket) -> None:
        deadline = time.monotonic() + LIMIT_S
        request = b""
        while self._until not in request:
            piece = stream.recv(4096)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        for piece in self._answer(request):
            stream.sendall(piece)
            if time.monotonic() > deadline:
                return


def server_context(pki_dir: Path, stem: str, version: str = "", client_ca: str = "") -> ssl.SSLContext:
    """version: the only one it speaks, a name of ssl.TLSVersion. client_ca: ask for a certificate of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki_dir / f"{stem}.crt.pem", pki_dir / f"{stem}.key.pem")
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL would not offer the old ones
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if client_ca:
        context.load_verify_locations(pki_dir / f"{client_ca}.crt.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def old_hello() -> bytes:
    """How a server answers that knows nothing newer than TLS 1.0, not even that there is something newer."""
    version, session, cipher, compression = b"\x03\x01", b"\0", b"\xc0\x09", b"\0"
    body = version + bytes(32) + session + cipher + compression
    hello = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16" + version + len(hello).to_bytes(2, "big") + hello
