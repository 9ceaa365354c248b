"""How mosquitto is told that a device reaches only its own topics.

Boards and servers come in by ports of their own. On that of boards the authorities of boards are trusted,
and the certificate says who a client is. On that of servers the servers' authority is, and each names
a user whom only the holder of its private key knows (see identities.py): so an authority of boards makes no
server, whatever names it writes into certificates. (per_listener_settings would do without that user, but
mosquitto from 2.0.12 on then keeps no messages for those who are away.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.keys import identities, revocation
from tools.server.ports import HOST

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
{servers}
pattern write {prefix}/%u/ota/firmware/report
pattern write {prefix}/%u/ota/get
pattern write {prefix}/%u/ota/progress/report
pattern read {prefix}/%u/ota/update
pattern read {prefix}/%u/ota/response
"""

_SERVER = """\
user {user}
topic readwrite #
"""

# Of one that only answers questions, see identities.answerers().
_ANSWERER = """\
user {user}
topic read {prefix}/+/ota/get
topic write {prefix}/+/ota/response
"""

# A device that floods is heard no more; denied topics come before those that a pattern allows.
_DENIED = """
user {name}
topic deny {prefix}/#
"""

# Paths are relative to the folder, because a user without rights may not pass through those above it. Nobody
# comes in without a certificate; that there are no passwords mosquitto calls anonymous. Who names no user may
# do nothing.
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
allow_anonymous true
"""


_TLS_LISTENER = """\
listener {port} {host}
cafile {keys}/{trust}.crt.pem
certfile {keys}/{server}.crt.pem
keyfile {keys}/{server}.key.pem
tls_version tlsv1.2
require_certificate true
"""

_BOARDS = """\
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

# Through which its own server begins and ends sessions; only who may enter the folder reaches it.
_CONTROL = """\
listener 0 control.sock
"""


@dataclass
class Setup:
    """keys: the folder of certificates, absolute or relative to mosquitto's own. server: the stem of its
    certificate. place: address; ports for boards, for servers of this machine, and without TLS (0 = none),
    where a client is whom its user name says. users: of the servers; the first one may do everything.
    has_lists: of revoked certificates. boards: how many there are, 0 = one or two, of a test. denied: who is
    not heard. user: as whom it runs. is_open: else only its own server reaches it."""

    keys: Path
    server: str
    place: tuple[str, int, int, int]
    prefix: str
    users: tuple[str, ...] = ()
    has_lists: bool = False
    persistence: bool = False
    boards: int = 0
    denied: Iterable[str] = ()
    user: str = "root"
    is_open: bool = True


def files(setup: Setup) -> dict[str, str]:
    """{name: content} of the files that mosquitto reads from its folder."""
    text = _GENERAL.format(user=setup.user)
    if setup.persistence:
        text += _PERSISTENCE + (_fleet(setup.boards) if setup.boards else _SAVE_AT_ONCE)
    if setup.is_open:
        text += _listeners(setup)
    if setup.boards:
        text += _CONTROL
    return {"openssl.cnf": _OPENSSL, "acl": _acl(setup), "mosquitto.conf": text}


def key_files(keys: Path, server: str) -> list[Path]:
    """What mosquitto reads of the keys, where it is there."""
    names = ("broker-trust.crt.pem", "broker-ca.crt.pem", revocation.LISTS)
    own = (f"{server}.crt.pem", f"{server}.key.pem")
    return [keys / name for name in (*names, *own) if (keys / name).exists()]


def _listeners(setup: Setup) -> str:
    host, port, servers_port, plain_port = setup.place
    own = {"keys": setup.keys, "server": setup.server}
    text = _TLS_LISTENER.format(port=port, host=host, trust="broker-trust", **own) + _BOARDS
    if setup.has_lists:
        text += f"crlfile {setup.keys}/{revocation.LISTS}\n"
    text += _TLS_LISTENER.format(port=servers_port, host=HOST, trust="broker-ca", **own)
    if plain_port:
        text += f"listener {plain_port} {host}\nuse_username_as_clientid true\n"
    return text


def _acl(setup: Setup) -> str:
    prefix, (main, *answerers) = setup.prefix, setup.users
    users = [main, identities.SERVER_IDENTITY] if setup.place[3] else [main]
    servers = [_SERVER.format(user=user) for user in users]
    servers += [_ANSWERER.format(user=user, prefix=prefix) for user in answerers]
    denied = [_DENIED.format(name=name, prefix=prefix) for name in sorted(setup.denied)]
    return _ACL.format(prefix=prefix, servers="\n".join(servers)) + "".join(denied)


def _fleet(boards: int) -> str:
    return _FLEET.format(save_s=SAVE_S, queued=max(QUEUED, QUEUED_EACH * boards))
