"""`a * b % p` of 256-bit numbers COUNT times, the unit of what a signature costs. usage: product COUNT"""

import sys

from micropython import const

_P = const(0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF)


def run(count):
    a = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
    b = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
    for _ in range(count):
        a * b % _P


run(int(sys.argv[1]))
