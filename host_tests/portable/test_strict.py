"""device.strict: versions, URLs, base64 and JSON: what is taken, and what is refused because it could mean another thing
than it seems to."""

from check import raises_code

from device import errors, strict

GOOD_URLS = (
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
BAD_URLS = (
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

GOOD_VERSIONS = {"0.0.0": (0, 0, 0), "1.2.13": (1, 2, 13), "99.99.99": (99, 99, 99), "10.0.9": (10, 0, 9)}
BAD_VERSIONS = (
    "", "1", "1.2", "1.2.3.4", "1.2.100", "100.0.0", "1.2.", ".1.2", "1..2", "-1.2.3", "+1.2.3",
    " 1.2.3", "1.2.3 ", "1. 2.3", "1.2.3\n", "1.2.a", "v1.2.3", "1.2.3-b", "01.2.3", "1.2.00",
    "1,2,3", "\u0661.2.3", "1.2.\u00b2", "1.2.3\0", "1_0.2.3",
)  # fmt: skip

PROVES = {errors.BAD_MESSAGE: "test_bad_urls"}


def test_good_urls():
    for text, scheme, parts in GOOD_URLS:
        assert strict.url(text, scheme) == parts, text


def test_bad_urls():
    for text in BAD_URLS:
        raises_code(errors.BAD_MESSAGE, strict.url, text, "http")


def test_urls_of_other_types():
    for value in (None, 1, True, b"http://host/", ["http://host/"], {}):
        raises_code(errors.BAD_MESSAGE, strict.url, value, "http")


def test_ipv6_literals_are_refused_not_misread():
    for text in ("http://[::1]/", "http://[::1]:80/", "http://[fe80::1%25eth0]/", "http://::1/"):
        raises_code(errors.BAD_MESSAGE, strict.url, text, "http")


def test_good_versions():
    for text, numbers in GOOD_VERSIONS.items():
        assert strict.version(text) == numbers, text


def test_bad_versions():
    for text in BAD_VERSIONS:
        assert strict.version(text) is None, repr(text)


def test_versions_of_other_types():
    for value in (None, 1, 1.2, True, b"1.2.3", ["1", "2", "3"], (1, 2, 3), {}):
        assert strict.version(value) is None, repr(value)


def test_order_is_numeric():
    assert strict.version("1.10.0") > strict.version("1.9.99")
    assert strict.version("2.0.0") > strict.version("1.99.99")
    assert strict.version("0.0.10") > strict.version("0.0.9")
