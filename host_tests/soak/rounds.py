"""The fifty rounds that soak.py plays again and again: (what ends it, what goes wrong).

What ends it: UPDATED, an error code that the broker hears, or None where that depends on the place, which the
round's number chooses. What goes wrong: a case for peers.connect() of tools/torture/simulation, and
  answer    the change of every answer of the file server, see fileserver.py
  refused   the board does not take the file server's certificate
  insists   the broker offers also what the board has
  strike    (number of the poll, method of events.Events, argument)
  trial     how the new image's ends: "confirmed", "failed"
and, as functions of the round's number,
  missing   the module that cannot be loaded
  flash     the operation of the flash that fails (its number, kind)
  free      bytes of heap that are left
  line      the line of the log at which MemoryError is raised
  polls     after which the agent is given up
  cut       after how many bytes of its first answer the peer `from` is lost, by `kind`
"""

import binascii

from device import errors

UPDATED = "updated"
_FOREIGN = b"\x30\x44\x02\x20" + b"\x11" * 32 + b"\x02\x20" + b"\x22" * 32
_SIGNATURE = {"sig-sha256-ecdsa": binascii.b2a_base64(_FOREIGN).decode().strip()}
_PLAIN = {"https_url": "absent", "http_url": "http://files/new.img"}
_LOOP = {"status": 302, "headers": {"Location": "/new.img"}}
_MODULES = (
    "connection download ecdsa failure keys ntp offer offers online p256_comb record response slot state"
    " strict texts_en trial verify"
).split()


def _below(limit):
    """A function of the round's number that goes all over the numbers below the limit."""
    return lambda number: (number * 40503 >> 5) % limit


_LOST = [
    (UPDATED, {"cut": _below(8000), "from": "files", "kind": kind})
    for kind in ("cut", "reset", "stall", "garbage", "refuse", "dns")
]
_LOST += [
    (UPDATED, {"cut": _below(40), "from": "broker", "kind": kind})
    for kind in ("cut", "reset", "stall", "dns")
]
_PHASES = [
    (errors.SHA256_ECDSA, {"offer": _SIGNATURE}),
    (errors.SHA256_ECDSA, {"files_script": [{"content": ["flip", 40000]}]}),
    (errors.HEADER_INVALID, {"files_script": [{"content": ["flip", 0]}]}),
    (errors.SIZE_MISMATCH, {"files_script": [{"content": "shorter"}]}),
    (errors.HTTP_STATUS, {"answer": {"status": 404}}),
    (errors.HTTP_STATUS, {"answer": {"status": 503}}),
    (errors.HTTP_STATUS, {"answer": _LOOP}),
    (errors.HTTP_STATUS, {"answer": {"raw": "SSH-2.0-x\r\n\r\n"}}),
    (errors.TLS_REFUSED, {"refused": True}),
    (errors.TLS_REFUSED, {"certificate": [1 << 31, 1 << 32], "heals_ms": 60000}),
    (UPDATED, {"strike": (14, "wifi", 5000)}),
    (UPDATED, {"strike": (5, "wifi", 5000)}),
]
_OFFERS = [
    (errors.SAME_VERSION, {"offer": {"version": "1.0.0"}, "insists": True}),
    (errors.FW_OVERFLOW, {"offer": {"size": 1 << 20}}),
    (errors.BAD_MESSAGE, {"broker_script": [{"prefix": 50}]}),
    (errors.DOWNGRADE, {"offer": {"version": "0.9.0"}}),
    (errors.BAD_MESSAGE, {"broker_script": [{"deep": 70}]}),
]
_VARIED = [
    (None, {"missing": lambda number: _MODULES[_below(len(_MODULES))(number)]}),
    (None, {"flash": lambda number: (_below(60)(number), ("error", "ignore", "read_error")[number % 3])}),
    (None, {"free": lambda number: 4000 + 1500 * _below(24)(number)}),
    (None, {"line": _below(41)}),
    (None, {"polls": lambda number: 1 + _below(40)(number)}),
]
_GOOD = [
    (UPDATED, {}),
    (UPDATED, {"offer": _PLAIN}),
    (UPDATED, {"repeats": 3}),
    (UPDATED, {"ntp": "dead"}),
    (UPDATED, {"ntp": -800_000_000}),
    (UPDATED, {"trial": "confirmed"}),
    (UPDATED, {"trial": "failed"}),
    (UPDATED, {}),
]
ROUNDS = _LOST + _PHASES + _VARIED + _OFFERS + _VARIED + _VARIED + _GOOD
