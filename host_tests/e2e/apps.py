"""Applications for the boards of the tests: sources of a main.py."""

AGENT = """
from device import agent, config
settings = config.load("ota.json")
"""
RESETS = "import machine\nmachine.reset()\n"
SELF_TEST_FAILS = AGENT + "agent.Agent(settings, self_test=lambda: False).run()\n"
SELF_TEST_RAISES = AGENT + "agent.Agent(settings, self_test=lambda: 1 // 0).run()\n"
HANGS = AGENT + "agent.Agent(settings)\nprint('it hangs')\nwhile True:\n    pass\n"
# Holds the board for a second where a test wants it: in the verification; and a little before it starts.
SLOW = """
import time
from device import agent, ecdsa
verify = ecdsa.verify


def slowly(*arguments):
    print("verifying")
    time.sleep(1)
    return verify(*arguments)


ecdsa.verify = slowly
print("starting")
time.sleep(0.3)
agent.main("ota.json")
"""
