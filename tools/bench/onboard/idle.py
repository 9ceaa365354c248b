"""The agent until it is online and waits for offers; prints the bytes of heap in use then, once garbage is
collected."""

import gc
import sys
import time

import esp32

gc.threshold(4096)  # as main.py does
esp32.start()

from device import agent, config  # noqa: E402

_IDLE_POLLS = 20


def _wait_idle():
    board = agent.Agent(config.load("ota.json"))
    idle = 0  # polls in a row
    while idle < _IDLE_POLLS:
        time.sleep_ms(board.poll())
        is_online = board.link.is_open and "device.online" not in sys.modules
        idle = idle + 1 if is_online else 0
    return board


board = _wait_idle()
gc.collect()
print("idle", gc.mem_alloc())
