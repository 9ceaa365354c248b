"""The agent of the bench's board, on which mbedtls runs out of memory in one connection.

usage: shortboard CONNECTION FIRST COUNT. CONNECTION 1 is to the broker, 2 to the file server. Of its TLS,
allocation number FIRST (1, 2 ...) fails, and those after it, COUNT in all and no longer than until the link
of the broker is given up. With FIRST 0 none fails; the file `trace` gets the address of the code that asked
for each, 4 bytes, and the line "asked N" says how many belong to the handshake.
"""

import sys

import esp32
import tlsmemory

esp32.start()

from device import agent, clock, connection, link, net  # noqa: E402

CONNECTION, FIRST, COUNT = [int(word) for word in sys.argv[1:4]]
contexts = connections = 0
has_begun = False


def begin():
    global has_begun
    has_begun = True
    if not FIRST:
        tlsmemory.trace("trace")
    tlsmemory.fail(FIRST, COUNT)


def client_context(*arguments):
    """The broker's was made at the start, and stays; the download makes its own."""
    global contexts
    contexts += 1
    if contexts == CONNECTION == 2:
        begin()
    return make_context(*arguments)


def connect(*arguments):
    global connections
    connections += 1
    if connections == CONNECTION == 1:
        begin()
    return make_connection(*arguments)


def write(stream, data):
    """The handshake is part of the first one."""
    send(stream, data)
    if connections == CONNECTION and not FIRST:
        print("asked", tlsmemory.asked())


def close(broker_link):
    if has_begun:
        tlsmemory.fail(0, 0)
    give_up(broker_link)


make_context, connection.client_context = connection.client_context, client_context
make_connection, connection.connect = connection.connect, connect
send, net.Stream.write = net.Stream.write, write
give_up, link.Link.close = link.Link.close, close
clock.random_below = lambda limit: 0  # no pause
agent.main("ota.json")
