"""Run the agent; whatever escapes is logged, then the board starts again."""

import gc
import sys
import time

import machine

gc.threshold(4096)  # while modules come into the heap: else they lie all over it, and no whole 4 KiB are left
try:
    from device import agent

    gc.threshold(-1)
    agent.main("ota.json")
except Exception as error:
    sys.print_exception(error)

time.sleep(10)
machine.reset()
