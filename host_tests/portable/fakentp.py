"""Time servers that give what a test says, and an agent that asks them."""

from check import patched, run
from fakeagent import FakeAgent

from device import board as device_board
from device import clock, log, ntp

NOW = 1800000000  # 2027-01-15
ERA_END = 2085978496
DAY = 86400


class Board:
    """device.board as far as ntp needs it. answers: {host: seconds of the board's epoch, or an exception}."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.moments = []

    def is_asked(self):
        return Both(
            patched(device_board, "ntp_time", self.ntp_time),
            patched(device_board, "set_clock", self.set_clock),
        )

    def ntp_time(self, host):
        self.asked.append(host)
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def set_clock(self, moment):
        self.moments.append(moment)


def agent_with(answers, build_time="", known_time=0, doubts=0, **changes):
    """An agent and its board."""
    agent = FakeAgent(ntp_hosts=sorted(answers), broker="mqtts://broker", **changes)
    agent.running = {"version": "1.0.0", "build_time": build_time}
    agent.state["known_time"], agent.state["doubts"] = known_time, doubts
    agent.board = Board(answers)
    return agent, agent.board


def sync(agent):
    with agent.board.is_asked():
        run(ntp.Sync(agent).steps())


def at(uptime_s, unix_s=NOW):
    """The uptime and what the board's clock says."""
    return Both(patched(log, "uptime_ms", lambda: uptime_s * 1000), patched(clock, "now", lambda: unix_s))


class Both:
    def __init__(self, *managers):
        self._managers = managers

    def __enter__(self):
        for manager in self._managers:
            manager.__enter__()

    def __exit__(self, *arguments):
        for manager in self._managers:
            manager.__exit__(*arguments)


def is_set_to(board, seconds):
    """The clock was last set to this time."""
    return tuple(board.moments[-1][:6]) == tuple(ntp.time.gmtime(seconds)[:6])
