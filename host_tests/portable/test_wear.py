"""device.tries: what downloads cost of the flash's life, whatever the clock and the power do."""

import makeoffer
from check import patched, raises_code
from fakeagent import FakeAgent

from device import board, clock, errors, log, offers, tries

NOW = 1800000000
DAY = 86400
COST = 4320
FILE = "wear.json"


class Board:
    """Context. on(s): the board is on for so long; off(s): it is not, then boots. The clock is s `wrong`."""

    def __enter__(self):
        self.at, self.up_s, self.wrong = NOW, 1, 0
        self._patches = [
            patched(clock, "now", lambda: self.at + self.wrong), patched(log, "uptime_ms", self._uptime_ms),
            patched(board, "spare", lambda: None),
        ]  # fmt: skip
        for patch in self._patches:
            patch.__enter__()
        self.agent = FakeAgent()
        self.boot()
        return self

    def __exit__(self, *arguments):
        for patch in self._patches:
            patch.__exit__(*arguments)

    def _uptime_ms(self):
        return self.up_s * 1000

    def on(self, seconds):
        self.at += seconds
        self.up_s += seconds

    def off(self, seconds):
        self.at += seconds
        self.boot()

    def boot(self):
        before, self.agent, self.up_s = self.agent, FakeAgent(FILE), 1
        self.agent.has_rollback = True
        if before.path is None:
            self.agent.state["wear"] = self.agent.state["failed"] = None

    def download(self, number, position=0):
        """Begin with the offer of this number, and fail; False if it must wait."""
        agent = self.agent
        agent.offer = makeoffer.offer(https_url="https://files/%d" % number)
        try:
            tries.begin(agent, position)
        except errors.OtaError as error:
            assert error.code == errors.ALREADY_RUNNING and agent.due > clock.now()
            tries.fail(agent, error)
            assert agent.offer, "it waits"
            return False
        tries.fail(agent, errors.OtaError(errors.HTTP_STATUS))
        return True

    def count(self):
        """How many downloads there can be just now."""
        count = 0
        while self.download(count + self.at):
            count += 1
        return count


def test_twenty_at_once_then_twenty_a_day():
    with Board() as made:
        assert made.count() == 20
        made.on(COST - 2)
        assert made.count() == 0
        made.on(2)
        assert made.count() == 1
        total = 0
        for _ in range(7 * 24 * 4):
            made.on(900)
            total += made.count()
        assert 139 <= total <= 140, total
        made.on(9 * DAY)
        assert made.count() == 20


def test_the_offer_waits_for_as_long_as_it_must():
    with Board() as made:
        made.count()
        offer = makeoffer.offer()
        offers.take(made.agent, "update", 0, makeoffer.offer(upgrade_delay=1))
        assert made.agent.due == clock.now() + COST
        made.on(COST)
        assert tries.pause_left_s(made.agent, offer) == 0 and made.agent.is_due()
        tries.begin(made.agent, 0)


def test_a_clock_that_jumps_gives_nothing_while_the_board_is_on():
    with Board() as made:
        made.count()
        for wrong in (DAY, -DAY, 400 * DAY, -400 * DAY, 0):
            made.wrong = wrong
            made.on(10)
            assert made.count() == 0, wrong


def test_at_a_start_the_clock_gives_one_download_at_most():
    with Board() as made:
        made.count()
        made.off(100)
        assert made.count() == 0, "a cut of the power wins nothing"
        for wrong in (DAY, -DAY, 400 * DAY, -400 * DAY):
            made.wrong = wrong
            made.off(1)
            assert made.count() == 1, wrong
        made.wrong = 0
        made.off(30 * DAY)
        assert made.count() == 1


def test_a_board_that_sleeps_most_of_the_time_is_not_locked_out():
    with Board() as made:
        made.count()
        tried = 0
        for _ in range(48):
            made.off(3590)
            made.on(10)
            tried += made.count()
        assert 12 <= tried <= 40, tried


def test_what_is_confirmed_is_given_back():
    with Board() as made:
        for number in range(200):
            made.agent.offer = makeoffer.offer(size=70 + number)
            tries.begin(made.agent, 0)
            tries.begin_anew(made.agent)
            tries.give_back(made.agent.state)
            made.agent.state["failed"] = None
        assert made.count() == 20
        tries.give_back(made.agent.state)
        assert made.count() == 0, "what others have cost is not"


def test_a_download_that_starts_over_pays_again():
    with Board() as made:
        assert made.download(1)
        for _ in range(19):
            tries.begin_anew(made.agent)
        raises_code(errors.CONNECTION_FAILED, tries.begin_anew, made.agent)


def test_a_power_cut_is_free_where_the_download_has_come_further():
    with Board() as made:
        made.agent.offer = offer = makeoffer.offer()
        for position in range(0, 400 * 4096, 4096):
            tries.begin(made.agent, position)
            made.off(1)
            made.agent.offer = offer
        assert made.agent.state["failed"]["starts"] == 1
        assert made.count() == 19
    with Board() as made:  # but not at the beginning of another offer with the same image
        assert [made.download(number, 65536) for number in range(21)] == [True] * 20 + [False]


def test_offers_that_wait_are_saved_so_often_too():
    with Board() as made:
        for second in range(1000):
            offers.take(made.agent, "update", 0, makeoffer.offer(upgrade_delay=NOW + 9000 + second))
        assert made.agent.saves == 20
        assert made.agent.offer.start_at == NOW + 9999, "the latest is there until the power goes"
        tries.begin(made.agent, 0)
        assert FakeAgent(FILE).state["waiting"]["upgrade_delay"] == NOW + 9999


def test_a_record_that_is_damaged_is_full_again_and_never_locks():
    right = [0, 0, 0, 5]
    for wrong in (
        [None, 0, 0, 5], [0, "1", 0, 5], [0, 0, 1.5, 5], [0, 0, 0, True], [-(1 << 40), 0, 0, 5],
        [0, 0, -DAY, 5], [0, 0, 0], right + [0], [], {}, "abcd", 7, None,
    ):  # fmt: skip
        state = {"failed": None, "wear": list(right)}
        tries.check_state(state)
        assert state["wear"] == right
        state["wear"] = wrong
        tries.check_state(state)
        assert state["wear"] is None, wrong
    with Board() as made:
        made.agent.state["wear"] = [1 << 40, 1 << 40, 0, 1 << 40]
        assert made.count() == 20


def test_an_operator_gives_them_all_back():
    with Board() as made:
        made.count()
        made.agent.clear_refused()
        assert made.count() == 20
