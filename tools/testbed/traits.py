"""What depends on the build of a MicroPython, asked of it: how far its times go, and which TLS it speaks."""

from __future__ import annotations

import functools
import socket
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

from tools.keys import certificates
from tools.keys.keyfiles import write_pair
from tools.programs import runtimes

LIMIT_S = 120
LAST_YEAR = """
import time
try:
    print(time.gmtime(1 << 31)[0])
except OverflowError:
    print(0)
"""
HANDSHAKE = """
import socket, tls
raw = socket.socket()
raw.connect(socket.getaddrinfo("127.0.0.1", %d)[0][-1])
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_NONE
try:
    context.wrap_socket(raw, server_hostname="localhost").read(1)
    print("spoken")
except OSError as error:
    print(error)
"""


def summary(interpreter: str) -> str:
    """For a line of text, e.g. "times to 2037, TLS 1.2 and 1.3"."""
    year = last_year(interpreter)
    times = f"times to {year}" if year < 9999 else "times beyond 2038"
    return f"{times}, TLS 1.2{' and 1.3' if speaks_tls13(interpreter) else ' only'}"


@functools.cache
def last_year(interpreter: str) -> int:
    """The last year of which this build knows all times: 2037 with a 32-bit time_t, else 9999."""
    return 9999 if _ask(interpreter, LAST_YEAR) == "2038" else 2037


@functools.cache
def speaks_tls13(interpreter: str) -> bool:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        context = _context(Path(folder))
        threading.Thread(target=_serve, args=(server, context), daemon=True).start()
        return _ask(interpreter, HANDSHAKE % server.getsockname()[1]) == "spoken"


def _context(folder: Path) -> ssl.SSLContext:
    """Of a server that speaks nothing older than TLS 1.3."""
    authority = certificates.make_ca("probe", certificates.valid_for(2))
    pair = certificates.issue(authority, "probe", "server", certificates.valid_for(2), ["localhost"])
    write_pair(folder, "probe", pair)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "probe.crt.pem", folder / "probe.key.pem")
    return context


def _serve(server: socket.socket, context: ssl.SSLContext) -> None:
    server.settimeout(LIMIT_S)
    try:
        connection, _ = server.accept()
        with connection, context.wrap_socket(connection, server_side=True) as stream:
            stream.sendall(b".")
    except OSError:
        pass  # the client hears of it, and says so


def _ask(interpreter: str, code: str) -> str:
    command = [*runtimes.interpreter(interpreter), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    return done.stdout.strip()
