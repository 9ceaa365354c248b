"""Keys and certificates at work: MicroPython takes the servers that have ours, and no others."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tools.keys import certificates, keyfiles
from tools.keys.certificates import Validity
from tools.programs import runtimes

MAC = "AABBCCDDEEFF"
HANDSHAKE = """
import socket, sys, tls
folder, key, host, port = sys.argv[1:]
def read(name):
    with open(folder + "/" + name, "rb") as file:
        return file.read()
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
context.load_verify_locations(read("broker_ca.der"))
context.load_cert_chain(read("client.crt.der"), read("client.key.der"))
sock = socket.socket()
sock.connect(socket.getaddrinfo("127.0.0.1", int(port))[0][-1])
try:
    stream = context.wrap_socket(sock, server_hostname=host)
    print(stream.read(12).decode())
except (ValueError, OSError) as error:
    print("refused:", type(error).__name__, error.args[0])
"""


class TlsPeer:
    """Accepts one connection by mutual TLS and sends the client's common name."""

    def __init__(self, keys: Path, stem: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(keys / f"{stem}.crt.pem", keys / f"{stem}.key.pem")
        self._context.load_verify_locations(keys / "device-ca.crt.pem")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._listener:
            connection, _ = self._listener.accept()
        connection.settimeout(20)
        try:
            with self._context.wrap_socket(connection, server_side=True) as stream:
                names = dict(entry[0] for entry in stream.getpeercert()["subject"])
                stream.sendall(names["commonName"].encode())
        except OSError:
            connection.close()


def _handshake(interpreter: str, keys: Path, stem: str, host: str, tmp_path: Path) -> str:
    script = tmp_path / "handshake.py"
    script.write_text(HANDSHAKE)
    port = TlsPeer(keys, stem).port
    words = [str(script), str(keys / "devices" / MAC), "client.key.der", host, str(port)]
    command = [*runtimes.interpreter(interpreter), *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def _other(keys: Path, stem: str) -> None:
    """A server certificate that is wrong in one way, under the name of that way."""
    ca = keyfiles.read_pair(keys, "broker-ca")
    right = certificates.valid_for(10)
    day = certificates.DAY
    past = Validity(certificates.now() - 9 * day, certificates.now() - day)
    future = Validity(certificates.now() + day, certificates.now() + 9 * day)
    stranger = certificates.make_ca("OTA broker CA", right)
    made = {
        "expired": lambda: certificates.issue(ca, "s", "server", past, ["localhost"]),
        "not-yet": lambda: certificates.issue(ca, "s", "server", future, ["localhost"]),
        "stranger": lambda: certificates.issue(stranger, "s", "server", right, ["localhost"]),
        "self-signed": lambda: certificates.issue(None, "s", "server", right, ["localhost"]),
        "wrong-name": lambda: certificates.issue(ca, "s", "server", right, ["other.example"]),
        "client": lambda: certificates.issue(ca, "s", "client", right, ["localhost"]),
    }
    keyfiles.write_pair(keys, stem, made[stem]())


@pytest.mark.parametrize("interpreter", runtimes.WORD_BITS)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "ota.example"])
def test_micropython_takes_these_files(interpreter: str, host: str, original: Path, tmp_path: Path) -> None:
    assert _handshake(interpreter, original, "broker", host, tmp_path) == MAC


# A certificate for another use is an OSError, MBEDTLS_ERR_SSL_BAD_CERTIFICATE; all else is not.
REFUSALS = {
    "expired": "ValueError",
    "not-yet": "ValueError",
    "stranger": "ValueError",
    "wrong-name": "ValueError",
    "self-signed": "ValueError",
    "client": "OSError -31232",
}


@pytest.mark.parametrize("interpreter", runtimes.WORD_BITS)
@pytest.mark.parametrize("wrong", REFUSALS)
def test_micropython_refuses_wrong_servers(
    interpreter: str, wrong: str, original: Path, tmp_path: Path
) -> None:
    keys = shutil.copytree(original, tmp_path / "pki")
    _other(keys, wrong)
    told = _handshake(interpreter, keys, wrong, "localhost", tmp_path)
    assert told.startswith(f"refused: {REFUSALS[wrong]}"), told
