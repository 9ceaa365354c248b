"""A test double of umqtt.simple with the interface of version 1.8.0, which no package registry holds.

It differs from 1.3.4, the one in the registry, as 1.8.0 does: `ssl` is a TLS context, `connect` takes
a time-out, `wait_msg` returns the packet type after a PUBLISH as well. Written for these tests from
the MQTT 3.1.1 standard.
"""

import socket
import struct


class MQTTException(Exception):
    pass


def _text(data):
    return struct.pack("!H", len(data)) + data


def _length(size):
    """Remaining length, 7 bits a byte, low first."""
    result = bytearray()
    while True:
        low = size & 0x7F
        size >>= 7
        if not size:
            result.append(low)
            return bytes(result)
        result.append(low | 0x80)


class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None):
        self.client_id = client_id
        self.server = server
        self.port = port or (8883 if ssl else 1883)
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.ssl = ssl
        self.sock = None
        self.pid = 0
        self.cb = None

    def set_callback(self, f):
        self.cb = f

    def connect(self, clean_session=True, timeout=None):
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(self.server, self.port)[0][-1])
        if self.ssl:
            self.sock = self.ssl.wrap_socket(self.sock, server_hostname=self.server)
        flags = 2 if clean_session else 0
        body = _text(self.client_id)
        if self.user is not None:
            flags |= 0xC0
            body += _text(self.user) + _text(self.pswd)
        assert self.keepalive < 65536
        body = _text(b"MQTT") + struct.pack("!BBH", 4, flags, self.keepalive) + body
        self.sock.write(b"\x10" + _length(len(body)) + body)
        answer = self.sock.read(4)
        assert answer[0] == 0x20 and answer[1] == 2
        if answer[3]:
            raise MQTTException(answer[3])
        return answer[2] & 1

    def disconnect(self):
        self.sock.write(b"\xe0\0")
        self.sock.close()

    def ping(self):
        self.sock.write(b"\xc0\0")

    def publish(self, topic, msg, retain=False, qos=0):
        head = 0x30 | qos << 1 | retain
        body = _text(topic)
        if qos:
            self.pid += 1
            body += struct.pack("!H", self.pid & 0xFFFF)
        self.sock.write(bytes([head]) + _length(len(body) + len(msg)) + body)
        self.sock.write(msg)
        if qos:
            self._wait_for_puback(self.pid)

    def _wait_for_puback(self, pid):
        while True:
            if self.wait_msg() == 0x40:
                assert self.sock.read(1) == b"\x02"
                number = self.sock.read(2)
                if number[0] << 8 | number[1] == pid:
                    return

    def subscribe(self, topic, qos=0):
        assert self.cb is not None
        self.pid += 1
        body = struct.pack("!H", self.pid) + _text(topic) + bytes([qos])
        self.sock.write(b"\x82" + _length(len(body)) + body)
        while self.wait_msg() != 0x90:
            pass
        answer = self.sock.read(4)
        assert answer[1] << 8 | answer[2] == self.pid
        if answer[3] == 0x80:
            raise MQTTException(answer[3])

    def _read_length(self):
        size = shift = 0
        while True:
            byte = self.sock.read(1)[0]
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return size
            shift += 7

    def wait_msg(self):
        first = self.sock.read(1)
        self.sock.setblocking(True)
        if first is None:
            return None
        if first == b"":
            raise OSError(-1)
        if first == b"\xd0":
            assert self.sock.read(1)[0] == 0
            return None
        op = first[0]
        if op & 0xF0 == 0x30:
            self._take(op)
        return op

    def _take(self, op):
        size = self._read_length()
        raw = self.sock.read(2)
        topic = self.sock.read(raw[0] << 8 | raw[1])
        size -= len(topic) + 2
        if op & 6:
            pid = self.sock.read(2)
            size -= 2
        self.cb(topic, self.sock.read(size))
        if op & 6 == 2:
            self.sock.write(b"\x40\x02" + pid)
        assert op & 6 != 4

    def check_msg(self):
        self.sock.setblocking(False)
        return self.wait_msg()
