"""The configuration: one JSON file, every key in one table, anything else refused by name."""

from . import errors, files, jsontext, log, url


def _text(value):
    return isinstance(value, str) and len(value) <= 128


def _name(value):
    return _text(value) and 0 < len(value) <= 64


def _flag(value):
    return isinstance(value, bool)


def _seconds(value):
    """Up to a day: what is waited for by ticks must stay far below their wrap."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 86400


def _seconds_or_never(value):
    return _seconds(value) or (isinstance(value, int) and value == 0 and not isinstance(value, bool))


def _interval(value):
    """Up to a year, by uptime; 0 = never."""
    return _seconds_or_never(value) or (isinstance(value, int) and 86400 < value <= 31536000)


def _keepalive(value):
    return _seconds(value) and value < 65536  # MQTT has 16 bits for it


def _count(value):
    return _seconds(value) and value <= 100


def _kibibytes(value):
    """One flash block to a slot of 16 MiB."""
    return _seconds(value) and 4 <= value <= 16384


def _networks(value):
    return isinstance(value, list) and 0 < len(value) <= 16 and all(map(_network, value))


def _network(pair):
    return isinstance(pair, list) and len(pair) == 2 and _name(pair[0]) and _text(pair[1])


def _hosts(value):
    return isinstance(value, list) and 0 < len(value) <= 8 and all(map(_name, value))


def _broker(value):
    try:
        _, _, path = url.parse(value, value.split(":", 1)[0] if value.startswith("mqtt") else "mqtts")
        return path == "/" and (value.startswith("mqtts://") or value.startswith("mqtt://"))
    except (errors.OtaError, AttributeError, KeyError):
        return False


FORMAT = 1  # what this image understands
_REQUIRED = None

# key: (default, check). Units are in the names. README.md explains each key; a test compares.
KEYS = {
    "format": (FORMAT, _count),
    "wifi": (_REQUIRED, _networks),
    "broker": (_REQUIRED, _broker),
    "board": (_REQUIRED, _name),
    "broker_user": ("", _text),
    "broker_password": ("", _text),
    "topic_prefix": ("wm_iot", _name),
    "broker_ca": ("certs/broker_ca.der", _name),
    "client_cert": ("certs/client.crt.der", _name),
    "client_key": ("certs/client.key.der", _name),
    "file_ca": ("certs/file_ca.der", _name),
    "signing_key": ("certs/sign_pub.der", _name),
    "next_signing_key": ("certs/sign_next.der", _name),
    "require_signed_offer": (False, _flag),
    "image": ("esp32", lambda value: value in ("esp32", "wm", "raw")),
    "accept_unversioned": (False, _flag),
    "require_rollback": (True, _flag),
    "language": ("en", lambda value: value in ("en", "zh")),
    "ntp_hosts": (["pool.ntp.org", "time.cloudflare.com"], _hosts),
    "ntp_resync_s": (86400, _seconds),
    "check_interval_s": (60, _interval),
    "wifi_timeout_s": (20, _seconds),
    "mqtt_timeout_s": (30, _seconds),
    "subscribe_timeout_s": (10, _seconds),
    "publish_timeout_s": (10, _seconds),
    "keepalive_s": (60, _keepalive),
    "http_timeout_s": (30, _seconds),
    "retry_window_s": (120, _seconds),
    "checkpoint_kib": (64, _kibibytes),
    "backoff_min_s": (1, _seconds),
    "backoff_max_s": (60, _seconds),
    "trial_limit_s": (600, _seconds),
    "trial_attempts": (3, _count),
    "watchdog_s": (180, _seconds_or_never),
}


class Config:
    """The values of the table above as attributes."""

    def __init__(self, values):
        """values: the dict of the file. Raises OtaError(INVALID_PARAM) naming the key at fault.

        A file of a newer format may have keys that are new: they are left alone, so that an old image
        after a rollback runs with what was written for a newer one.
        """
        is_newer = _count(values.get("format")) and values["format"] > FORMAT
        for key in values:
            if key not in KEYS:
                if not is_newer:
                    raise errors.OtaError(errors.INVALID_PARAM, "configuration: unknown key %r" % key)
                log.warning("configuration: key %r is newer than this image" % key)
        for key, (default, check) in KEYS.items():
            value = values.get(key, default)
            if value is _REQUIRED:
                raise errors.OtaError(errors.INVALID_PARAM, "configuration: %r is missing" % key)
            if not check(value):
                raise errors.OtaError(errors.INVALID_PARAM, "configuration: bad value for %r" % key)
            setattr(self, key, value)


def load(path):
    """Read the file. Raises OtaError: NO_INIT if it is not there, INVALID_PARAM if it is wrong."""
    values = jsontext.parse_object(read_file(path))
    if values is None:
        raise errors.OtaError(errors.INVALID_PARAM, "configuration: %s is not a JSON object" % path)
    return Config(values)


def read_file(path):
    """The bytes of a file. Raises OtaError(NO_INIT) naming it if it cannot be read."""
    try:
        return files.read(path)
    except OSError:
        raise errors.OtaError(errors.NO_INIT, "cannot read " + path)
