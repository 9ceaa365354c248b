"""Which bytes of a file an HTTP request is to get: Range and If-Range by entity tag, RFC 9110.

aiohttp's own FileResponse is not used: its If-Range knows dates only and takes an ETag there for
"unchanged", and its ETag is the file's time, so a resume could mix two images.
"""

from __future__ import annotations

from aiohttp import web


def answer(
    request: web.Request, size: int, etag: str, ignore: bool = False
) -> tuple[int, dict[str, str], int, int]:
    """(status, headers, start, end) for a file of `size` bytes with this strong, quoted tag.

    ignore: as a server does that knows no ranges.
    """
    headers = {"ETag": etag, "Content-Type": "application/octet-stream"}
    if ignore:
        return 200, headers, 0, size
    headers["Accept-Ranges"] = "bytes"
    part = _requested_part(request, size, etag)
    if part is None:
        return 200, headers, 0, size
    start, end = part
    if start >= end:
        headers["Content-Range"] = f"bytes */{size}"
        return 416, headers, 0, 0
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return 206, headers, start, end


def _requested_part(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    """Start and end of the bytes asked for; empty = not satisfiable; None = everything."""
    if request.headers.get("If-Range", etag) != etag:
        return None
    try:
        wanted = request.http_range
    except ValueError:  # several ranges or nonsense: RFC 9110 lets a server ignore them
        return None
    if wanted.start is None:
        return None
    if wanted.start < 0:
        return max(0, size + wanted.start), size
    return wanted.start, size if wanted.stop is None else min(wanted.stop, size)
