"""The device's agent, as main.py runs it."""

import esp32

esp32.start()

from device import agent  # noqa: E402

agent.main("ota.json")
