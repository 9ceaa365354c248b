"""What the server gives over HTTP: images to boards, the page and the fleet to people with the token.

Images come by HTTPS and HTTP, the page by HTTPS only. The page itself is public and empty; what it fetches
needs the token, which stands behind "#" in its URL and so in no request and no log.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from tools.cli import wholefile
from tools.errors import ToolError
from tools.server import imagestore, pages, ports, ranges, wire
from tools.server.doors import Doors
from tools.server.enrolled import Enrolled
from tools.server.files import tls_context
from tools.server.store import Store

PAGE = Path(__file__).with_name("page.html")
CHUNK = 16384
END_LIMIT_S = 2
LOOK_S = 0.5
STALL_LIMIT_S = 60  # who takes nothing for so long is gone
SLOWEST = 1000  # bytes a second over a whole answer: a MiB within 18 min
WORDS_KEPT = 50  # answers to who looks, one for each query


class Web:
    """`async with Web(...)` serves. wanted: ports (https, http), 0 = any free one, see https_port, http_port.

    count(mac, digest, bytes): hears of every piece of an image that was sent.
    """

    def __init__(
        self,
        store: Store,
        keys: Path,
        address: str,
        wanted: tuple[int, int],
        enrolled: Enrolled,
        count: Callable[[str, str, int], None],
    ) -> None:
        self.https_port, self.http_port = wanted
        self.token = ""
        self._store = store
        self._enrolled = enrolled
        self._tls = tls_context(keys)
        self._address = address
        self._count = count
        self._intact: set[tuple[str, int, int]] = set()  # name, size and time of files that were read once
        self._page = PAGE.read_text(encoding="utf-8")
        self._told: dict[tuple, tuple[float, str]] = {}  # by query, when it was answered last, and what
        self._doors = Doors()
        self._stack = contextlib.ExitStack()  # of listening sockets
        self._runners: list[web.AppRunner] = []

    async def __aenter__(self) -> Web:
        images = [web.get("/images/{name}", self._image)]
        pages = [web.get("/", self._show_page), web.get("/fleet.json", self._fleet)]
        try:
            self.https_port = await self._listen([*images, *pages], self.https_port, tls=True)
            self.http_port = await self._listen(images, self.http_port, tls=False)
        except ToolError:
            await self.__aexit__()
            raise
        self.token = _token(self._store.folder)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._doors.close()
        for runner in self._runners:
            await runner.cleanup()
        self._stack.close()

    async def _listen(self, routes: list[web.RouteDef], port: int, tls: bool) -> int:
        app = web.Application(client_max_size=0, middlewares=[self._watch])
        app.router.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=END_LIMIT_S, keepalive_timeout=30)
        await runner.setup()
        self._runners.append(runner)
        option = "--https-port" if tls else "--http-port"
        listener = self._stack.enter_context(ports.listener(self._address, port, option))
        listener.setblocking(False)
        self._doors.serve(listener, runner.server, self._tls if tls else None)
        return int(listener.getsockname()[1])

    @web.middleware
    async def _watch(self, request: web.Request, handler: Callable) -> web.StreamResponse:
        """While a request is answered its connection is not idle."""
        self._doors.busy(request.transport)
        try:
            return await handler(request)
        finally:
            self._doors.idle(request.transport)

    # Images

    async def _image(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("device", "").upper() in self._enrolled.revoked:
            raise web.HTTPForbidden(text="the certificate of this device is revoked\n")
        path = imagestore.path_of(self._store.folder, request.match_info["name"])
        if path is None or not await self._is_intact(path):
            raise web.HTTPNotFound()
        size = path.stat().st_size
        status, headers, start, end = ranges.answer(request, size, f'"{path.stem}"')
        headers["Cache-Control"] = "public, immutable, max-age=31536000"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = end - start
        await response.prepare(request)
        if request.method != "HEAD":
            limit_s = STALL_LIMIT_S + (end - start) / SLOWEST
            try:
                await asyncio.wait_for(self._send(request, response, path, start, end), limit_s)
            except asyncio.TimeoutError:
                if request.transport:
                    request.transport.abort()
        return response

    async def _is_intact(self, path: Path) -> bool:
        """Nothing goes out that is not what its name says; each file is read through once for that."""
        try:
            facts = path.stat()
            known = (path.name, facts.st_size, facts.st_mtime_ns)
            if known not in self._intact and await asyncio.to_thread(imagestore.is_intact, path):
                self._intact.add(known)
        except OSError:
            return False
        return known in self._intact

    async def _send(
        self, request: web.Request, response: web.StreamResponse, path: Path, start: int, end: int
    ) -> None:
        mac = request.query.get("device", "")
        mac = mac if wire.is_mac(mac) else ""
        with path.open("rb") as file:
            file.seek(start)
            while start < end:
                piece = file.read(min(CHUNK, end - start))
                await asyncio.wait_for(response.write(piece), STALL_LIMIT_S)
                self._count(mac, path.stem, len(piece))
                start += len(piece)
        await response.write_eof()

    # People

    async def _show_page(self, _: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": policy(self._page), **_HEADERS}
        return web.Response(text=self._page, content_type="text/html", headers=headers)

    async def _fleet(self, request: web.Request) -> web.Response:
        if not self._is_allowed(request.headers.get("Authorization", "")):
            headers = {"WWW-Authenticate": "Bearer", **_HEADERS}
            raise web.HTTPUnauthorized(text="wrong token\n", headers=headers)
        return web.Response(text=self._words(request), content_type="application/json", headers=_HEADERS)

    def _words(self, request: web.Request) -> str:
        """The same to all who ask the same, for LOOK_S."""
        query = request.query
        offset = query.get("offset", "0")
        key = (int(offset) if offset.isdecimal() and len(offset) < 9 else 0, query.get("state", ""),
               query.get("mac", "")[:12])  # fmt: skip
        made, text = self._told.get(key, (-LOOK_S, ""))
        if time.monotonic() - made >= LOOK_S:
            if len(self._told) >= WORDS_KEPT:
                self._told.clear()
            text = json.dumps(pages.page(self._store, *key))
            self._told[key] = (time.monotonic(), text)
        return text

    def _is_allowed(self, header: str) -> bool:
        given = header.encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, f"Bearer {self.token}".encode())


_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def policy(page: str) -> str:
    """The page's own script and style, and requests to its own server; nothing else."""
    allowed = ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'"]
    for kind in ("script", "style"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        allowed.append(f"{kind}-src 'sha256-{digest}'")
    return "; ".join([*allowed, "frame-ancestors 'none'"])


def _token(folder: Path) -> str:
    """Made at the first start, for the owner of the folder only."""
    path = folder / "token"
    if not path.exists():
        wholefile.write(path, f"{secrets.token_urlsafe(24)}\n".encode(), 0o600)
    token = path.read_text().strip()
    if len(token) < 16:
        raise ToolError(f"{path} holds no token: delete it, then a new one is made")
    return token
