"""Opens connections: Wi-Fi, network after network; TLS contexts of certificates in DER; a Stream to a host.

The only module that imports sockets and TLS. Every wait is bounded.
"""

import gc
import socket
import time

import tls
from micropython import const

from . import clock, errors, files, log, net, phases

_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)  # without it each TLS flight waits 40 ms for the peer's delayed ACK
_MAX_CERTIFICATES = const(8)  # in one file


def join(wlan, config):
    """Generator: returns once the station (a `network.WLAN`) is connected; at once if it is. At most
    wifi_timeout_s a network. Raises OtaError(NO_GOT_IP)."""
    if wlan.isconnected():
        return
    for ssid, password in config.wifi:
        _start_joining(wlan, ssid, password)
        started = time.ticks_ms()
        while not wlan.isconnected():
            if time.ticks_diff(time.ticks_ms(), started) >= config.wifi_timeout_s * 1000:
                break
            yield clock.IDLE_MS
        if wlan.isconnected():
            log.info("sta got ip %s" % wlan.ifconfig()[0])
            return
        log.warning("Wi-Fi %r: no connection" % ssid)
    raise errors.OtaError(errors.NO_GOT_IP, "no network of the list")


def _start_joining(wlan, ssid, password):
    """Leave whatever half-open attempt there is, then connect. ESP32 raises if it is busy."""
    try:
        wlan.active(True)
        wlan.disconnect()
    except OSError:
        pass
    try:
        wlan.connect(ssid, password)
    except OSError as error:
        log.warning("Wi-Fi %r: %r" % (ssid, error))


def broker_context(config):
    """For the broker, with this board's own certificate. Raises OtaError, see client_context()."""
    read = files.read_required
    return client_context(read(config.broker_ca), read(config.client_cert), read(config.client_key))


def make_file_context(transfer):
    """For the file server of an update.Transfer, if it needs one. Raises OtaError, see client_context()."""
    if transfer.address[0] == "https" and not transfer.context:
        transfer.context = client_context(files.read_required(transfer.agent.config.file_ca))


def connect_file_server(transfer):
    """transfer.stream is then a net.Stream. At most http_timeout_s. Raises OtaError, see connect()."""
    make_file_context(transfer)
    scheme, host, port = transfer.address[:3]
    context = transfer.context if scheme == "https" else None
    transfer.stream = connect(host, port, context, transfer.agent.config.http_timeout_s * 1000)


def reach_file_host(agent):
    """Can a new image fetch the next one? It is not confirmed before that is known, where it came by https.

    One TLS handshake with the host of its offer, at most http_timeout_s; before the broker's link, because
    two may not fit. A host that cannot be reached says nothing of the image. Raises OtaError if the handshake
    fails; the second time in a row the image gives itself up.
    """
    try:
        if agent.state["waiting"]:
            scheme, host, port = phases.call("offer", "parse", agent.state["waiting"]).address[:3]
            if scheme == "https":
                _shake_hands(agent.config, host, port)
    except errors.OtaError as error:
        if error.code in (errors.TLS_REFUSED, errors.NO_MEM, errors.NO_INIT):  # no fault of the network
            if agent.last_code == error.code:  # a lack of memory and bytes damaged on the way look the same
                agent.give_up("file host: " + error.detail)
            raise error
        log.warning("file host: " + error.detail)
    agent.is_file_host_known = True


def _shake_hands(config, host, port):
    context = client_context(files.read_required(config.file_ca))
    stream = connect(host, port, context, config.http_timeout_s * 1000)
    try:
        stream.write(b"\r\n")  # after the handshake; servers ignore an empty line before a request
    finally:
        stream.close()


def client_context(ca, certificate=None, key=None):
    """A TLS client context: ca (one certificate or several), certificate and key are DER bytes. The
    server is always verified.

    Raises OtaError: NO_INIT if one of them cannot be used, which may be for want of memory; NO_MEM.
    """
    gc.collect()  # TLS keeps memory of its own for what is garbage here
    try:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        if certificate:
            context.load_cert_chain(certificate, key)
        for one in certificates(ca):
            context.load_verify_locations(one)
    except (ValueError, OSError) as error:
        code = errors.NO_INIT if isinstance(error, ValueError) else errors.NO_MEM
        raise errors.OtaError(code, "certificate or key unusable, is it PEM? %r" % error)
    context.verify_mode = tls.CERT_REQUIRED
    return context


def certificates(data):
    """DER of one certificate after another -> list of them. Raises OtaError(NO_INIT)."""
    found: list[bytes] = []
    start = 0
    while start < len(data):
        _, end = element(data, start)
        if len(found) == _MAX_CERTIFICATES:
            raise unusable()
        found.append(data[start:end])
        start = end
    if not found:
        raise unusable()
    return found


def element(data, at):
    """Start and end of the content of the DER element at `at`, which must lie within data."""
    if at + 2 > len(data):
        raise unusable()
    length = data[at + 1]
    start = at + 2
    if length > 0x80:
        count = length - 0x80
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise unusable()
    return start, start + length


def unusable():
    return errors.OtaError(errors.NO_INIT, "unusable certificate: DER is expected, not PEM; at most 8")


def connect(host, port, context, timeout_ms):
    """A net.Stream to host:port, over TLS if there is a context; the handshake is part of the first write.

    The name look-up has no limit but the watchdog; the rest and the calls that follow, until the next
    `limit()`, take at most timeout_ms. Raises OtaError: CONNECTION_FAILED, TIMEOUT, TLS_REFUSED.
    """
    started = time.ticks_ms()
    gc.collect()  # what now comes stays for long; and an ESP32 gives empty parts back to the system, for TLS
    sock = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(timeout_ms / 1000)
        sock.connect(address)
        sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
    except (OSError, IndexError) as error:
        if sock:
            sock.close()
        raise phases.call("failure", "of_socket", error, host, False)
    sock.setblocking(False)
    secured = sock
    try:
        if context:  # the handshake waits for the first write, which can be bounded
            secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        stream = net.Stream(sock, secured)
    except (OSError, ValueError) as error:
        sock.close()
        raise phases.call("failure", "of_socket", error, "TLS")
    except BaseException:
        sock.close()
        raise
    stream.limit(timeout_ms - time.ticks_diff(time.ticks_ms(), started))
    return stream
