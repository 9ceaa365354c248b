"""device.offer: every check of an offer that needs nothing but the message."""

import json

import makeoffer
from check import raises_code
from makeoffer import ABSENT, fields, message, payload

from device import errors
from device.offer import parse, parse_message

PROVES = {errors.BAD_MESSAGE: "test_no_field_takes_a_value_of_another_kind"}

WRONG_FOR_ALL = (None, True, False, 1.5, -1, [], {}, [1], {"a": 1}, "", "x", "\0", 1 << 65)


def _refused(raw, field=None):
    error = raises_code(errors.BAD_MESSAGE, parse_message, raw)
    if field:
        assert error.facts == (("field", field),), (error.facts, raw)


def _dump(value):
    return json.dumps(value).encode()


def test_a_good_offer():
    sequence, offer, _ = parse_message(payload())
    assert sequence == 7
    assert (offer.version, offer.size, offer.start_at) == ("1.2.3", 10000, 0)
    assert offer.number == (1, 2, 3) and offer.own_signature is None
    assert offer.url == "https://files:8443/fw.bin" and offer.signature == makeoffer.SIGNATURE
    assert offer.address == ("https", "files", 8443, offer.url, offer.url.find("/fw.bin"))
    assert offer.signature_text == fields()["sig-sha256-ecdsa"]


def test_https_is_preferred_and_either_is_enough():
    assert parse_message(payload(http_url=ABSENT))[1].url.startswith("https:")
    assert parse_message(payload(https_url=ABSENT))[1].url == "http://files/fw.bin"
    _refused(payload(http_url=ABSENT, https_url=ABSENT))


def test_the_url_that_is_used_must_be_right():
    for bad in (
        "http://files/a\r\nHost: x", "http://files/a b", "http://files/\n", "ftp://files/a",
        "https://files/", "/a", "http://u@files/", "", None, 1, [],
    ):  # fmt: skip
        _refused(payload(http_url=bad, https_url=ABSENT), "http_url")
        _refused(payload(http_url=bad, https_url=""), "http_url")
        assert parse_message(payload(http_url=bad))[1].url.startswith("https:")  # nobody uses the other one
    for bad in ("http://files/", "https://", "https://files/a b", 0, False, []):
        _refused(payload(https_url=bad), "https_url")  # never http in its place
    for absent in ("", None, ABSENT):
        assert parse_message(payload(https_url=absent))[1].url == "http://files/fw.bin"


def test_presigned_urls_are_long_and_bounded():
    for length in (1300, 1900, 2048):
        url = "https://files/x?X-Amz-Signature=" + "a" * (length - 32)
        assert parse_message(payload(http_url=ABSENT, https_url=url))[1].url == url
    _refused(payload(http_url=ABSENT, https_url=url + "a"))


def test_every_needed_field_is_missed():
    for name, field in (("version", "version"), ("size", "size"), ("signature", "sig-sha256-ecdsa")):
        _refused(payload(**{name: ABSENT}), field)
    whole = message(fields())
    del whole["data"]
    _refused(_dump(whole), "data")
    for delay in (ABSENT, None):
        assert parse_message(payload(upgrade_delay=delay))[1].start_at == 0


def test_no_field_takes_a_value_of_another_kind():
    for name in ("version", "size", "signature", "upgrade_delay", "https_url"):
        for value in WRONG_FOR_ALL:
            if not (value is None and name == "upgrade_delay" or value in (None, "") and name == "https_url"):
                _refused(payload(**{name: value}), "sig-sha256-ecdsa" if name == "signature" else name)
    for value in WRONG_FOR_ALL:
        whole = message(fields())
        whole["data"] = value
        _refused(_dump(whole), "version" if value in ({}, {"a": 1}) else "data")


def test_what_nobody_uses_is_not_looked_at():
    """What other clients write there: a float, a date, a number of their own, nothing."""
    for name in ("msg_sequence", "time"):
        for value in WRONG_FOR_ALL + (1795590551000.5, "2026-11-29T00:00:00Z", 1795590551000, ABSENT):
            whole = message(fields())
            whole[name] = value
            if value is ABSENT:
                del whole[name]
            sequence, offer, _ = parse_message(_dump(whole))
            assert offer.version == "1.2.3"
            assert name == "time" or sequence == (None if value is ABSENT else value)


def test_sizes():
    for size in (65, 1 << 20, 1 << 31):
        assert parse_message(payload(size=size))[1].size == size
    for size in (0, 1, 64, -1, -(1 << 31), (1 << 31) + 1, (1 << 32) - 1, 1 << 64, "10000", 10000.5):
        _refused(payload(size=size), "size")


def test_times_of_10_and_13_digits():
    for given, seconds in (
        (0, 0), (1, 1), (1716517000, 1716517000), (1716517000123, 1716517000),
        (99999999999, 99999999999), (100000000000, 100000000), (99999999999999, 99999999999),
    ):  # fmt: skip
        assert parse_message(payload(upgrade_delay=given))[1].start_at == seconds
    for given in (-1, 1.5, "1716517000", 1 << 64, 1716517000.0, True):
        _refused(payload(upgrade_delay=given), "upgrade_delay")


