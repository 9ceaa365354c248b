"""The heap like ESP-IDF's that lies behind MicroPython's and mbedtls's (programs/frozen/modules)."""

from __future__ import annotations

import subprocess

import pytest

from tools.bench.boardcode import FILES, built
from tools.programs.frozen import build

HEAD = 8  # bytes before each block
LIMIT_S = 60

pytestmark = pytest.mark.skipif(not build.IS_POSSIBLE, reason="it is built for x86-64 Linux only")


def play(program: str, area: int = 64 * 1024) -> list[str]:
    """What a program prints, with a first area of that many bytes."""
    command = [*built(FILES), "-X", f"heapsize={area}", "-c", f"import gc, idfheap\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


USE = """
import random
random.seed(%d)
idfheap.begin(60000)
blocks = []
refused = 0
for _ in range(3000):
    if blocks and random.random() < 0.5:
        idfheap.give(blocks.pop(random.randrange(len(blocks)))[0])
    else:
        size = random.choice((12, 40, 332, 1600, 4200, 16720))
        at = idfheap.take(size)
        refused += not at
        if at:
            assert all(at + size <= other or at >= other + many for other, many in blocks), "they overlap"
            blocks.append((at, size))
    total, free, largest, lowest = idfheap.info(4)[0]
    assert lowest <= free <= total - sum(size + 8 for _, size in blocks) and largest <= free
for at, _ in blocks:
    idfheap.give(at)
print(refused > 10, *idfheap.info(4)[0][:3])
"""


@pytest.mark.parametrize("seed", range(3))
def test_blocks_keep_apart_and_what_is_given_back_is_one_piece_again(seed: int):
    """59,392 is the lowest of the class (steps of 2,048) that 59,992 belongs to."""
    assert play(USE % seed) == [f"True 60000 {60000 - HEAD} 59392"]


def test_a_hole_serves_only_what_its_whole_class_could():
    """Good fit: between 16,384 and 32,768 bytes the classes are 1,024 apart."""
    program = "idfheap.begin(%d)\nprint(idfheap.info(4)[0][2], idfheap.take(16717) > 0)"
    assert play(program % (17407 + HEAD)) == ["16384 False"]
    assert play(program % (17408 + HEAD)) == ["17408 True"]


def test_two_holes_are_no_large_one():
    program = (
        "idfheap.begin(50000)\nblocks = [idfheap.take(10000) for _ in range(4)]\n"
        "idfheap.give(blocks[0]), idfheap.give(blocks[2])\nprint(idfheap.take(12000))\n"
        "idfheap.give(blocks[1])\nprint(idfheap.take(12000) == blocks[0])"
    )
    assert play(program) == ["0", "True"]


GROWING = """
def fill():
    return len([bytearray(1000) for _ in range(30)])

free = lambda: idfheap.info(4)[0][1]
try:
    fill()
except MemoryError:
    print("full")
idfheap.begin(%d)
before = free()
print(gc.mem_free() > before // 2)
try:
    fill()
    print(before - free())
except MemoryError:
    print("full")
gc.collect()
print(free() == before)
"""


def test_the_heap_doubles_from_it_and_gives_back():
    """An area as large as what there was before, and its head."""
    lines = play(GROWING % 100_000, area=20 * 1024)
    assert lines[0] == "full" and lines[1] == "True" and lines[3] == "True", lines
    assert 20_000 < int(lines[2]) < 21_000


def test_the_heap_takes_all_that_is_left_where_there_is_less():
    lines = play(GROWING % 15_000, area=20 * 1024)
    assert lines[0] == "full"
    assert 14_000 < int(lines[2]) < 15_000


def test_tls_takes_from_it():
    program = (
        "import socket, tls\nidfheap.begin(%d)\nbefore = idfheap.info(4)[0][1]\n"
        "context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)\n"
        "context.verify_mode = tls.CERT_NONE\n"
        "try:\n stream = context.wrap_socket(socket.socket(), do_handshake_on_connect=False)\n"
        " print(before - idfheap.info(4)[0][1])\n stream.close()\n"
        " del stream, context\n gc.collect()\n print(before - idfheap.info(4)[0][1])\n"
        "except OSError as error:\n print('error', error.errno)"
    )
    taken, kept = play(program % 60_000)
    assert 16_384 + 4096 < int(taken) < 30_000 and int(kept) < 1000
    assert play(program % 16_000) == ["error 12"]
