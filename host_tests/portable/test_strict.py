"""device.strict: what is taken for a version, JSON, base64, and what is refused."""

from device import strict

GOOD_VERSIONS = {"0.0.0": (0, 0, 0), "1.2.13": (1, 2, 13), "99.99.99": (99, 99, 99), "10.0.9": (10, 0, 9)}
BAD_VERSIONS = (
    "", "1", "1.2", "1.2.3.4", "1.2.100", "100.0.0", "1.2.", ".1.2", "1..2", "-1.2.3", "+1.2.3",
    " 1.2.3", "1.2.3 ", "1. 2.3", "1.2.3\n", "1.2.a", "v1.2.3", "1.2.3-b", "01.2.3", "1.2.00",
    "1,2,3", "\u0661.2.3", "1.2.\u00b2", "1.2.3\0", "1_0.2.3",
)  # fmt: skip

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
        b"\\ud83d\\tde00",
    ):  # fmt: skip
        assert strict.json_object(b'{"a": "%s", "b": 1}' % raw)["b"] == 1, raw
    assert "de00" in strict.json_object(b'{"a": "\\ud83d\\tde00"}')["a"]
    for raw in (b"\\ud83", b"\\u", b"\\ud83d\\u", b"\\ud83d\\ude0"):
        strict.json_object(b'{"a": "%s"}' % raw)  # wrong, which MicroPython accepts


def test_base64_is_whole_or_none():
    assert strict.base64("AAEC") == b"\0\1\2" and strict.base64("AAE=") == b"\0\1"
    for text in ("AAE", "AAEC\n", "AA EC", "AAEC=", "AAF=", "-AEC", "AAEC====", None, 1, [], {}):
        assert strict.base64(text) is None, text


def test_a_boolean_is_no_number():
    for value in (0, -1, 1 << 40):
        assert strict.is_number(value)
    for value in (True, False, 1.0, "1", None):
        assert not strict.is_number(value)
