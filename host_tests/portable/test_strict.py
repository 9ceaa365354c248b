"""device.url: what is taken apart, and what is refused because it could smuggle something."""

from check import raises_code

from device import errors, url

GOOD = (
    ("http://host", "http", ("host", 80, "/")),
    ("https://host", "https", ("host", 443, "/")),
    ("https://host:8443/a?b", "https", ("host", 8443, "/a?b")),
    ("https://10.0.0.7/fw.bin", "https", ("10.0.0.7", 443, "/fw.bin")),
    ("https://host?x=1", "https", ("host", 443, "/?x=1")),
    ("https://host/a#part", "https", ("host", 443, "/a")),
    ("https://host?x=/y", "https", ("host", 443, "/?x=/y")),
    ("mqtts://broker", "mqtts", ("broker", 8883, "/")),
    ("mqtt://broker:1884", "mqtt", ("broker", 1884, "/")),
    ("http://h:65535/", "http", ("h", 65535, "/")),
    ("http://host#@evil/", "http", ("host", 80, "/")),
    ("http://host?@evil/", "http", ("host", 80, "/?@evil/")),
)
BAD = (
    "", "http", "http:/host/", "//host/", "/fw.bin", "ftp://host/", "file:///etc/passwd",
    "https://host/", "HTTP://host/", "http://", "http:///fw", "http://:80/", "http://host:/",
    "http://host:0/", "http://host:65536/", "http://host:99999/", "http://host:-1/",
    "http://host:8a/", "http://host: 80/", "http://user@host/", "http://user:pw@host/",
    "http://host/a b", "http://host/\r\nX: y", "http://host/\n", "http://host/\0",
    "http://ho\tst/", "http://host/\x7f", "http://host/\u4e0b", "http://host/<", 'http://host/"',
    "http://host/\\", "http://host:80@evil/", "http://host\\@evil/",
    "http://host/^`", "http://host/{|}", " http://host/", "http://host/ ",
    "http://" + "h" * 254 + "/",
)  # fmt: skip

PROVES = {errors.BAD_MESSAGE: "test_bad_urls"}


def test_good_urls():
    for text, scheme, parts in GOOD:
        assert url.parse(text, scheme) == parts, text


def test_bad_urls():
    for text in BAD:
        raises_code(errors.BAD_MESSAGE, url.parse, text, "http")


def test_other_types():
    for value in (None, 1, True, b"http://host/", ["http://host/"], {}):
        raises_code(errors.BAD_MESSAGE, url.parse, value, "http")


def test_ipv6_literals_are_refused_not_misread():
    for text in ("http://[::1]/", "http://[::1]:80/", "http://[fe80::1%25eth0]/", "http://::1/"):
        raises_code(errors.BAD_MESSAGE, url.parse, text, "http")
