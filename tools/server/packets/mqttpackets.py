"""Packets of MQTT 3.1.1, made and read by hand: for the server's control of its broker, and for what stands
in for boards and brokers. Some of that runs inside MicroPython, which has this folder in its path."""

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
PINGREQ, DISCONNECT = 0xC0, 0xE0
PUBLISH_QOS_1 = 0x32
CLEAN_SESSION = 0x02
REFUSED = 0x80  # a code in SUBACK, from here on
_USER_NAME = 0x80


def number(value):
    """16 bits."""
    return bytes((value >> 8, value & 255))


def text(content):
    """A text or bytes, with the length before them."""
    raw = content.encode() if isinstance(content, str) else content
    return number(len(raw)) + raw


def remaining_length(size):
    """The length of a packet's body, seven bits a byte."""
    result = b""
    while size > 127:
        result += bytes((size & 127 | 128,))
        size >>= 7
    return result + bytes((size,))


def packet(kind, body=b""):
    """kind: the first byte, with its flags."""
    return bytes((kind,)) + remaining_length(len(body)) + body


def connect(client_id, user, keepalive_s, flags=0):
    head = text("MQTT") + bytes((4, _USER_NAME | flags)) + number(keepalive_s)
    return packet(CONNECT, head + text(client_id) + text(user))


def subscribe(packet_id, *topics):
    """By QoS 1."""
    return packet(SUBSCRIBE, number(packet_id) + b"".join([text(topic) + b"\x01" for topic in topics]))


def publish(topic, payload, packet_id, qos=1):
    """packet_id: left out where QoS is 0."""
    return packet(PUBLISH | qos << 1, text(topic) + (number(packet_id) if qos else b"") + payload)


def text_at(body, start=0):
    """(bytes that stand there after their length, the place after them)."""
    end = start + 2 + (body[start] << 8 | body[start + 1])
    return body[start + 2 : end], end


def take(data):
    """(first byte, body, what follows it) of the first packet; None if it is not all there."""
    size = shift = 0
    for position in range(1, len(data)):
        byte = data[position]
        size |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            end = position + 1 + size
            return None if len(data) < end else (data[0], data[position + 1 : end], data[end:])
    return None
