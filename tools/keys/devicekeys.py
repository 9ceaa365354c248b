"""The certificates of boards in a folder of keys: issued, kept, given up.

devices/<MAC>/client.crt.der, .key.der    the board's own; it may keep the private half alone
server/devices/<MAC>.crt.der              a copy for the server, of a board that was given up too
retired/devices/<MAC>-<serial>.crt.der    what was followed by another one
"""

from __future__ import annotations

from cryptography import x509

from tools.errors import ToolError
from tools.keys import certificates, rotation
from tools.keys.authorities import Authorities, Authority
from tools.keys.certificates import Pair
from tools.keys.keychange import Change
from tools.keys.keyfiles import Folder, parse_certificates

CERTIFICATE, KEY = "client.crt.der", "client.key.der"
_HEX = set("0123456789ABCDEF")


def mac_of(text: str) -> str:
    """ "aa:bb:cc:dd:ee:ff" or without separators -> 12 upper-case hex digits."""
    mac = text.upper().replace(":", "").replace("-", "")
    if len(mac) != 12 or not set(mac) <= _HEX:
        raise ToolError(f"{text!r} is not a MAC address: give 12 hex digits")
    return mac


def known(change: Change) -> list[str]:
    """MACs of all boards that have a certificate."""
    return [name.split("/")[1] for name in change.names(f"devices/*/{CERTIFICATE}")]


def client(
    folder: Folder, stem: str, name: str, ca: Authority, trusted: list[x509.Certificate], days: int,
    form: str = "pem",
) -> None:  # fmt: skip
    """The certificate of a client of the broker: kept if one of `trusted` has issued it, made by ca."""

    def make() -> Pair:
        return certificates.issue(ca.pair(), name, "client", certificates.valid_for(days))

    certificate = f"{stem}.crt.{form}"
    if form == "der" and folder.has(certificate):
        found = folder.certificate(stem, form=form)
    else:
        found = folder.pair(stem, make, form=form)
    path = folder.path / certificate
    if not any(certificates.issued_by(found, one) for one in trusted):
        raise ToolError(f"{path} was issued by another CA: delete it and {stem}.key.{form}")
    if certificates.common_name(found) != name:
        raise ToolError(f"{path} is not for {name}: delete it and {stem}.key.{form}")


def device(change: Change, mac: str, ca: Authorities, days: int) -> Folder:
    """A board keeps its certificate while the broker trusts its issuer."""
    folder = Folder(change, f"devices/{mac}")
    client(folder, "client", mac, ca.device, ca.trusted, days, "der")
    return folder


def copy_for_server(change: Change) -> None:
    folder = Folder(change, "server/devices")
    for mac in known(change):
        name, content = f"{mac}.crt.der", change.read(f"devices/{mac}/{CERTIFICATE}")
        if folder.has(name) and folder.read(name) != content:
            _retire(change, mac, folder.read(name), f"server/devices/{name}")
        folder.put(name, content)


def give_up(change: Change, mac: str) -> list[x509.Certificate]:
    """All certificates that this board ever had; the next one will be another. Raises ToolError if there are
    none."""
    patterns = (f"devices/{mac}/{CERTIFICATE}", f"server/devices/{mac}.crt.der", _retired(mac, "*"))
    names = [name for pattern in patterns for name in change.names(pattern)]
    if not names:
        raise ToolError(f"{change.folder} has no certificate of {mac}: is it of another folder?")
    found = {change.read(name): name for name in names}
    for content, name in found.items():
        _retire(change, mac, content, name)
    for name in (CERTIFICATE, KEY):
        change.remove(f"devices/{mac}/{name}")
    return [parse_certificates(content, change.folder / name)[0] for content, name in found.items()]


def _retire(change: Change, mac: str, content: bytes, name: str) -> None:
    """name: of the file that it is from."""
    serial = parse_certificates(content, change.folder / name)[0].serial_number
    change.write(_retired(mac, f"{serial:x}"), content)


def _retired(mac: str, serial: str) -> str:
    return f"{rotation.RETIRED}/devices/{mac}-{serial}.crt.der"
