"""How mosquitto is told that a device reaches only its own topics."""

from __future__ import annotations

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

# Mosquitto as root would otherwise become a user who cannot read the keys.
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
    place: tuple[str, int, int],
    *,
    prefix: str,
    persistence: bool,
    fleet: bool,
) -> dict[str, str]:
    """{name: content} of the files that mosquitto reads from its folder.

    server: the stem of its certificate in the folder of keys. place: address, port with TLS, port without (0
    = none). fleet: for many boards rather than for one.
    """
    host, port, plain_port = place
    text = _GENERAL.format(folder=folder, anonymous=str(bool(plain_port)).lower())
    if persistence:
        text += _PERSISTENCE.format(folder=folder) + (_FLEET if fleet else _SAVE_AT_ONCE)
    text += _TLS_LISTENER.format(port=port, host=host, keys=keys, server=server)
    if plain_port:
        text += f"listener {plain_port} {host}\nuse_username_as_clientid true\n"
    return {"openssl.cnf": _OPENSSL, "acl": _acl(keys, prefix), "mosquitto.conf": text}


def _acl(keys: Path, prefix: str) -> str:
    answerers = "".join(_ANSWERER.format(name=name, prefix=prefix) for name in pki.answerers(keys))
    return _ACL.format(prefix=prefix, server=pki.SERVER_IDENTITY, answerers=answerers)
