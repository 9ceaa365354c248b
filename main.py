"""Run the agent; whatever escapes is logged, then the board starts again."""

import sys
import time

import machine

try:
    from device import agent

    agent.main("ota.json")
except Exception as error:
    sys.print_exception(error)

time.sleep(10)
machine.reset()
