"""The shortest complete download: raw socket, one buffer, SHA-256, flash; nothing read back, nothing checked.

usage: floor HOST PORT PATH SIZE CA_FILE|- [bytes|time]. With `bytes` it collects no garbage and prints how
much was allocated, with `time` the processor time of a block in µs, the mean.
"""

import gc
import hashlib
import socket
import sys

import esp32

_BLOCK = 4096


def _connect(host, port, ca):
    sock = socket.socket()
    sock.connect(socket.getaddrinfo(host, port)[0][-1])
    if ca == "-":
        return sock
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    with open(ca, "rb") as file:
        context.load_verify_locations(file.read())
    context.verify_mode = tls.CERT_REQUIRED
    return context.wrap_socket(sock, server_hostname=host)


def download(host, port, path, size, ca, processor_us):
    """Returns µs of processor time a block."""
    partition = esp32.Partition("ota_1")
    stream = _connect(host, port, ca)
    stream.write(b"GET %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n" % (path, host, port))
    while stream.readline() != b"\r\n":
        pass
    buffer = bytearray(_BLOCK)
    digest = hashlib.sha256()
    begun = processor_us()
    for number in range(size // _BLOCK):
        stream.readinto(buffer)
        digest.update(buffer)
        partition.writeblocks(number, buffer)
    spent_us = processor_us() - begun
    rest = memoryview(buffer)[: size % _BLOCK]
    if rest:
        stream.readinto(rest)
        digest.update(rest)
        partition.writeblocks(size // _BLOCK, buffer)
    stream.close()
    print("digest", digest.digest().hex())
    return spent_us / (size // _BLOCK)


def _no_clock():
    return 0


def _clock():
    import ffi

    return ffi.open("libc.so.6").func("i", "clock", "")


wanted = sys.argv[6] if len(sys.argv) > 6 else ""
clock = _clock() if wanted == "time" else _no_clock
gc.collect()
if wanted == "bytes":
    gc.disable()
before = gc.mem_alloc()
block_us = download(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5], clock)
allocated = gc.mem_alloc() - before
print("block_us", block_us)
print("allocated", allocated)
