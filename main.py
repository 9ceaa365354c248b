"""Run the agent; whatever escapes is logged, then the board starts again."""

import gc
import sys
import time

import machine

gc.threshold(4096)  # else what stays lies all over the heap, with holes between
try:
    from device import agent

    agent.main("ota.json")
except Exception as error:
    if "device.guard" in sys.modules:  # an image on trial: it reports why, and restarts the board at once
        raise
    sys.print_exception(error)

time.sleep(10)
machine.reset()
