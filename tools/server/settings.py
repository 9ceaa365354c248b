"""What a server is told at its start, and whether it can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools import certificates, identities, keychange, keyfiles
from tools.errors import ToolError

FORBIDDEN = ("sign.key.pem", "sign-next.key.pem", "broker-ca.key.pem", "file-ca.key.pem", "device-ca.key.pem")


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
        path = self.keys / "files.crt.pem"
        if not self.files_url and self.name not in certificates.hosts_of(keyfiles.read_certificate(path)):
            raise ToolError(
                f"{path} does not name {self.name}: give another --name, or make one that does (`keys DIR"
                f" --server-name {self.name}`)"
            )

    def own_host(self) -> str:
        """By which the server reaches its own broker."""
        return "localhost" if self.address in ("0.0.0.0", "::", "127.0.0.1") else self.address


def check_keys(keys: Path) -> None:
    """Raises ToolError for a folder from which images could be signed, or which is none."""
    if not (keys / f"{identities.SERVER_IDENTITY}.crt.pem").exists():
        raise ToolError(f"{keys} holds no server's keys: give DIR/server of `python3 -m tools keys DIR`")
    if keychange.is_unfinished(keys.parent):
        raise ToolError(f"a run of `keys` was cut off: `python3 -m tools keys {keys.parent}` ends it")
    for name in FORBIDDEN:
        if (keys / name).exists():
            raise ToolError(f"{keys} holds {name}, which no server may read: give {keys / 'server'}")