def test_versions():
    for text in ("1.2", "1.2.100", "v1.2.3", "1.2.3 ", "99.99.999", "1.2.3-rc1", "01.2.3"):
        _refused(payload(version=text))


def test_unknown_fields_are_ignored_and_not_kept():
    whole = fields()
    whole["note"] = "x" * 500
    offer = parse_message(_dump(message(whole)))[1]
    assert offer.fields == fields(http_url=ABSENT)
    assert parse(offer.fields) == offer
    offer = parse_message(payload(size=1e4, upgrade_delay=None, https_url="", http_url="http://files/a"))[1]
    assert offer.fields == fields(https_url=ABSENT, http_url="http://files/a")
    assert parse(offer.fields) == offer


def test_every_strict_prefix_is_refused():
    whole = payload()
    parse_message(whole)
    for length in range(len(whole)):
        _refused(whole[:length])


def test_anything_after_the_object_is_refused():
    for tail in (b"}", b"x", b"{}", b",", b"1", b"\0", b"]", b'"', payload()):
        _refused(payload() + tail)
    parse_message(b" \r\n\t" + payload() + b"\n ")


def test_what_micropythons_parser_takes_for_json():
    good = payload().decode()
    for raw in (
        "[1 2]", '{"a":1', '{"a":1]', "[]", "{}", "1", "null", "true", '""', "", "{", "}", "][",
        "[" + good + "]", good.replace("{", "[", 1), good[:-1] + "]",
    ):  # fmt: skip
        _refused(raw.encode(), "data" if raw == "{}" else "length" if not raw else "message")


def test_missing_commas_and_colons_are_refused_or_change_nothing():
    """MicroPython's parser takes a space for a comma; what it makes of that must be the same offer."""
    for mark in (b",", b":"):
        raw = payload()
        for index in range(len(raw)):
            if raw[index : index + 1] == mark:
                _same_offer_or_refused(raw[:index] + b" " + raw[index + 1 :])


def _same_offer_or_refused(raw):
    try:
        _, offer, _ = parse_message(raw)
    except errors.OtaError as error:
        assert error.code == errors.BAD_MESSAGE
        return
    assert (offer.version, offer.size, offer.signature) == ("1.2.3", 10000, makeoffer.SIGNATURE)


def test_duplicate_keys_are_checked_as_the_last_one():
    twice = payload().replace(b'"size": 10000', b'"size": 10000, "size": -1')
    _refused(twice)
    twice = payload().replace(b'"size": 10000', b'"size": -1, "size": 10000')
    assert parse_message(twice)[1].size == 10000


def test_nul_and_bytes_that_are_no_text():
    raw = payload()
    _refused(raw.replace(b"1.2.3", b"1.2\0.3"))
    _refused(b"\0" + raw)
    _refused(raw + b"\0")
    _refused(raw.replace(b"1.2.3", b"1.2.\xff"))
    _refused(b"\xff\xfe" * 20)


def test_nesting_is_bounded():
    for depth in (65, 100, 2000):
        _refused(b"[" * depth)
        _refused(b'{"data":' * depth)
        _refused(payload()[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}", "message")
    for depth in (9, 63):
        deep = b', "x": ' + b"[" * depth + b"]" * depth + b"}"
        assert parse_message(payload()[:-1] + deep)[1].version == "1.2.3"


def test_brackets_inside_strings_are_text():
    whole = fields()
    whole["note"] = '}]{["\\'
    assert parse_message(_dump(message(whole)))[0] == 7


def test_base64_noise():
    good = fields()["sig-sha256-ecdsa"]
    for bad in (
        good[:-1], good + "=", good + "A", " " + good, good + " ", good + "\n", good[:8] + "\n" + good[8:],
        good.replace("M", "-", 1), good[:4], "", "====", "!" * 96, good * 2, "\u4e0b" * 40,
        good[:10] + "\0" + good[11:], good[:-2] + "B=" if good[-2:] == "A=" else good[:-1] + "*",
    ):  # fmt: skip
        _refused(payload(signature=bad))


def test_float_forms_of_integers():
    """Exact up to 2^24 on every board; beyond, its floats hold every second integer at best."""
    for text in (b"1e4", b"10000.0", b"1E4", b"1e+4"):
        offer = parse_message(payload().replace(b'"size": 10000', b'"size": ' + text))[1]
        assert offer.size == offer.fields["size"] == 10000 and isinstance(offer.size, int)
    assert parse_message(payload(upgrade_delay=0.0))[1].start_at == 0
    assert parse_message(payload(size=16777215.0))[1].size == 16777215
    for text in (
        b"0x2710", b"1_0000", b"NaN", b"Infinity", b"-Infinity", b"-1e4", b"-0.0", b"16777216.0", b"1e9",
    ):  # fmt: skip
        _refused(payload().replace(b'"size": 10000', b'"size": ' + text))


def test_a_byte_order_mark_is_taken():
    assert parse_message(b"\xef\xbb\xbf" + payload())[1].version == "1.2.3"
    _refused(b"\xef\xbb\xbf", "message")


def test_a_message_that_link_has_drained():
    _refused(b"", "length")
