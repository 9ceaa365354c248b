"""Applications for the boards of the tests: sources of a main.py."""

import pace

AGENT = """
from device import agent, config
settings = config.load("ota.json")
"""
RESETS = "import machine\nmachine.reset()\n"
SELF_TEST_FAILS = AGENT + "agent.Agent(settings, self_test=lambda: False).run()\n"
SELF_TEST_RAISES = AGENT + "agent.Agent(settings, self_test=lambda: 1 // 0).run()\n"
HANGS = AGENT + "import time\nagent.Agent(settings)\nprint('it hangs')\nwhile True:\n    time.sleep(1)\n"
_SLOW = """
import time
from device import agent, ecdsa
verify = ecdsa.verify


def slowly(*arguments):
    print("verifying")
    time.sleep({verification_s})
    return verify(*arguments)


ecdsa.verify = slowly
print("starting")
time.sleep({start_s})
agent.main("ota.json")
"""


def slow() -> str:
    """Holds the board where a test wants it: a second in the verification, a little before it starts."""
    scale = pace.slowness()
    return _SLOW.format(verification_s=scale, start_s=0.3 * scale)
