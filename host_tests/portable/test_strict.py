"""device.strict: what is taken for a URL, version, JSON … and what is refused: it could smuggle something."""

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
        error = raises_code(errors.BAD_MESSAGE, strict.url, text, "http")
        assert error.detail == "IPv6 is not supported", text


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


def test_a_json_object_is_whole_or_none():
    assert strict.json_object(b' {"a": [1, {"b": "}"}]}\n') == {"a": [1, {"b": "}"}]}
    for text in (b"", b"1", b"[]", b'"{}"', b'{"a": 1', b'{"a": [1}]', b"{}{}", b"{} x", b'{"a": "\\"}'):
        assert strict.json_object(text) is None, text
    assert strict.json_object(b'{"a":' * 63 + b"{}" + b"}" * 63) is not None
    assert strict.json_object(b'{"a":' * 64 + b"{}" + b"}" * 64) is None
    assert strict.json_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_halves_of_a_character_are_joined():
    for raw, text in (
        (b"\\ud83d\\ude00", b"\xf0\x9f\x98\x80"), (b"\\uD83D\\uDE00", b"\xf0\x9f\x98\x80"),
        (b"\\ud800\\udc00", b"\xf0\x90\x80\x80"), (b"\\udbff\\udfff", b"\xf4\x8f\xbf\xbf"),
        (b"x\\ud83d\\ude00\\ud83d\\ude00y", b"x\xf0\x9f\x98\x80\xf0\x9f\x98\x80y"),
        (b"\\\\ud83d", b"\\ud83d"), (b"C:\\\\users\\u00e9", b"C:\\users\xc3\xa9"),
        (b"\\\\ud83d\\\\ude00", b"\\ud83d\\ude00"), (b"\\\\\\ud83d\\ude00", b"\\\xf0\x9f\x98\x80"),
        (b"\xf0\x9f\x98\x80", b"\xf0\x9f\x98\x80"), (b"\\u4e0b\\u4e0b", b"\xe4\xb8\x8b\xe4\xb8\x8b"),
    ):  # fmt: skip
        assert strict.json_object(b'{"a": "%s"}' % raw)["a"].encode() == text, raw


def test_half_a_character_alone_harms_nothing():
    for raw in (
        b"\\ud83d", b"\\ude00", b"\\ude00\\ud83d", b"\\ud83d\\ud83d", b"\\ud83dxx\\ude00", b"\\ud83d\\n",
    ):  # fmt: skip
        assert strict.json_object(b'{"a": "%s", "b": 1}' % raw)["b"] == 1, raw
    for raw in (b"\\ud83", b"\\u", b"\\ud83d\\u", b"\\ud83d\\ude0"):
        strict.json_object(b'{"a": "%s"}' % raw)  # wrong, which MicroPython does not mind


def test_base64_is_whole_or_none():
    assert strict.base64("AAEC") == b"\0\1\2" and strict.base64("AAE=") == b"\0\1"
    for text in ("AAE", "AAEC\n", "AA EC", "AAEC=", "AAF=", "-AEC", "AAEC====", None, 1, [], {}):
        assert strict.base64(text) is None, text


def test_a_boolean_is_no_number():
    for value in (0, -1, 1 << 40):
        assert strict.is_number(value)
    for value in (True, False, 1.0, "1", None):
        assert not strict.is_number(value)


def _redirect(location, scheme="https", host="h", port=443, path="/dir/fw"):
    return strict.redirect(location, scheme, host, port, path)


def test_redirects_that_are_followed():
    assert _redirect("https://o:8443/x?y") == ("https", "o", 8443, "/x?y")
    assert _redirect("/new") == ("https", "h", 443, "/new")
    assert _redirect("/new", "http", "h", 8080) == ("http", "h", 8080, "/new")
    assert _redirect("https://o/x", "http", "h", 80) == ("https", "o", 443, "/x")
    assert _redirect("http://o/x", "http", "h", 80) == ("http", "o", 80, "/x")


def test_redirects_that_are_refused():
    for location in (
        "http://h/x", "HTTP://h/x", "ftp://h/x", "file:///x", "javascript:x", "", "x", "//o/x",
        "https://o/\r\nX: y", "/a b", "/a\r\nHost: evil", "/\0", "https://u:p@o/", "https://o:0/",
        "https://u@o/", "https://o:8443@evil/", "https://o\tx/", "/x\ny", "///o/x", "\\\\o\\x",
        "https://", "https:/o/", " https://o/", "/\u4e0b",
    ):  # fmt: skip
        raises_code(errors.HTTP_STATUS, _redirect, location)
    for location in ("ftp://h/x", "//o/x", "x", "", "http://o/\r\nX: y"):
        raises_code(errors.HTTP_STATUS, _redirect, location, "http", "h", 80)
