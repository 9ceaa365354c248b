"""The simulated board is as unkind as a real one: naive code fails on it, so careful code is proven."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import steps

from device import errors

RUNTIMES = ["mp32", "cpython"]
PUBLISH = b"\x30\x08\x00\x01tHELLO"  # QoS 0, topic "t"

JOIN = """
import network
import time
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect("home", "correct horse")
while not wlan.isconnected():
    time.sleep_ms(20)
"""
NAIVE_CLIENT = """
from umqtt.simple import MQTTClient
client = MQTTClient(b"naive", "127.0.0.1", {port}, b"naive", b"")
client.set_callback(lambda topic, message: print("got", message))
client.connect()
client.sock.settimeout(0.5)
print("waiting at", time.ticks_ms() >= 0)
try:
    client.wait_msg()
except OSError as error:
    print("gave up:", error)
print("came back")
while True:
    time.sleep(1)
"""
NAIVE_WRITER = """
import time
from esp32 import Partition
spare = Partition(Partition.RUNNING).get_next_update()


def write(what, *place):
    try:
        spare.writeblocks(*place)
        print(what, "done")
    except OSError as error:
        print(what, "refused", error.args[0])


block = bytes(range(256)) * 16
write("first write", 0, block, 0)
write("fewer bits", 0, bytes(64), 0)
write("write again", 0, block, 0)
write("other half", 0, b"\\xff" * 64, 0)
spare.ioctl(6, 0)
write("after erasing", 0, block, 0)
write("erase and write", 0, block)
while True:
    time.sleep(1)
"""


class FakeBroker:
    """Accepts one MQTT client, greets it, sends `packet` and falls silent."""

    def __init__(self, packet: bytes, greeting: bytes = b"\x20\x02\0\0") -> None:
        self._packet = greeting + packet
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(steps.PATIENCE_S)
        self._listener.close()

    def _serve(self) -> None:
        connections = []
        while not self._end.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(steps.PATIENCE_S)
            connection.recv(256)
            connection.sendall(self._packet)
            connections.append(connection)
        for connection in connections:
            connection.close()


def _run(make_testbed, make_app, runtime, source):
    """A board whose only program is this."""
    testbed = make_testbed(runtime=runtime, app=make_app(source))
    testbed.board.power_on()
    return testbed.board


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_naive_client_hangs(make_testbed, make_app, runtime):
    """umqtt.simple takes the time-out away after the first byte of a packet, and so does ESP32."""
    with FakeBroker(PUBLISH[:5]) as broker:
        board = _run(make_testbed, make_app, runtime, JOIN + NAIVE_CLIENT.format(port=broker.port))
        board.wait_for("waiting at")
        time.sleep(2.5)  # five times the time-out it asked for
        assert board.lines[-1].startswith("waiting at")
        assert board.ended is None


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_naive_client_works_with_a_whole_packet(make_testbed, make_app, runtime):
    """So it is the missing half that hangs it, and nothing else."""
    with FakeBroker(PUBLISH) as broker:
        board = _run(make_testbed, make_app, runtime, JOIN + NAIVE_CLIENT.format(port=broker.port))
        board.wait_for("came back")
        assert "got b'HELLO'" in board.lines


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_naive_client_gives_up_without_a_packet(make_testbed, make_app, runtime):
    """Before the first byte the time-out still stands."""
    with FakeBroker(b"") as broker:
        board = _run(make_testbed, make_app, runtime, JOIN + NAIVE_CLIENT.format(port=broker.port))
        board.wait_for("came back")
        assert any(line.startswith("gave up:") for line in board.lines)


@pytest.mark.code(errors.TIMEOUT)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("greeting", [b"", b"\x20", b"\x20\x02\0\0\x40\x02"])
def test_this_client_does_not_hang(make_testbed, runtime, greeting):
    """The same half packets before an agent: silence in CONNACK, then in what comes next."""
    with FakeBroker(b"", greeting) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        waits = ("mqtt_timeout_s", "publish_timeout_s", "subscribe_timeout_s")
        config = {"broker": url} | dict.fromkeys(waits, 1)
        testbed = make_testbed(runtime=runtime, config=config)
        testbed.board.power_on()
        steps.wait_lines(testbed, f"{errors.TIMEOUT} Timed out: peer stalled", 2)
        assert testbed.board.boots == 1


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_naive_writer_fails(make_testbed, make_app, runtime):
    """NOR flash: a write can only clear bits."""
    board = _run(make_testbed, make_app, runtime, NAIVE_WRITER)
    board.wait_for("erase and write")
    assert board.lines[1:] == [
        "first write done",
        "fewer bits done",
        "write again refused 5",
        "other half refused 5",
        "after erasing done",
        "erase and write done",
    ]
    assert board.wear("ota_1")[0] == 2


TIMERS = """
import machine
times = []


def again(timer):
    times.append(1)
    print("call", len(times))
    if len(times) == 3:
        timer.deinit()
        print("over")
        machine.Timer(0, period=100, callback=lambda timer: print("another"))
        1 // 0


machine.Timer(3, period=100, callback=lambda timer: print("never heard of"))
machine.Timer(-1, period=100, callback=again)
while True:
    pass
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_timers_call_back_in_the_middle_of_a_loop(make_testbed, make_app, runtime):
    """-1 and 3 are one; what a callback raises ends nothing but that call."""
    testbed = make_testbed(runtime=runtime, app=make_app(TIMERS))
    testbed.board.power_on()
    testbed.board.wait_for("another")
    assert steps.lines_with(testbed, "call 3") == 1 and steps.lines_with(testbed, "ZeroDivisionError") == 1
    assert not steps.lines_with(testbed, "never heard of")


EXITS = """
import machine
import sys
import time

cause = machine.reset_cause()
print("started by", cause)
if cause == machine.PWRON_RESET:
    machine.WDT(timeout=3000)
    machine.WDT(timeout=2000)
    machine.Timer(0, period=100, callback=lambda timer: print("goes on"))
    sys.exit()
if cause == machine.SOFT_RESET:
    time.sleep(60)
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_exit_is_a_soft_reset_which_the_watchdog_outlives(make_testbed, make_app, runtime):
    testbed = make_testbed(runtime=runtime, app=make_app(EXITS))
    testbed.board.power_on()
    testbed.board.wait_for("started by 3")
    found = [line for line in testbed.board.lines if line.startswith("started by")]
    assert found == ["started by 1", "started by 5", "started by 3"]
    assert steps.lines_with(testbed, "MPY: soft reboot") == 1 and not steps.lines_with(testbed, "goes on")
