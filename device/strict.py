"""Parses texts from outside strictly: JSON, base64, versions, URLs and whether they are allowed.

MicroPython's own parsers take a JSON text that was cut off for a good one, and skip in base64 what they do
not know.

An address is (scheme, host, port, url, start): from start on, url is the path and query of a request, where
only the first "/" may be missing. So a URL, which can be long, is in memory once.
"""

import binascii
import json

from . import errors

_MAX_DEPTH = 64
_PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
_LONGEST = 4096  # URL
_MAX_PARTS = 255  # of a path: a list of thousands needs much memory in one piece
_FORBIDDEN = '"<>\\^`{|}'


def json_object(text):
    """The dict in these bytes (UTF-8, behind a byte order mark or not), or None if they are not one whole
    JSON object."""
    if text[:3] == b"\xef\xbb\xbf":
        text = text[3:]
    if not _is_whole(text):
        return None
    try:
        value = json.loads(_join_pairs(text))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_whole(text):
    """True if the brackets close, in order, and only at the end."""
    closing = bytearray()  # what the open brackets need, innermost last
    in_string = escaped = started = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte in b" \t\r\n":
            continue
        elif started and not closing:
            return False  # something follows the object
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            closing.append(byte + 2)  # in ASCII
            started = True
            if len(closing) > _MAX_DEPTH:
                return False
        elif byte in b"}]":
            if not closing or closing[-1] != byte:
                return False
            closing = closing[:-1]
    return started and not closing


def _join_pairs(text):
    """What many programs write for a character above U+FFFF, "\\ud83d\\ude00", as that character:
    MicroPython's parser makes two of it."""
    at = text.find(b"\\u")
    while at >= 0:
        try:
            high, low = int(text[at + 2 : at + 6], 16), int(text[at + 8 : at + 12], 16)
            if high >> 10 == 54 and low >> 10 == 55 and text[at + 6 : at + 8] == b"\\u":
                text = text[:at] + chr((high << 10) + low - 0x35FDC00).encode() + text[at + 12 :]
        except ValueError:
            pass
        at = text.find(b"\\u", at + 1)
    return text


def is_number(value):
    """An int, but not True or False."""
    return isinstance(value, int) and not isinstance(value, bool)


def base64(text):
    """The bytes of a text in base64, None if it is not just that."""
    try:
        data = binascii.a2b_base64(text)
        return data if binascii.b2a_base64(data).decode() == text + "\n" else None
    except (ValueError, TypeError, UnicodeError):
        return None


def version(text):
    """ "1.2.13" -> (1, 2, 13), each 0..99; None for anything that is not such a version."""
    if not isinstance(text, str) or not 5 <= len(text) <= 8:
        return None
    parts = text.split(".")
    if len(parts) != 3:
        return None
    for part in parts:
        if not 1 <= len(part) <= 2 or (len(part) == 2 and part[0] == "0") or not _are_digits(part):
            return None
    return (int(parts[0]), int(parts[1]), int(parts[2]))


def _are_digits(text):
    return all("0" <= digit <= "9" for digit in text)


def split_url(url, scheme):
    """The address of an absolute URL of this scheme, without its fragment. Nothing in it could smuggle a
    header.

    Raises OtaError(BAD_MESSAGE) for another scheme, user names, control characters, spaces
    or anything else a request line must not hold.
    """
    start = len(scheme) + 3
    if not isinstance(url, str) or url[:start] != scheme + "://" or len(url) > _LONGEST:
        raise _bad("not an absolute %s URL, or too long" % scheme)
    for char in url:
        if not "!" <= char <= "~" or char in _FORBIDDEN:
            raise _bad("bad character in URL")
    if "#" in url:  # else it would be copied
        url = url.split("#", 1)[0]
    end = start
    while url[end : end + 1] not in "/?":  # the end is in it, too
        end += 1
    host, colon, digits = url[start:end].partition(":")
    if "[" in host or ":" in digits and "@" not in digits:
        raise _bad("IPv6 is not supported")
    if not host or len(host) > 253 or "@" in digits or "@" in host:
        raise _bad("bad host in URL")
    port = _PORTS[scheme]
    if colon:
        port = int(digits) if digits.isdigit() and len(digits) < 6 else 0
    if not 0 < port < 65536:
        raise _bad("bad port in URL")
    return scheme, host, port, url, end


def check_host(address, hosts):
    """hosts: of the configuration, none = any; ".example.com" stands for every host below it. Raises
    OtaError(BAD_MESSAGE) with the field of an offer."""
    host = address[1].lower()
    for name in hosts:
        name = name.lower()
        if host == name or name[0] == "." and host.endswith(name):
            return
    if hosts:
        what = host + " is not in file_hosts"
        raise errors.OtaError(errors.BAD_MESSAGE, what, (("field", address[0] + "_url"),))


def redirect(location, hosts, scheme, _, __, url, start):
    """Where the Location of an answer from this address leads: its address. Never from https to http, nor to
    another scheme. hosts: see check_host(). Raises OtaError(HTTP_STATUS)."""
    try:
        found, location = _absolute(location, scheme, url, start)
        if found not in ("http", "https") or scheme == "https" and found != "https":
            raise _bad("to another scheme")
        address = split_url(location, found)
        check_host(address, hosts)
        return _without_dots(*address) if "/." in address[3] else address
    except errors.OtaError as error:
        what = "redirect refused, Location: " + error.detail
        raise errors.OtaError(errors.HTTP_STATUS, what, (("field", "Location"),))


def _absolute(location, scheme, url, start):
    """(scheme, URL), by RFC 3986, section 5.2."""
    location = location.split("#", 1)[0]
    if not location:
        raise _bad("missing")
    colon = location.find(":")
    found = location[: max(colon, 0)].lower()
    if found and "/" not in found and "?" not in found:
        return found, found + location[colon:]
    if location[:2] == "//":
        return scheme, scheme + ":" + location
    if location[0] != "/":
        path = url[start:].split("?", 1)[0] or "/"
        location = (path if location[0] == "?" else path[: path.rfind("/") + 1]) + location
    return scheme, url[:start] + location


def _without_dots(scheme, host, port, url, start):
    """The address with "/a/c" for "/a/./b/../c", by RFC 3986, section 5.2.4."""
    path, mark, query = url[start:].partition("?")
    if path.count("/") > _MAX_PARTS:
        raise _bad("too many parts")
    done: list[str] = []
    for part in path.split("/"):
        if part == "..":
            done = done[:-1] or [""]
        elif part != ".":
            done.append(part)
    if part in (".", ".."):
        done.append("")
    return scheme, host, port, url[:start] + "/".join(done) + mark + query, start


def _bad(what):
    return errors.OtaError(errors.BAD_MESSAGE, what)
