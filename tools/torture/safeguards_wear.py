"""Those of wear and time: what an attacker who stays hostile can cost."""

from __future__ import annotations

from tools.torture.mutant import Mutant

WEAR = (
    Mutant("downloads cost of the flash's life", "tries",
           "wear[_ERASES] -= _COST_S", "pass", ("wear",)),
    Mutant("what wear gives goes by the uptime", "tries",
           "    since_s = up_s - agent.counted_s\n    if not agent.counted_s:\n",
           "    since_s = 0\n    if True:\n",
           ("host_tests/portable/test_wear.py::test_a_clock_that_jumps_gives_nothing_while_the_board_is_on",)),
    Mutant("at a start the clock gives one download at most", "tries",
           "min(abs(now - wear[_AT]) * 60, _COST_S)", "abs(now - wear[_AT]) * 60",
           ("host_tests/portable/test_wear.py::test_at_a_start_the_clock_gives_one_download_at_most",)),
    Mutant("a download that starts over pays again", "failure",
           '    phases.call("tries", "begin_anew", transfer.agent)\n', "",
           ("host_tests/portable/test_backoff.py::test_starting_over_costs_of_the_flashs_life",)),
    Mutant("what is confirmed is given back", "online",
           '        phases.call("tries", "give_back", agent.state)\n', "",
           ("host_tests/portable/test_online.py::test_the_order_for_an_image_on_trial",)),
    Mutant("offers that wait are not saved without end", "tries",
           "wear[_SAVES] -= _COST_S", "pass",
           ("host_tests/portable/test_wear.py::test_offers_that_wait_are_saved_so_often_too",)),
    Mutant("the image's signature is checked before the first erase", "offer_signature",
           'phases.call("keys", "signer", agent, digest, offer.signature, errors.OFFER_SIGNATURE)', "pass",
           ("host_tests/portable/test_offer_signature.py"
            "::test_nobody_can_put_another_image_signature_beside_it",)),
    Mutant("signed offers are not checked without end", "offer_signature",
           "if agent.checked_s - now_s >= _FREE_CHECKS * _CHECK_S:", "if False:",
           ("host_tests/portable/test_offer_signature.py"
            "::test_signatures_without_end_cost_one_check_a_minute",)),
    Mutant("an update without progress gives way", "offers",
           " and time.ticks_diff(time.ticks_ms(), agent.progressed_ms) < _STALL_MS", "", ("hostage",)),
    Mutant("a pause ends when its offer is taken back or replaced", "failure",
           "        check_over(transfer)\n        yield pause_ms\n", "        yield pause_ms\n",
           ("host_tests/portable/test_backoff.py"
            "::test_a_pause_ends_when_the_offer_was_taken_back_or_replaced",)),
    Mutant("a download is bounded", "failure",
           "> transfer.agent.config.download_limit_s * 1000", "> 1 << 60",
           ("host_tests/portable/test_backoff.py::test_a_download_is_bounded_whatever_the_server_asks_for",)),
    Mutant("a download that only goes slowly is bounded", "download",
           " or lasted_ms > limit_ms", "",
           ("host_tests/portable/test_download.py::test_a_server_that_is_only_slow_enough_is_given_up_too",)),
    Mutant("what was taken back is not committed", "trial",
           "if agent.offer is not transfer.offer:", "if False:",
           ("host_tests/portable/test_trial.py"
            "::test_an_offer_that_was_taken_back_in_the_last_moment_is_not_begun",)),
    Mutant("all messages are read before an update starts", "agent",
           "(not message or clock.now() - self.due > _FLOOD_S)", "True",
           ("host_tests/portable/test_messages.py::test_of_all_that_are_there_the_latest_is_taken",)),
    Mutant("messages without end do not hold an update up", "agent",
           " or clock.now() - self.due > _FLOOD_S", "",
           ("host_tests/portable/test_messages.py::test_messages_without_end_do_not_hold_it_up_for_ever",)),
)  # fmt: skip
