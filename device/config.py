"""The configuration: one JSON file, every key in one table, anything else refused by name."""

from micropython import const

from . import errors, files, jsontext, log, url

FORMAT = const(1)  # what this image understands
_DAY = const(86400)  # seconds: what is waited for by ticks must stay far below their wrap
_YEAR = const(31536000)

# key: (default, least, most), both of a number, or of the length of a text or a list. No default = required.
# Units are in the names; 0 s = never. README.md explains each key; a test compares.
KEYS = {
    "format": (FORMAT, 1, 100),
    "wifi": (None, 1, 16),
    "broker": (None, 1, 272),  # as long as its host may be
    "board": (None, 1, 64),
    "broker_user": ("", 0, 128),
    "broker_password": ("", 0, 128),
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
    "ntp_resync_s": (86400, 1, _DAY),
    "check_interval_s": (60, 0, _YEAR),
    "wifi_timeout_s": (20, 1, _DAY),
    "mqtt_timeout_s": (30, 1, _DAY),
    "subscribe_timeout_s": (10, 1, _DAY),
    "publish_timeout_s": (10, 1, _DAY),
    "keepalive_s": (60, 1, 65535),  # MQTT has 16 bits for it
    "http_timeout_s": (30, 1, _DAY),
    "retry_window_s": (120, 1, _DAY),
    "checkpoint_kib": (64, 4, 16384),  # one flash block to a slot of 16 MiB
    "backoff_min_s": (1, 1, _DAY),
    "backoff_max_s": (60, 1, _DAY),
    "trial_limit_s": (600, 1, _DAY),
    "trial_attempts": (3, 1, 100),
    "watchdog_s": (180, 0, _DAY),
}
_CHOICES = {"image": ("esp32", "wm", "raw"), "language": ("en", "zh")}


def _is_right(key, value):
    default, least, most = KEYS[key]
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    if key in ("wifi", "ntp_hosts"):
        is_right = _is_network if key == "wifi" else _is_name
        return isinstance(value, list) and least <= len(value) <= most and all(map(is_right, value))
    if key == "broker" and not _is_broker(value):
        return False
    return _is_text(value, least, most) and value in _CHOICES.get(key, (value,))


def _is_text(value, least, most):
    return isinstance(value, str) and least <= len(value) <= most


def _is_name(value):
    return _is_text(value, 1, 64)


def _is_network(pair):
    return isinstance(pair, list) and len(pair) == 2 and _is_name(pair[0]) and _is_text(pair[1], 0, 128)


def _is_broker(value):
    if not isinstance(value, str):
        return False
    scheme = value.split(":", 1)[0]
    try:
        return scheme in ("mqtt", "mqtts") and url.parse(value, scheme)[2] == "/"
    except errors.OtaError:
        return False


class Config:
    """The values of the table above as attributes."""

    def __init__(self, values):
        """values: the dict of the file. Raises OtaError(INVALID_PARAM) naming the key at fault.

        A file of a newer format may have keys that are new: they are left alone, so that an old image
        after a rollback runs with what was written for a newer one.
        """
        number = values.get("format")
        is_newer = isinstance(number, int) and number > FORMAT
        for key in values:
            if key not in KEYS:
                if not is_newer:
                    raise _bad("unknown key %r" % key)
                log.warning("configuration: key %r is newer than this image" % key)
        for key, (default, _, _) in KEYS.items():
            value = values.get(key, default)
            if value is None:
                raise _bad("%r is missing" % key)
            if key in values and not _is_right(key, value):
                raise _bad("bad value for %r" % key)
            setattr(self, key, value)


def _bad(what):
    return errors.OtaError(errors.INVALID_PARAM, "configuration: " + what)


def load(path):
    """Read the file. Raises OtaError: NO_INIT if it is not there, INVALID_PARAM if it is wrong."""
    values = jsontext.parse_object(read_file(path))
    if values is None:
        raise _bad("%s is not a JSON object" % path)
    return Config(values)


def read_file(path):
    """The bytes of a file. Raises OtaError(NO_INIT) naming it if it cannot be read."""
    try:
        return files.read(path)
    except OSError:
        raise errors.OtaError(errors.NO_INIT, "cannot read " + path)
