"""URLs from outside: taken apart strictly, resolved against each other, allowed or not.

An address is (scheme, host, port, url, start): from start on, url is the path and query of a request, where
only the first "/" may be missing. So a URL, which can be long, is in memory once.
"""

from . import errors

_PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
_LONGEST = 4096
_FORBIDDEN = '"<>\\^`{|}'


def split(url, scheme):
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
        address = split(location, found)
        check_host(address, hosts)
    except errors.OtaError as error:
        what = "redirect refused, Location: " + error.detail
        raise errors.OtaError(errors.HTTP_STATUS, what, (("field", "Location"),))
    return _without_dots(*address) if "/." in address[3] else address


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
