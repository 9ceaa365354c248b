"""A file server for firmware images, HTTPS and HTTP at once, with faults on demand."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tools.errors import ToolError
from tools.server import ranges

HOST = "127.0.0.1"
START_LIMIT_S = 60
STOP_LIMIT_S = 60
CHUNK = 16384
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@dataclass
class Fault:
    """How to treat the next `times` requests; None = all. Byte counts are of the body.

    cut_after: end the connection after that many bytes (reset: by a TCP reset). stall_after: send
    no more but keep the connection. status, headers: answer only this. ignore_range: send all.
    """

    cut_after: int | None = None
    stall_after: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    ignore_range: bool = False
    reset: bool = False
    times: int | None = 1


@dataclass
class Request:
    """One request as it was served; sent: body bytes."""

    method: str
    path: str
    range: str | None
    scheme: str
    status: int = 0
    sent: int = 0
    is_released: bool = False  # if it was stalled


class FileServer:
    """`with FileServer(folder, pki_dir) as server:` serves folder/<name> at /<name>.

    server: the stem of the certificate in pki_dir. requests: all that came, oldest first.
    """

    def __init__(
        self,
        folder: Path,
        pki_dir: Path,
        *,
        server: str = "files",
        https_port: int = 0,
        http_port: int = 0,
    ) -> None:
        self.folder = folder
        self.https_port = https_port
        self.http_port = http_port
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._tls = tls_context(pki_dir, server)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FileServer:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        try:
            starting.result(START_LIMIT_S)
        except OSError as error:
            self._end_loop()
            raise ToolError(f"the file server cannot listen: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        stopping = asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop)
        stopping.result(STOP_LIMIT_S)
        self._end_loop()

    def http_url(self, name: str) -> str:
        return f"http://{HOST}:{self.http_port}/{name}"

    def https_url(self, name: str) -> str:
        return f"https://{HOST}:{self.https_port}/{name}"

    def fail(self, fault: Fault) -> None:
        """Faults queue up: the next one acts when the one before has had its times."""
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        with self._lock:
            self._faults.clear()

    def release(self) -> None:
        """Cut the connections that are stalled."""
        for request in self.requests:
            request.is_released = True

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/{name:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.https_port, ssl_context=self._tls).start()
        await web.TCPSite(self._runner, HOST, self.http_port).start()
        self.https_port, self.http_port = (address[1] for address in self._runner.addresses)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_LIMIT_S)
        self._loop.close()

    def _next_fault(self) -> Fault:
        with self._lock:
            while self._faults and self._faults[0].times == 0:
                self._faults.pop(0)
            if not self._faults:
                return Fault()
            if self._faults[0].times is not None:
                self._faults[0].times -= 1
            return self._faults[0]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        range_ = request.headers.get("Range")
        entry = Request(request.method, request.path, range_, request.scheme)
        self.requests.append(entry)
        fault = self._next_fault()
        content = self._content(request.match_info["name"])
        if fault.status is not None:
            response = web.StreamResponse(status=fault.status, headers=fault.headers)
            body = b""
        elif content is None:
            response, body = web.StreamResponse(status=404), b""
        else:
            response, body = _answer(request, content, fault.ignore_range)
        entry.status = response.status
        response.content_length = len(body)
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, body, fault, entry)
        return response

    def _content(self, name: str) -> bytes | None:
        path = self.folder / name
        if not name or path.name != name or not path.is_file():
            return None
        return path.read_bytes()


def etag(content: bytes) -> str:
    """A strong entity tag, quoted."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _answer(
    request: web.Request, content: bytes, ignore_range: bool
) -> tuple[web.StreamResponse, bytes]:
    status, headers, start, end = ranges.answer(request, len(content), etag(content), ignore_range)
    return web.StreamResponse(status=status, headers=headers), content[start:end]


async def _send(
    request: web.Request, response: web.StreamResponse, body: bytes, fault: Fault, entry: Request
) -> None:
    limits = [n for n in (fault.cut_after, fault.stall_after) if n is not None]
    for start in range(0, min([len(body), *limits]), CHUNK):
        piece = body[start : min([start + CHUNK, len(body), *limits])]
        # Counted first: a client that has the last byte may look before this task runs again.
        entry.sent += len(piece)
        await response.write(piece)
    if fault.cut_after is not None:
        await _cut(request, fault.reset)
    elif fault.stall_after is not None:
        while _is_open(request) and not entry.is_released:
            await asyncio.sleep(0.02)
        await _cut(request, fault.reset)
    elif _is_open(request):
        await response.write_eof()


def _is_open(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _cut(request: web.Request, reset: bool) -> None:
    """End the connection once what was written has left this process."""
    transport = request.transport
    while transport is not None and transport.get_write_buffer_size() and _is_open(request):
        await asyncio.sleep(0.005)
    if transport is None:
        return
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def tls_context(keys: Path, server: str = "files") -> ssl.SSLContext:
    """Of a server with the certificate `server` in the folder of keys. Raises ToolError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(keys / f"{server}.crt.pem", keys / f"{server}.key.pem")
    except OSError as error:
        raise ToolError(f"{keys}: no usable certificate {server!r}: {error}") from None
    return context
