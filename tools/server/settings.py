"""The settings of a server at its start, and their checks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from device import errors, strict
from tools.errors import ToolError
from tools.keys import certificates, identities, keychange, keyfiles

LONGEST_URL = 2048 - len("/.img") - 64  # of what a board takes, the name of an image is part
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_SECRETS = ("sign", "sign-next", "broker-ca", "broker-ca-next", "file-ca", "file-ca-next", "device-ca")
FORBIDDEN = tuple(f"{name}.key.pem" for name in _SECRETS)


@dataclass
class Settings:
    """broker: (host, port) of one that runs elsewhere, None = our own. files_url: where images are hosted
    elsewhere. name: how boards call this machine. Ports: 0 = any free one."""

    folder: Path
    keys: Path
    address: str = "127.0.0.1"
    name: str = "localhost"
    mqtt_port: int = 8883
    https_port: int = 8443
    http_port: int = 8080
    broker: tuple[str, int] | None = None
    files_url: str | None = None
    prefix: str = "wm_iot"
    servers_port: int = 8884

    def check(self) -> None:
        """Raises ToolError that says what to give instead."""
        check_keys(self.keys)
        self._check_ports()
        if self.files_url is not None:
            check_files_url(self.files_url)
        elif not is_url(f"https://{self.name}/images", "https"):
            raise ToolError(f"boards cannot find {self.name!r}: give --name a host's name or IPv4 address")
        if not _PREFIX.fullmatch(self.prefix):
            raise ToolError(f"{self.prefix!r} cannot begin a topic: --prefix takes letters, digits, _ . - /")
        path = self.keys / "files.crt.pem"
        if not self.files_url and self.name not in certificates.hosts_of(keyfiles.read_certificate(path)):
            raise ToolError(
                f"{path} does not name {self.name}: give another --name, or make one that does (`keys DIR"
                f" --server-name {self.name}`)"
            )

    def _check_ports(self) -> None:
        ports = {"--https-port": self.https_port, "--http-port": self.http_port}
        if not self.broker:
            ports |= {"--mqtt-port": self.mqtt_port, "--servers-port": self.servers_port}
        for option, port in ports.items():
            if not 0 <= port < 65536:
                raise ToolError(f"{option} {port} is not a port: give 1 to 65535, or 0 for any free one")
            if port and list(ports.values()).count(port) > 1:
                raise ToolError(f"{option} {port} is given twice: each port serves one thing")

    def own_host(self) -> str:
        """By which the server reaches its own broker."""
        return "localhost" if self.address in ("0.0.0.0", "::", "127.0.0.1") else self.address


def is_url(text: str, scheme: str) -> bool:
    """Whether boards take it: by their own parser."""
    try:
        strict.split_url(text, scheme)
        return True
    except errors.OtaError:
        return False


def check_files_url(url: str) -> None:
    """Raises ToolError that says what a board would not take."""
    scheme = url.partition("://")[0]
    if scheme not in ("http", "https"):
        raise ToolError(f"{url!r} does not say where files are: give https://… or http://…, in small letters")
    if "?" in url or "#" in url:
        raise ToolError(f"{url!r}: the names of images come at its end, so it can have neither ? nor #")
    try:
        strict.split_url(url, scheme)
    except errors.OtaError as error:
        raise ToolError(f"{url!r}: boards say “{error.detail}”; give {scheme}://HOST/FOLDER") from None
    if len(url) > LONGEST_URL:
        raise ToolError(f"the URL of --files-url has {len(url)} characters, boards take {LONGEST_URL}")


def check_keys(keys: Path) -> None:
    """Raises ToolError for a folder from which images could be signed, or what is not a folder."""
    if not (keys / f"{identities.SERVER_IDENTITY}.crt.pem").exists():
        raise ToolError(f"{keys} holds no server's keys: give DIR/server of `python3 -m tools keys DIR`")
    if keychange.is_unfinished(keys.parent):
        raise ToolError(f"a run of `keys` was cut off: `python3 -m tools keys {keys.parent}` ends it")
    for name in FORBIDDEN:
        if (keys / name).exists():
            raise ToolError(f"{keys} holds {name}, which no server may read: give {keys / 'server'}")
