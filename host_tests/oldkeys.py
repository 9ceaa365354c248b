"""A folder of keys as it was made before boards had an authority of their own: one issues for all, and every
fleet's server has the same name."""

from __future__ import annotations

from pathlib import Path

from tools.keys import certificates, keyfiles, keytable, pki
from tools.keys.keychange import changing
from tools.keys.keyfiles import Folder

SERVERS = ("ota-server", "ota-server-1", "ota-server-2")


def make(folder: Path, macs: list[str], days: int = 3650) -> None:
    validity = certificates.valid_for(days)
    broker_ca, file_ca = (certificates.make_ca(f"OTA {name} CA", validity) for name in ("broker", "file"))
    hosts = list(pki.LOCAL_HOSTS)
    pairs = {"broker-ca": broker_ca, "file-ca": file_ca}
    for stem, ca in (("broker", broker_ca), ("files", file_ca)):
        pairs[stem] = certificates.issue(ca, hosts[-1], "server", validity, hosts)
    for stem in SERVERS:
        pairs[stem] = certificates.issue(broker_ca, stem, "client", validity)
    sign = certificates.new_key()
    public = keyfiles.public_bytes(sign)
    with changing(folder) as change:
        for place, stems in (("", pairs), ("server", ("broker", "files", *SERVERS))):
            files = Folder(change, place)
            for stem in stems:
                files.pair(stem, lambda pair=pairs[stem]: pair)
        own = _pem(broker_ca)
        change.write("sign.key.pem", keyfiles.key_bytes(sign))
        change.write("broker-trust.crt.pem", own)
        for name, content in (("broker-trust", own), ("broker-ca", own), ("file-ca", _pem(file_ca))):
            change.write(f"server/{name}.crt.pem", content)
        change.write("server/sign_pub.der", public)
        for mac in macs:
            pair = certificates.issue(broker_ca, mac, "client", validity)
            board = Folder(change, f"devices/{mac}")
            board.pair("client", lambda pair=pair: pair, form="der")
            change.write(f"server/devices/{mac}.crt.der", _der(pair))
            for name, content in (
                ("broker_ca.der", _der(broker_ca)), ("file_ca.der", _der(file_ca)),
                ("sign_pub.der", public), ("sign_pub.tab", keytable.build(public)),
            ):  # fmt: skip
                board.put(name, content)


def _pem(pair: certificates.Pair) -> bytes:
    return pair.certificate.public_bytes(keyfiles.ENCODINGS["pem"])


def _der(pair: certificates.Pair) -> bytes:
    return pair.certificate.public_bytes(keyfiles.ENCODINGS["der"])
