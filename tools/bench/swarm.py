"""Many boards that only ask: TLS connections with a certificate each, MQTT 3.1.1 by hand, in one process."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

from tools.keys import certificates, keyfiles
from tools.server.packets import mqttpackets
from tools.server.wire import GET, RESPONSE, UPDATE

CONNECT_LIMIT_S = 60
AT_ONCE = 32  # handshakes
KEEPALIVE_S = 600


class Asker:
    """One board. answered, repeated: counts of its questions; offers: what came on `update`; acknowledged:
    the sequences of what the broker has. lasting: the broker keeps its session."""

    def __init__(
        self, mac: str, context: ssl.SSLContext, prefix: str = "wm_iot", lasting: bool = False
    ) -> None:
        self.mac = mac
        self.lasting = lasting
        self.offers: list[dict] = []
        self.answered = 0
        self.repeated = 0
        self.context = context
        self._prefix = f"{prefix}/{mac}/ota"
        self._sequence = 0
        self._packet = 0
        self._answer: asyncio.Future[int] | None = None
        self.acknowledged: set[int] = set()
        self._unheard: dict[int, int] = {}  # packet -> sequence
        self._all_heard = asyncio.Event()

    async def connect(self, port: int) -> None:
        """And subscribe. Raises OSError, asyncio.TimeoutError, asyncio.IncompleteReadError."""
        self._unheard.clear()
        self._all_heard = asyncio.Event()  # of this event loop
        self._reader, self._writer = await asyncio.open_connection("localhost", port, ssl=self.context)
        flags = 0 if self.lasting else mqttpackets.CLEAN_SESSION
        self.send(mqttpackets.connect(self.mac, self.mac, KEEPALIVE_S, flags))
        self.send(mqttpackets.subscribe(1, *(f"{self._prefix}/{name}" for name in (RESPONSE, UPDATE))))
        await self._expect(mqttpackets.CONNACK)
        await self._expect(mqttpackets.SUBACK)
        self._task = asyncio.create_task(self._listen())

    async def ask(self, times: int, patience_s: float, pause_s: float = 0) -> None:
        """Each question until it is answered, repeated after patience_s."""
        for _ in range(times):
            while not await self._ask_once(patience_s):
                self.repeated += 1
            self.answered += 1
            await asyncio.sleep(pause_s)

    async def _ask_once(self, patience_s: float) -> bool:
        self._answer = asyncio.get_running_loop().create_future()
        self.say(GET, {})
        try:
            return await asyncio.wait_for(self._answer, patience_s) == self._sequence
        except asyncio.TimeoutError:
            return False

    def say(self, name: str, data: dict) -> int:
        """Returns its sequence."""
        self._sequence += 1
        self._packet = self._packet % 65535 + 1
        self._unheard[self._packet] = self._sequence
        self._all_heard.clear()
        message = json.dumps({"msg_sequence": self._sequence, "time": 1795567417000, "data": data})
        self.send(mqttpackets.publish(f"{self._prefix}/{name}", message.encode(), self._packet))
        return self._sequence

    async def heard(self) -> None:
        """Until the broker has all that was said. Raises ConnectionError if that cannot be any more."""
        waiting = asyncio.create_task(self._all_heard.wait())
        await asyncio.wait([waiting, self._task], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not self._all_heard.is_set():
            raise ConnectionError(f"{self.mac} has lost its connection")

    async def drain(self) -> None:
        """Until what was said has left this process, but for a little."""
        await self._writer.drain()

    async def close(self) -> None:
        self._task.cancel()
        self._writer.transport.abort()
        await asyncio.gather(self._task, return_exceptions=True)

    def is_held(self) -> bool:
        return not self._task.done()

    async def _expect(self, wanted: int) -> None:
        kind = 0
        while kind != wanted:  # a lasting session may bring messages first
            kind, body = await self._receive()
            self._take(kind, body)
        if body[-1] & mqttpackets.REFUSED or (kind == mqttpackets.CONNACK and body[1]):
            raise ConnectionRefusedError(f"{self.mac} was refused")

    async def _listen(self) -> None:
        while True:
            self._take(*await self._receive())

    def _take(self, kind: int, body: bytes) -> None:
        if kind == mqttpackets.PUBACK:
            self.acknowledged.add(self._unheard.pop(int.from_bytes(body, "big"), 0))
            if not self._unheard:
                self._all_heard.set()
        if kind & 0xF0 == mqttpackets.PUBLISH:
            topic, start = mqttpackets.text_at(body)
            if kind & 0x06:
                self.send(mqttpackets.packet(mqttpackets.PUBACK, body[start : start + 2]))
                start += 2
            message = json.loads(body[start:])
            if topic == f"{self._prefix}/{UPDATE}".encode():
                self.offers.append(message["data"])
            elif self._answer and not self._answer.done() and message["msg_sequence"] == self._sequence:
                self._answer.set_result(self._sequence)

    async def _receive(self) -> tuple[int, bytes]:
        (kind,) = await self._reader.readexactly(1)
        length, shift = 0, 0
        while True:
            (byte,) = await self._reader.readexactly(1)
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return kind, await self._reader.readexactly(length)

    def send(self, packet: bytes) -> None:
        self._writer.write(packet)


def certify(keys: Path, macs: list[str], folder: Path) -> list[Asker]:
    """A board for each MAC, its certificate made by the CA for boards of this folder of keys."""
    ca = keyfiles.read_pair(keys, "device-ca")
    validity = certificates.valid_for(1)
    askers = []
    for mac in macs:
        keyfiles.write_pair(folder, mac, certificates.issue(ca, mac, "client", validity))
        context = ssl.create_default_context(cafile=str(keys / "broker-ca.crt.pem"))
        context.load_cert_chain(folder / f"{mac}.crt.pem", folder / f"{mac}.key.pem")
        askers.append(Asker(mac, context))
    return askers


async def connect_all(askers: list[Asker], port: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def connect(asker: Asker) -> None:
        async with gate:
            await asyncio.wait_for(asker.connect(port), CONNECT_LIMIT_S)

    await asyncio.gather(*map(connect, askers))
