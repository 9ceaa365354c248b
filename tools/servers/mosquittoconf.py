"""How mosquitto is told that a device reaches only its own topics.

Boards and servers come in by ports of their own. On that of boards the authorities of boards are trusted,
and who somebody is stands in his certificate. On that of servers the servers' authority is, and each names
a user whom only the holder of its private key knows (see identities.py): so an authority of boards makes no
server, whatever names it writes into certificates. (per_listener_settings would do without that user, but
mosquitto from 2.0.12 on then keeps no messages for those who are away.)
"""

from __future__ import annotations

from pathlib import Path

from tools import identities, revocation

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

# Mosquitto as root would otherwise become a user who cannot read the keys. Nobody comes in without a
# certificate; that there are no passwords it calls anonymous. Who names no user may do nothing.
_GENERAL = """\
user root
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe
connection_messages true
set_tcp_nodelay true
pid_file {folder}/mosquitto.pid
acl_file {folder}/acl
allow_anonymous true
"""
LOOPBACK = "127.0.0.1"

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
persistence_location {folder}/sessions/
"""

_SAVE_AT_ONCE = """\
autosave_on_changes true
autosave_interval 1
"""

# For a thousand boards: saved every so many seconds, bounded queues, nothing that is longer than any message.
_FLEET = """\
autosave_interval 10
max_queued_messages 20000
max_inflight_messages 200
message_size_limit 16384
"""


def files(
    folder: Path,
    keys: Path,
    server: str,
    place: tuple[str, int, int, int],
    *,
    prefix: str,
    persistence: bool,
    fleet: bool,
) -> dict[str, str]:
    """{name: content} of the files that mosquitto reads from its folder.

    server: the stem of its certificate in the folder of keys. place: address; ports for boards, for servers
    of this machine, and without TLS (0 = none), where a client is whom its user name says. fleet: for many
    boards rather than for one.
    """
    host, port, servers_port, plain_port = place
    text = _GENERAL.format(folder=folder)
    if persistence:
        text += _PERSISTENCE.format(folder=folder) + (_FLEET if fleet else _SAVE_AT_ONCE)
    own = {"keys": keys, "server": server}
    text += _TLS_LISTENER.format(port=port, host=host, trust="broker-trust", **own) + _BOARDS
    if (keys / revocation.LISTS).exists():
        text += f"crlfile {keys / revocation.LISTS}\n"
    text += _TLS_LISTENER.format(port=servers_port, host=LOOPBACK, trust="broker-ca", **own)
    if plain_port:
        text += f"listener {plain_port} {host}\nuse_username_as_clientid true\n"
    return {"openssl.cnf": _OPENSSL, "acl": _acl(keys, prefix, bool(plain_port)), "mosquitto.conf": text}


def _acl(keys: Path, prefix: str, is_plain: bool) -> str:
    servers = [_SERVER.format(user=identities.login(keys).user)]
    for stem in identities.answerers(keys):
        servers.append(_ANSWERER.format(user=identities.login(keys, stem).user, prefix=prefix))
    if is_plain:
        servers.append(_SERVER.format(user=identities.SERVER_IDENTITY))
    return _ACL.format(prefix=prefix, servers="\n".join(servers))
