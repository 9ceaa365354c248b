"""Inputs that once showed a mistake, and those that come near one: (parser, bytes, what they show). All are
played on every interpreter."""

import struct
import zlib

import makeimage
from good_records import binding


def _checkpoint(sequence: int, position: int, tag: bytes) -> bytes:
    """A record of the journal with a right checksum."""
    record = struct.pack("<4sII32s128s", b"OTJ2", sequence, position, binding(), tag)
    return record + zlib.crc32(record).to_bytes(4, "little")


def _alone(record: bytes) -> bytes:
    return bytes([len(record)]) + record


FOUND = (
    ("journal", _alone(_checkpoint(1, 4096, b"\x80")), "an ETag that is not a text raised UnicodeError"),
    ("ntp", b"", "an empty answer"),
    ("ntp", bytes(43), "an answer without its last byte of the seconds"),
    ("ntp", bytes(48), "a kiss of death: 2036"),
    ("build_time", b"Feb 31 2026 00:00:00", "a day that month does not have"),
    ("build_time", b"Jan 1 2100 00:00:00", "beyond 2038"),
    ("build_time", b"Dec 31 2100 23:59:60", "beyond 2038, with a leap second"),
    ("build_time", b"anF 1 2026 00:00:00", "a month made of two"),
    ("build_time", b"May +4 2024 -0:33:41", "signs"),
    ("build_time", b"May 2_4 2024 10:33:41", "an underscore in a number"),
    ("build_time", "May \u0662\u0664 2024 10:33:41".encode(), "digits of another script"),
    ("head", "HTTP/1.1 200 OK\r\nContent-Length:\u00a05\r\n\r\n".encode(), "a blank that is not ASCII"),
    ("head", "HTTP/1.1 200 OK\r\nContent-Length: \uff15\r\n\r\n".encode(), "a digit that is not ASCII"),
    ("head", b"HTTP/1.1 200 OK\r\nLocation: " + b"A" * 4097, "a value that is too long"),
    ("head", b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 2000, "a head without an end"),
    ("head", b"HTTP/1.1 200 OK\r\nContent-Encoding:\xa0\r\n\r\n", "another blank that is not ASCII"),
    ("redirect", b"HTTP/1.1 302 X\r\nLocation: " + b"/." * 2000 + b"\r\n\r\n", "many dots"),
    ("json", b"{" * 200 + b"}" * 200, "depth"),
    ("json", b'{"a":' * 8 + b"1" + b"}" * 8, "the greatest depth"),
    ("json", b'{"a":' + b"9" * 4000 + b"}", "a number of 4000 digits"),
    ("json", b'{"a":' + b"9" * 5000 + b"}", "more digits than CPython takes"),
    ("json", b'{"a":1', "cut off"),
    ("json", b'{"a" 1}', "no colon"),
    ("json", b'{"a":1,}', "a comma too many"),
    ("json", b"{1:2}", "a key that is not a text"),
    ("json", b"{[1]:2}", "a key that is a list"),
    ("json", b'{{}:{}}', "a key that is a dict"),
    ("json", b'{"a":NaN,"b":-Infinity}', "floats that CPython alone takes"),
    ("json", b'{"a":1e999}', "a float beyond all"),
    ("json", b'{"a":"\xff\xfe"}', "bytes that are not text"),
    ("json", b'{"a":"\\ud800"}', "half a character"),
    ("json", b'{"a":"\\udfff\\ud800x"}', "halves in the wrong order"),
    ("json", b'{"a":"\\u00', "cut in an escape"),
    ("json", b'{"a":"\\uZZZZ"}', "what is not an escape"),
    ("json", b'{"a":"\\x"}', "another that is not an escape"),
    ("json", '{"a":"\u4e0b"}'.encode("utf-16-be"), "UTF-16, which CPython takes for JSON"),
    ("json", b"\xef\xbb\xbf{}", "a byte order mark"),
    ("json", b'{"a":"\0\n"}', "control characters in a text"),
    ("json", b'{"a":+1,"b":01,"c":.5}', "what JSON does not take as numbers"),
    ("json", b'{"a":-}', "a minus alone"),
    ("json", b'{"a":1 "b":2}', "no comma"),
    ("json", b"abc{}", "noise before the object"),
    ("json", b'"a"{}', "a text before the object"),
    ("trailer", makeimage.raw_trailer(b"{}", 600), "longer than the image"),
    ("trailer", makeimage.raw_trailer(b"x" * 513), "one byte too long"),
    ("trailer", makeimage.raw_trailer(b"", 0), "empty"),
    ("trailer", b"OTAT", "a mark alone"),
    ("next_key", b"\xf4\x90\x80\x80", "a character beyond all, which MicroPython takes for text"),
    ("mqtt", b"\0", "a broker that says nothing"),
    ("mqtt", b"\4", "a broker that hangs up at once"),
    ("mqtt", b"\0\x20\2\0\0\x32" + b"\xff" * 300, "a length without end"),
    ("mqtt", b"\0\x20\2\0\0\x32\xff\xff\xff\x7f\xff\xff", "a message of 256 MiB with a topic of 64 KiB"),
    ("mqtt", b"\0\x20\2\0\0\x32\0\0\5\0\0\0\0\0\0", "a message shorter than its topic"),
)  # fmt: skip
