"""The safeguards of trials, of refused images and of the broker's time: part of safeguards.py's table."""

from __future__ import annotations

from tools.torture.mutant import Mutant

TRIALS = (
    Mutant("a trial that saw no network does not count", "rollback",
           '(was_cut_off or cause == board.POWER_LOSS)', "cause == board.POWER_LOSS", ("deaf",)),
    Mutant("a trial that reached the broker counts", "rollback",
           " and not agent.link.was_reached", "", ("deaf",)),
    Mutant("boots that do not count are counted", "rollback",
           'and trial.get("excuses", 0) < _MAX_UNCOUNTED', "", ("deaf",)),
    Mutant("an image that cannot fetch the next one is not confirmed", "connection",
           "                _shake_hands(agent.config, host, port)\n", "                pass\n", ("files",)),
    Mutant("a file host that is away is no fault of the image", "connection",
           "if error.code in (errors.TLS_REFUSED, errors.NO_MEM, errors.NO_INIT):", "if True:", ("files",)),
    Mutant("that an image is confirmed is told until it is acknowledged", "trial",
           '    state["untold"] = entry["version"]\n', "",
           ("host_tests/portable/test_trial.py::"
            "test_confirm_moves_the_record_to_the_slot_and_raises_the_minimum_version",)),
    Mutant("the owner's word brings a refused image back once", "offers",
           '                entry["at"] = own.issued - 1\n', "                pass\n",
           ("host_tests/portable/test_refused.py::test_an_offer_of_the_future_brings_it_back_once_too",)),
    Mutant("the owner's word must be later than what an earlier release has refused", "trial",
           '    phases.call("offers", "date_refused", state)\n', "",
           ("host_tests/portable/test_trial.py::"
            "test_confirm_dates_what_a_release_of_before_has_refused",)),
    Mutant("the cause of an image before is not that of the next one", "update",
           '    phases.call("guard", "take_cause")', "    pass",
           ("host_tests/portable/test_update_install.py::"
            "test_why_an_image_before_was_given_up_is_forgotten",)),
    Mutant("only the owner says when an offer was issued", "offers",
           'phases.call("keys", "signer", agent, own.proof[1], own.proof[0], errors.REFUSED_IMAGE)', "pass",
           ("host_tests/portable/test_refused.py::test_only_the_owner_says_when_it_was_issued",)),
    Mutant("each failure doubles the time of a refusal", "offers",
           '2 * old["pause_s"]', "0",
           ("host_tests/portable/test_refused.py::test_each_time_for_twice_as_long",)),
    Mutant("who returns by time alone has one attempt", "offers",
           "        attempts = agent.config.trial_attempts - 1\n", "",
           ("host_tests/portable/test_refused.py::test_refused_until_its_time_is_over",)),
    Mutant("the broker's time and one server's are believed together", "ntp",
           'if self._is_witnessed(seconds) and seconds >= state["agreed_time"] - _AGREED_S:', "if False:",
           ("time",)),
    Mutant("together they go not back behind what they agreed on", "ntp",
           ' and seconds >= state["agreed_time"] - _AGREED_S', "",
           ("host_tests/portable/test_ntp_heard.py::"
            "test_together_they_do_not_go_back_behind_what_they_agreed_on",)),
)  # fmt: skip
