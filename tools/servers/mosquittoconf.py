"""How mosquitto is told that a device reaches only its own topics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import pki

# Boards speak TLS 1.2 at most; mosquitto itself can only set a minimum.
_OPENSSL = """\
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = versions
[versions]
MinProtocol = TLSv1.2
MaxProtocol = TLSv1.2
"""

_ACL = """\
user {server}
topic readwrite #
{answerers}
pattern write {prefix}/%u/ota/firmware/report
pattern write {prefix}/%u/ota/get
pattern write {prefix}/%u/ota/progress/report
pattern read {prefix}/%u/ota/update
pattern read {prefix}/%u/ota/response
"""

# Of one that only answers questions, see pki.answerers().
_ANSWERER = """
user {name}
topic read {prefix}/+/ota/get
topic write {prefix}/+/ota/response
"""

# A device that floods is heard no more; denied topics come before those that a pattern allows.
_DENIED = """
user {name}
topic deny {prefix}/#
"""

# Paths are relative to the folder, because a user without rights may not pass through those above it.
_GENERAL = """\
user {user}
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe
connection_messages true
set_tcp_nodelay true
pid_file mosquitto.pid
acl_file acl
allow_anonymous {anonymous}
"""

_TLS_LISTENER = """\
listener {port} {host}
cafile {keys}/broker-trust.crt.pem
certfile {keys}/{server}.crt.pem
keyfile {keys}/{server}.key.pem
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""

_PERSISTENCE = """\
persistence true
persistence_location sessions/
"""

_SAVE_AT_ONCE = """\
autosave_on_changes true
autosave_interval 1
"""

# Mosquitto acknowledges what no longer fits into a queue and throws it away, and with `memory_limit` likewise
# (tried: 46 of 716 arrived). So the queue has room for what comes while no server is there to stop a flood.
_FLEET = """\
autosave_interval {save_s}
max_queued_messages {queued}
max_inflight_messages 20000
max_packet_size 9000
"""
SAVE_S = 5  # a mosquitto that is killed while no server is there loses what came since
QUEUED = 1_000_000  # messages of about 550 bytes
QUEUED_EACH = 100  # and of each board: six updates

# Through which its own server disconnects a client; only who may enter the folder reaches it.
_CONTROL = """\
listener 0 control.sock
use_username_as_clientid true
"""


@dataclass
class Setup:
    """keys: the folder of certificates, absolute or relative to mosquitto's own. server: the stem of its
    certificate. place: address, port with TLS, port without (0 = none). identities: of the servers that
    answer. boards: how many there are, 0 = one or two, of a test. denied: who is not heard. user: as whom it
    runs. is_open: else only its own server reaches it."""

    keys: Path
    server: str
    place: tuple[str, int, int]
    prefix: str
    identities: tuple[str, ...] = ()
    persistence: bool = False
    boards: int = 0
    denied: Iterable[str] = ()
    user: str = "root"
    is_open: bool = True


def files(setup: Setup) -> dict[str, str]:
    """{name: content} of the files that mosquitto reads from its folder."""
    host, port, plain_port = setup.place
    by_name = bool(plain_port or setup.boards)
    text = _GENERAL.format(user=setup.user, anonymous=str(by_name).lower())
    if setup.persistence:
        text += _PERSISTENCE + (_fleet(setup.boards) if setup.boards else _SAVE_AT_ONCE)
    if setup.is_open:
        text += _TLS_LISTENER.format(port=port, host=host, keys=setup.keys, server=setup.server)
    if plain_port:
        text += f"listener {plain_port} {host}\nuse_username_as_clientid true\n"
    if setup.boards:
        text += _CONTROL
    return {"openssl.cnf": _OPENSSL, "acl": acl(setup), "mosquitto.conf": text}


def key_files(keys: Path, server: str) -> list[Path]:
    """What mosquitto reads of the keys."""
    return [keys / "broker-trust.crt.pem", keys / f"{server}.crt.pem", keys / f"{server}.key.pem"]


def acl(setup: Setup) -> str:
    prefix = setup.prefix
    answerers = "".join(_ANSWERER.format(name=name, prefix=prefix) for name in setup.identities)
    text = _ACL.format(prefix=prefix, server=pki.SERVER_IDENTITY, answerers=answerers)
    return text + "".join(_DENIED.format(name=name, prefix=prefix) for name in sorted(setup.denied))


def _fleet(boards: int) -> str:
    return _FLEET.format(save_s=SAVE_S, queued=max(QUEUED, QUEUED_EACH * boards))
