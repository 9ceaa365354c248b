"""The device's agent, as main.py runs it."""

import gc

import esp32

gc.threshold(4096)  # as main.py does
esp32.start()

from device import agent  # noqa: E402

agent.main("ota.json")
