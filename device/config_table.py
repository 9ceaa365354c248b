"""The configuration file: one JSON object, every key in one table, anything else refused by name and reason.

The host's programs check with this file too, so it needs nothing of MicroPython until it has to.
"""

from . import errors, strict

FORMAT = 2  # what this image understands; 2 since file_hosts, download_limit_s and refuse_s
_DAY = 86400  # seconds: what is waited for by ticks must stay far below their wrap
_YEAR = 31536000

# key: (default, low, high), both of a number, or of the length of a text or a list. No default = required.
# Units are in the names; 0 s = never. CONFIGURATION.md explains each key; a test compares.
KEYS = {
    "format": (FORMAT, 1, 100),
    "wifi": (None, 1, 16),
    "broker": (None, 1, 272),  # as long as its host may be
    "board": (None, 1, 64),
    "broker_user": ("", 0, 4096),
    "broker_password": ("", 0, 4096),  # a JWT, or a token of Azure's
    "topic_prefix": ("wm_iot", 1, 64),
    "broker_ca": ("certs/broker_ca.der", 1, 64),
    "client_cert": ("certs/client.crt.der", 1, 64),
    "client_key": ("certs/client.key.der", 1, 64),
    "file_ca": ("certs/file_ca.der", 1, 64),
    "signing_key": ("certs/sign_pub.der", 1, 64),
    "next_signing_key": ("certs/sign_next.der", 1, 64),
    "require_signed_offer": (False, 0, 0),
    "image": ("esp32", 1, 64),
    "accept_unversioned": (False, 0, 0),
    "require_rollback": (True, 0, 0),
    "language": ("en", 1, 64),
    "ntp_hosts": (("pool.ntp.org", "time.cloudflare.com"), 1, 8),
    "file_hosts": ((), 0, 32),
    "ntp_resync_s": (86400, 1, _DAY),
    "check_interval_s": (60, 0, _YEAR),
    "wifi_timeout_s": (20, 1, _DAY),
    "mqtt_timeout_s": (30, 1, _DAY),
    "subscribe_timeout_s": (10, 1, _DAY),
    "publish_timeout_s": (10, 1, _DAY),
    "keepalive_s": (60, 1, 65535),  # MQTT has 16 bits for it
    "http_timeout_s": (30, 1, _DAY),
    "retry_window_s": (120, 1, _DAY),
    "download_limit_s": (21600, 1, _DAY),
    "checkpoint_kib": (64, 4, 16384),  # one flash block to a slot of 16 MiB
    "backoff_min_s": (1, 1, _DAY),
    "backoff_max_s": (60, 1, _DAY),
    "trial_limit_s": (600, 1, _DAY),
    "trial_attempts": (3, 1, 100),
    "refuse_s": (604800, 0, _YEAR),
    "watchdog_s": (180, 0, _DAY),
}
_RULES = {
    "wifi": "[name, password] of 1 to 32 bytes, and 8 to 63 bytes, 64 hex digits or none",
    "ntp_hosts": "1 to 8 hosts; no port, IPv6 is not supported",
}
_CHOICES = {"image": ("esp32", "wm", "raw"), "language": ("en", "zh")}


def load(path, config):
    """Fill a config.Config. Raises OtaError: NO_INIT if the file is not there, INVALID_PARAM if it is
    wrong."""
    from . import files, log

    values = strict.json_object(files.read_required(path))
    if values is None:
        raise _bad("%s is not a JSON object" % path)
    networks = values.get("wifi")
    if isinstance(networks, list):  # one that no station can join must not keep the board from the others
        possible = [pair for pair in networks if _is_network(pair)]
        if possible and len(possible) < len(networks):
            log.warning("wifi: %d networks that cannot be joined" % (len(networks) - len(possible)))
            values["wifi"] = possible
    return fill(config, values)


def fill(config, values):
    """The same from a dict; raises OtaError(INVALID_PARAM) naming the key at fault.

    A file of a newer format may have keys that are new: they are left alone, so that an old image
    after a rollback runs with what was written for a newer one.
    """
    number = values.get("format")
    is_newer = isinstance(number, int) and number > FORMAT
    for key in values:
        if key not in KEYS:
            if not is_newer:
                raise _bad("unknown key %r" % key)
            from . import log

            log.warning("configuration: key %r is newer than this image" % key)
    for key, (default, low, high) in KEYS.items():
        value = values.get(key, default)
        if value is None:
            raise _bad("%r is missing" % key)
        if key in values and not _is_right(key, value, default, low, high):
            limits = "%d to %d" % (low, high) if high else "true or false"
            rule = _RULES.get(key) or _CHOICES.get(key) or limits
            raise _bad("bad value for %r: %s" % (key, rule))
        setattr(config, key, value)
    config.broker_address = _broker_address(config.broker)
    return config


def _is_right(key, value, default, low, high):
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int):
        return strict.is_number(value) and low <= value <= high
    if key in ("wifi", "ntp_hosts", "file_hosts"):
        is_right = _is_network if key == "wifi" else _is_host
        return isinstance(value, list) and low <= len(value) <= high and all(map(is_right, value))
    return _is_text(value, low, high) and value in _CHOICES.get(key, (value,))


def _is_text(value, low, high):
    return isinstance(value, str) and low <= len(value) <= high


def _is_host(value):
    return _is_text(value, 1, 253) and not any(char in value for char in "/:*@ ")


def _is_network(pair):
    """ESP-IDF cuts what it has no room for, and then joins nothing."""
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
        return False
    name, password = _size(pair[0]), _size(pair[1])
    is_key = password == 64 and all(digit in "0123456789abcdefABCDEF" for digit in pair[1])
    return 1 <= name <= 32 and (password == 0 or 8 <= password <= 63 or is_key)


def _size(text):
    """Bytes of UTF-8; of half a surrogate pair, too."""
    return sum(1 + (char > "\x7f") + (char > "\u07ff") + (char > "\uffff") for char in text)


def _broker_address(text):
    """(scheme, host, port)."""
    scheme = text.split(":", 1)[0]
    fault = "mqtts://HOST:PORT"
    if scheme in ("mqtt", "mqtts"):
        try:
            scheme, host, port, url, start = strict.split_url(text, scheme)
            if url[start:] in ("", "/"):
                return scheme, host, port
        except errors.OtaError as error:
            fault = error.detail
    raise _bad("bad value for 'broker': " + fault)


def _bad(what):
    return errors.OtaError(errors.INVALID_PARAM, "configuration: " + what)
