"""device.config and device.config_table: every key's default and type, and what is said about a bad file."""

import json

from check import raises_code, settings

from device import config, config_table, errors, files

PROVES = {
    errors.NO_INIT: "test_a_file_that_is_not_there",
    errors.INVALID_PARAM: "test_a_wrong_type_is_named",
}

REQUIRED = {"wifi": [["net", "password"]], "broker": "mqtts://broker:8883", "board": "b"}
OF_NO_TYPE = (None, 1.5, {}, {"a": 1}, [], [[]], -1, "", "\0" * 4097)
SECONDS = [key for key in config_table.KEYS if key.endswith("_s")]
COUNTS = ("trial_attempts", "format")
FLAGS = ("accept_unversioned", "require_rollback")
TEXTS_THAT_MAY_BE_EMPTY = ("broker_user", "broker_password")
MAY_BE_ZERO = ("check_interval_s", "watchdog_s", "refuse_s")


def _made(values):
    return config_table.fill(config.Config(), values)


def _bad(key, value):
    values = dict(REQUIRED)
    values[key] = value
    error = raises_code(errors.INVALID_PARAM, _made, values)
    assert repr(key) in error.detail, (key, value, error.detail)


def _good(key, value):
    values = dict(REQUIRED)
    values[key] = value
    assert getattr(_made(values), key) == value, (key, value)


def _write(name, content):
    with open(name, "wb") as file:
        file.write(content)
    return name


def test_defaults_are_valid_and_are_what_one_gets():
    made = _made(REQUIRED)
    for key, (default, low, high) in config_table.KEYS.items():
        if key not in REQUIRED:
            value = list(default) if isinstance(default, tuple) else default
            assert config_table._is_right(key, value, default, low, high), key
            assert getattr(made, key) == default, key


def test_vendor_constants_are_the_defaults():
    made = _made(REQUIRED)
    assert (made.retry_window_s, made.http_timeout_s, made.checkpoint_kib) == (120, 30, 64)
    assert (made.mqtt_timeout_s, made.subscribe_timeout_s, made.check_interval_s) == (30, 10, 60)
    assert made.topic_prefix == "wm_iot"
    assert made.require_rollback and not made.accept_unversioned


def test_every_required_key_is_missed_by_name():
    for key in REQUIRED:
        values = dict(REQUIRED)
        del values[key]
        error = raises_code(errors.INVALID_PARAM, _made, values)
        assert repr(key) in error.detail and "missing" in error.detail


def test_an_unknown_key_is_named():
    _bad("brokre", "mqtt://broker")
    _bad("", 1)


def test_a_wrong_type_is_named():
    for key in config_table.KEYS:
        for value in OF_NO_TYPE:
            if not (value == "" and key in TEXTS_THAT_MAY_BE_EMPTY or value == [] and key == "file_hosts"):
                _bad(key, value)


def test_a_bool_is_no_number_and_a_number_no_bool():
    for key in list(SECONDS) + list(COUNTS):
        _bad(key, True)
        _bad(key, False)
        _bad(key, "5")
    for key in FLAGS:
        _good(key, True)
        _good(key, False)
        for value in (0, 1, "true"):
            _bad(key, value)


def test_ranges_of_numbers():
    for key in SECONDS:
        _good(key, 1)
        longest = {"keepalive_s": 65535, "check_interval_s": 31536000, "refuse_s": 31536000}.get(key, 86400)
        _good(key, longest)
        _bad(key, longest + 1)
        _bad(key, 1 << 64)
        if key in MAY_BE_ZERO:
            _good(key, 0)
        else:
            _bad(key, 0)
    for key in COUNTS:
        _good(key, 1)
        _good(key, 100)
        _bad(key, 0)
        _bad(key, 101)


def test_keepalive_fits_its_16_bits():
    """MQTT 3.1.1, 3.1.2.10: the keep alive is a u16; umqtt asserts it at every connect."""
    _good("keepalive_s", 65535)
    _bad("keepalive_s", 65536)


def test_choices():
    for value in ("esp32", "wm", "raw"):
        _good("image", value)
    for value in ("en", "zh"):
        _good("language", value)
    _bad("image", "ESP32")
    _bad("language", "de")


def test_brokers():
    for value in ("mqtt://b", "mqtts://b", "mqtts://10.0.0.7:8883", "mqtt://b:1"):
        _good("broker", value)
    for value in (
        "b", "b:8883", "mqtts:b", "mqtts://", "https://b", "mqttx://b", "mqtt", "mqtts://b:0",
        "mqtts://b:65536", "mqtts://b c", "mqtts://u:p@b", "mqtts://b\r\n", "mqtts://b/x", "mqtt://b?x", 1,
        None, True, ["mqtt://b"],
    ):  # fmt: skip
        _bad("broker", value)
    for value, parts in (
        ("mqtt://b", ("mqtt", "b", 1883)), ("mqtts://10.0.0.7", ("mqtts", "10.0.0.7", 8883)),
        ("mqtts://b:1/", ("mqtts", "b", 1)),
    ):  # fmt: skip
        assert settings(broker=value).broker_address == parts
    _good("broker", "mqtts://%s:65535/" % ("b" * 253))
    _bad("broker", "mqtts://%s" % ("b" * 254))
    _bad("broker", "mqtts://b#" + "b" * 272)


def test_networks():
    _good("wifi", [["a", ""], ["b", "12345678"]])
    for value in (
        [], [[]], [["a"]], [["a", "12345678", "c"]], [["", "12345678"]], [["a", None]], [[1, "12345678"]],
        ["ab"], "ab", {"a": "b"}, [["a", "12345678"]] * 17,
    ):  # fmt: skip
        _bad("wifi", value)


