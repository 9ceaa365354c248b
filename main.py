"""Run the agent; whatever escapes is logged, then the board starts again."""

import gc
import sys
import time

import machine

gc.threshold(4096)  # collect early: what stays for long then lies together, and the holes between are few
try:
    from device import agent

    agent.main("ota.json")
except Exception as error:
    sys.print_exception(error)

time.sleep(10)
machine.reset()
