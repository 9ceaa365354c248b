"""The file server of the simulation: ranges, ETags, and scripts of wrong answers."""

import binascii
import struct

import virtualtime
from verifier import Verdict

_REASON = "X"
_MAX_REQUESTS = 3000  # of a device that will not end; weeks of attacks take hundreds
_BYTES_PER_MS = 8  # of what never ends


class Files:
    """image: the file at every path. script: how the first answers differ from the right one:
    "status", "headers" (None removes one), "raw" instead of the head, "body", "whole" in spite of a Range,
    "endless" (a text that follows for ever); and what becomes of the file before it: "content" (see
    _variant), "etag". always: the change of every answer that the script does not name; a list: in turn."""

    def __init__(self, image):
        self.image = image
        self.content = image
        self.etag = '"1"'
        self.problem = None  # with its certificate
        self.certificate_name = None  # another host's than the one it is reached by
        self.script = []
        self.always = {}
        self.requests = []  # the Range of each
        self.sent = 0  # body bytes that the device took

    def accept(self):
        return _Connection(self)

    def answer(self, head):
        """bytes of a request -> its answer: head, body, and what follows them for ever."""
        wanted = _header(head, b"range")
        self.requests.append(wanted)
        if len(self.requests) > _MAX_REQUESTS:
            raise Verdict("hung", "more than %d requests" % _MAX_REQUESTS)
        change = self.script.pop(0) if self.script else self.always
        if isinstance(change, list):
            change = change[len(self.requests) % len(change)]
        if "content" in change:
            self.content = _variant(self.image, change["content"])
        if "etag" in change:
            self.etag = change["etag"]
        if change.get("whole"):
            wanted = ""
        first, last = self._span(head, wanted)
        partial = bool(wanted) and (first, last) != (0, len(self.content) - 1)
        body = self.content[first : last + 1]
        status = 206 if partial else 200
        if partial and first >= len(self.content):
            status, body = 416, b""
        head, body = self._words(change, status, first, last, body)
        return head, change.get("body", "").encode() or body, change.get("endless", "").encode()

    def _span(self, head, wanted):
        size = len(self.content)
        condition = _header(head, b"if-range")
        if not wanted or (condition and condition != self.etag):
            return 0, size - 1
        first, _, last = wanted[6:].partition("-")
        return int(first), min(int(last), size - 1) if last else size - 1

    def _words(self, change, status, first, last, body):
        status = change.get("status", status)
        headers = {"Content-Length": len(body)}
        if status == 206:
            headers["Content-Range"] = "bytes %d-%d/%d" % (first, last, len(self.content))
        if self.etag:
            headers["ETag"] = self.etag
        headers.update(change.get("headers", {}))
        lines = ["HTTP/1.1 %d %s" % (status, _REASON)]
        lines += ["%s: %s" % pair for pair in headers.items() if pair[1] is not None]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if "raw" in change:
            head = change["raw"].encode()
        if status not in (200, 206):
            body = b""
        return head, body


def _variant(image, name):
    """name: "right", "other", "shorter", "longer"; or ["size", n] for so many bytes, ["header", n] for a
    W80x header that says so, ["flip", bit], ["append", hex]."""
    if isinstance(name, list):
        kind, number = name
        if kind == "append":
            return image + bytes.fromhex(number)
        if kind == "flip":
            changed = bytearray(image)
            changed[number // 8] ^= 1 << number % 8
            return bytes(changed)
        if kind == "size":
            return image[:number] + image[: max(0, number - len(image))]
        head = image[:12] + struct.pack("<I", number) + image[16:60]
        return head + struct.pack("<I", binascii.crc32(head) ^ 0xFFFFFFFF) + image[64:]
    if name == "other":
        return image[:2000] + bytes([image[2000] ^ 1]) + image[2001:5000] + image[4999:-1]
    return {"right": image, "shorter": image[:-700], "longer": image + image[-700:]}[name]


def _header(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip().decode()
    return ""


class _Connection:
    def __init__(self, server):
        self._server = server
        self._request = b""
        self._head_left = 0
        self._endless = b""
        self.out = b""
        self.ended = False
        self.certificate_name = server.certificate_name

    def certificate_problem(self):
        return self._server.problem and self._server.problem()

    def receive(self, data):
        self._request += data
        if self._request.endswith(b"\r\n\r\n") and not self.ended:
            head, body, self._endless = self._server.answer(self._request)
            self._request = b""
            self._head_left = len(head)
            self.out = memoryview(head + body + self._endless)
            self.ended = not self._endless  # Connection: close

    def take(self, room):
        piece = bytes(self.out[:room])
        self.out = self.out[room:]
        self._server.sent += max(0, len(piece) - self._head_left)
        self._head_left = max(0, self._head_left - len(piece))
        if self._endless and not len(self.out):
            self.out = memoryview(self._endless)
            virtualtime.advance(len(self._endless) // _BYTES_PER_MS + 1)
        return piece

    def close(self):
        self.ended = True