def test_names_and_passwords_of_networks_are_measured_in_bytes():
    """What ESP-IDF has room for: 32 bytes; 8 to 63, or 64 hex digits, which are the key itself."""
    for name in ("n" * 32, "\u00fc" * 16, "\u4e0b" * 10, "\U0001f373" * 8, " "):
        _good("wifi", [[name, ""]])
    for name in ("n" * 33, "\u00fc" * 17, "\u4e0b" * 11, "\U0001f373" * 8 + "n"):
        _bad("wifi", [[name, ""]])
    for password in ("p" * 8, "p" * 63, "\U0001f511" * 2, "0123456789abcdefABCDEF00" + "f" * 40):
        _good("wifi", [["a", password]])
    for password in ("p", "p" * 7, "p" * 64, "f" * 65, "\U0001f511", "\u4e0b" * 22, "f" * 63 + "\uff11"):
        _bad("wifi", [["home", "12345678"], ["a", password]])


def test_ntp_hosts():
    _good("ntp_hosts", ["10.0.0.1", "pool.ntp.org"])
    for value in ("pool.ntp.org", [], [""], [1], [None], ["h"] * 9, ["h:123"]):
        _bad("ntp_hosts", value)


def _said(key, value):
    values = dict(REQUIRED)
    values[key] = value
    return raises_code(errors.INVALID_PARAM, _made, values).detail


def test_ipv6_is_called_by_its_name():
    for host in ("::1", "[::1]", "[::1]:8883", "[fe80::1%25wlan0]", "2001:db8::7", "[2001:db8:0:0:0:0:0:1]"):
        assert "IPv6 is not supported" in _said("broker", "mqtts://" + host), host
        assert "IPv6 is not supported" in _said("ntp_hosts", ["pool.ntp.org", host]), host


def test_what_is_said_names_the_limits():
    for key, value, words in (
        ("wifi", [["home"]], "[name, password]"), ("wifi", [["a", "12345"]], "8 to 63"),
        ("broker_password", "x" * 4097, "0 to 4096"), ("keepalive_s", 0, "1 to 65535"),
        ("require_rollback", 1, "true or false"), ("image", "uf2", "'wm'"),
        ("language", "de", "'zh'"), ("broker", "http://b", "mqtts://HOST:PORT"),
    ):  # fmt: skip
        assert words in _said(key, value), key


def test_tokens_fit():
    """A JWT of a few claims, or what Azure's IoT hub takes."""
    for key in ("broker_user", "broker_password"):
        _good(key, "t" * 4096)


def test_file_hosts():
    assert settings().file_hosts == ()
    _good("file_hosts", [])
    _good("file_hosts", ["files", "10.0.0.7", ".example.com", "a" * 253])
    for value in (
        "files", ["files", ""], [1], [None], ["h"] * 33, ["a" * 254], ["https://files"], ["files:8443"],
        ["files/x"], ["*.example.com"], ["u@files"], ["files "], {"files": 1},
    ):  # fmt: skip
        _bad("file_hosts", value)


def test_a_file_that_is_not_there():
    error = raises_code(errors.NO_INIT, config.load, "no/such/ota.json")
    assert "no/such/ota.json" in error.detail
    raises_code(errors.NO_INIT, files.read_required, "no_such.der")


def test_files_that_are_no_configuration():
    for content in (b"", b"{", b"[]", b'"a"', b"1", b"null", b"\xff\xfe", b"not json", b"\0\0",
                    b"\xef\xbb\xbf", b"\xff\xfe{\0}\0"):  # fmt: skip
        raises_code(errors.INVALID_PARAM, config.load, _write("bad.json", content))


def test_text_above_the_first_65536_characters():
    """Written as it is, or in halves, as Python's json does unless told otherwise."""
    for name in (b"\xf0\x9f\x8d\xb3", b"\\ud83c\\udf73", b"\\uD83C\\uDF73"):
        raw = b'{"wifi": [["K %s", "geheim %s 1"]], "broker": "mqtt://b", "board": "%s"}' % (name, name, name)
        made = config.load(_write("emoji.json", raw))
        assert made.board == "\U0001f373" and made.board.encode() == b"\xf0\x9f\x8d\xb3"
        assert made.wifi[0][0].encode() == b"K \xf0\x9f\x8d\xb3"
        assert made.wifi[0][1].encode() == b"geheim \xf0\x9f\x8d\xb3 1"


def test_a_byte_order_mark_is_taken():
    made = config.load(_write("bom.json", b"\xef\xbb\xbf" + json.dumps(REQUIRED).encode()))
    assert made.board == "b"


def test_half_a_file_is_refused():
    """MicroPython's parser takes `{"a": 1` for whole: what is cut off would fall back to a default."""
    whole = b'{"wifi": [["n", ""]], "broker": "mqtt://b", "board": "b", "require_rollback": false}'
    config.load(_write("cut.json", whole))
    for length in range(len(whole)):
        raises_code(errors.INVALID_PARAM, config.load, _write("cut.json", whole[:length]))


def test_a_file_that_is_one():
    loaded = config.load(_write("good.json", json.dumps(REQUIRED).encode()))
    assert loaded.wifi == REQUIRED["wifi"] and loaded.board == "b"
    assert files.read_required("good.json").startswith(b"{")


def test_test_settings_are_a_configuration():
    assert isinstance(settings(trial_attempts=2), config.Config)
    assert settings(trial_attempts=2).trial_attempts == 2
