"""Asks the file server for what is missing of an image: connects, and sends one GET."""

from . import errors, log, phases, update
from .slot import HEAD, Slot


def prepare(transfer):
    """Fill an update.Transfer, and go on where the last run was cut. Raises OtaError: NO_SLOT, FW_OVERFLOW,
    FLASH."""
    offer = transfer.offer
    transfer.partition = phases.call("board", "spare")
    transfer.chip = phases.call("board", "chip")
    slot = Slot(transfer.partition, transfer.block)
    if offer.size > slot.capacity:
        raise errors.OtaError(errors.FW_OVERFLOW, "slot holds %d" % slot.capacity)
    position, etag = phases.call("journal", "find", offer)
    phases.call("offers", "begin", transfer.agent, position)
    if not 0 < position < offer.size or position % slot.block_size:
        phases.call("journal", "forget", offer)
        return
    log.info("going on at byte %d of %d" % (position, offer.size))
    if not phases.call("head", "is_blank", transfer.partition):
        _remove_head(slot)
    transfer.position, transfer.etag, transfer.is_spliced = position, etag, True


def _remove_head(slot):
    """The power has cut the writing of the head in half: it is taken out again."""
    slot.read_block(0)
    slot.blank_head()
    slot.rewrite(0)


def send(transfer):
    """Generator: transfer.stream is then a net.Stream from which an answer comes, to transfer.asked, the
    first and the last byte asked for: of all that is missing, or of the head alone if only that is.
    transfer: update.Transfer. Raises OtaError."""
    agent = transfer.agent
    transfer.retry_after = None
    if not agent.wlan.isconnected():
        yield from phases.steps("wifi", "join", agent.wlan, agent.config)
    lacks_head = transfer.position and not transfer.head
    first = 0 if lacks_head else transfer.position
    last = (HEAD if lacks_head else transfer.offer.size) - 1
    transfer.asked = (first, last)
    transfer.enter(update.CONNECTION_START)
    scheme, host, port, path = transfer.address
    transfer.stream = _connect(transfer, scheme, host, port)
    wanted = span(first, last, transfer.offer.size)
    transfer.stream.write(request(scheme, host, port, path, wanted, transfer.etag))
    transfer.enter(update.CONNECTED)


def _connect(transfer, scheme, host, port):
    config, context = transfer.agent.config, None
    if scheme == "https":
        if not transfer.context:  # a redirect needs it
            transfer.context = phases.call("connection", "file_context", config)
        context = transfer.context
    return phases.call("connection", "connect", host, port, context, config.http_timeout_s * 1000)


def span(first, last, size):
    """The value of the header Range for these bytes of a file of that size, "" for all of it."""
    if last + 1 < size:
        return "bytes=%d-%d" % (first, last)
    return "bytes=%d-" % first if first else ""


def request(scheme, host, port, path, wanted, etag):
    """The bytes of a GET. wanted: of span(); etag: of the file it must still be, None = any."""
    if port != (443 if scheme == "https" else 80):
        host = "%s:%d" % (host, port)
    lines = ["GET %s HTTP/1.1" % path, "Host: %s" % host]
    lines.append("User-Agent: micropython-ota")
    lines.append("Accept-Encoding: identity")
    if wanted:
        lines.append("Range: " + wanted)
        if etag:
            lines.append("If-Range: " + etag)
    lines.append("Connection: close\r\n\r\n")
    return "\r\n".join(lines).encode()
