"""device.version: what is a version, and which is the newer."""

from device import version

GOOD = {"0.0.0": (0, 0, 0), "1.2.13": (1, 2, 13), "99.99.99": (99, 99, 99), "10.0.9": (10, 0, 9)}
BAD = (
    "", "1", "1.2", "1.2.3.4", "1.2.100", "100.0.0", "1.2.", ".1.2", "1..2", "-1.2.3", "+1.2.3",
    " 1.2.3", "1.2.3 ", "1. 2.3", "1.2.3\n", "1.2.a", "v1.2.3", "1.2.3-b", "01.2.3", "1.2.00",
    "1,2,3", "\u0661.2.3", "1.2.\u00b2", "1.2.3\0", "1_0.2.3",
)  # fmt: skip


def test_good_versions():
    for text, numbers in GOOD.items():
        assert version.parse(text) == numbers, text


def test_bad_versions():
    for text in BAD:
        assert version.parse(text) is None, repr(text)


def test_other_types():
    for value in (None, 1, 1.2, True, b"1.2.3", ["1", "2", "3"], (1, 2, 3), {}):
        assert version.parse(value) is None, repr(value)


def test_order_is_numeric():
    assert version.parse("1.10.0") > version.parse("1.9.99")
    assert version.parse("2.0.0") > version.parse("1.99.99")
    assert version.parse("0.0.10") > version.parse("0.0.9")
