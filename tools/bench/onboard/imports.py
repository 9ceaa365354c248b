"""Prints the bytes of RAM that importing the device's agent costs, once garbage is collected."""

import gc

for shim in ("esp32", "machine", "network", "ntptime", "umqtt.simple"):
    __import__(shim)
gc.collect()
before = gc.mem_alloc()
from device import agent  # noqa: E402, F401

gc.collect()
print("bytes", gc.mem_alloc() - before)
