"""device.report: envelopes, questions, progress that never holds up an update, errors that wait."""

from check import patched, raises_code, recorded_log
from fakeagent import FakeLink, data_of

from device import clock, errors, phases
from device.report import Report

NOW = 1716517000


def _reporter():
    return Report(FakeLink(), "en")


def _payloads(reporter):
    return [payload for _, payload, _ in reporter.link.published]


def _sequence(payload):
    return int(payload.split(",", 1)[0][len('{"msg_sequence": ') :])


def test_envelopes_to_the_letter():
    reporter = _reporter()
    with patched(clock, "now", lambda: NOW), recorded_log() as lines:
        reporter.progress(30)
        reporter.publish("firmware/report", '{"a": 1}')
    assert reporter.link.published == [
        ("progress/report", '{"msg_sequence": 0, "time": 1716517000000, "data": {"progress": 30}}', False),
        ("firmware/report", '{"msg_sequence": 1, "time": 1716517000000, "data": {"a": 1}}', True),
    ]
    assert len(lines) == 1 and lines[0].endswith(
        'Publish ota firmware/report, payload: {"msg_sequence": 1, "time": 1716517000000, "data": {"a": 1}}'
    )


def test_sequences_begin_anew_before_they_need_the_heap():
    reporter = _reporter()
    last = (1 << 30) - 1
    reporter.sequence = last - 1
    for _ in range(3):
        reporter.publish("get", "{}")
    assert [_sequence(payload) for payload in _payloads(reporter)] == [last - 1, last, 0]


def test_a_publication_that_fails_is_the_caller_s():
    reporter = _reporter()
    reporter.link.failures = [errors.OtaError(errors.TIMEOUT)]
    raises_code(errors.TIMEOUT, reporter.publish, "get", "{}")


def _percents(reporter):
    return [data_of(payload)["progress"] for payload in _payloads(reporter)]


def test_progress_once_for_each_tenth():
    reporter = _reporter()
    for _ in range(2):
        reporter.start()
        for percent in range(101):
            reporter.progress(percent)
        reporter.progress(100)
    assert _percents(reporter) == list(range(0, 101, 10)) * 2
    assert not any(waits for _, _, waits in reporter.link.published)


def test_a_lost_link_is_connected_anew_until_that_fails_once():
    reporter = _reporter()
    link = reporter.link
    reporter.start()
    link.close()
    reporter.progress(0)
    assert link.connects == 1 and link.is_open and _percents(reporter) == [0]
    for failure in (errors.OtaError(errors.TIMEOUT), MemoryError()):
        reporter.start()
        link.is_open = False
        link.failures = [failure]
        with recorded_log() as lines:
            for percent in (10, 20, 30):
                reporter.progress(percent)
        assert not link.is_open and not link.failures
        assert len([line for line in lines if line.startswith("E/ota")]) == 1, lines
    assert link.connects == 3 and _percents(reporter) == [0]


def test_a_publication_that_fails_closes_the_link_for_the_update():
    for failure in (errors.OtaError(errors.TIMEOUT), MemoryError()):
        reporter = _reporter()
        reporter.start()
        reporter.link.failures = [failure]
        for percent in (10, 20):
            reporter.progress(percent)
        assert not reporter.link.is_open and reporter.link.connects == 0 and _percents(reporter) == []


def test_without_an_update_nothing_is_connected_anew():
    reporter = _reporter()
    reporter.link.is_open = False
    reporter.add("{}")
    assert reporter.link.connects == 0


def test_more_of_an_update_than_progress():
    reporter = _reporter()
    reporter.add('{"state": "verified"}', True)
    ((name, payload, waits),) = reporter.link.published
    assert name == "progress/report" and waits and data_of(payload) == {"state": "verified"}


def test_memory_is_made_free_once():
    reporter = _reporter()
    reporter.start()
    reporter.link.context = "context"
    assert reporter.free_memory()
    assert not reporter.link.is_open and reporter.link.context is None
    reporter.progress(10)
    assert reporter.link.connects == 0, "the rest of the update has the memory"
    assert not reporter.free_memory()


def _heard(reporter):
    """The data of the errors that were published."""
    published = reporter.link.published
    assert all(name == "progress/report" and waits for name, _, waits in published), published
    return [data_of(payload) for _, payload, _ in published]


def test_an_error_is_told_at_once_where_there_is_a_link():
    reporter = _reporter()
    with recorded_log() as lines:
        reporter.error(errors.OtaError(errors.SHA256_ECDSA, "details"))
    assert _heard(reporter) == [{"errorCode": errors.SHA256_ECDSA, "errorMsg": "Bad signature"}]
    assert reporter.unsent == []
    assert lines[0].startswith("E/ota") and "%d Bad signature: details" % errors.SHA256_ECDSA in lines[0]


def test_an_error_in_chinese_is_logged_in_english():
    reporter = Report(FakeLink(), "zh")
    with recorded_log() as lines:
        reporter.error(errors.OtaError(errors.FW_OVERFLOW))
    assert _heard(reporter)[0]["errorMsg"] == "FLASH \u7a7a\u95f4\u4e0d\u8db3"
    assert "Image exceeds slot" in lines[0]


def _codes(reporter):
    return [data["errorCode"] for data in _heard(reporter)]


def test_errors_wait_for_a_link_each_code_once():
    reporter = _reporter()
    reporter.link.is_open = False
    for code in (errors.FLASH, errors.NO_MEM, errors.FLASH):
        reporter.error(errors.OtaError(code))
    assert reporter.link.published == [] and len(reporter.unsent) == 2
    reporter.link.is_open = True
    reporter.send_waiting()
    assert _codes(reporter) == [errors.FLASH] and len(reporter.unsent) == 1
    reporter.error(errors.OtaError(errors.TIMEOUT))
    assert _codes(reporter) == [errors.FLASH, errors.NO_MEM, errors.TIMEOUT] and reporter.unsent == []


def test_an_error_that_cannot_be_sent_goes_on_waiting():
    for failure in (errors.OtaError(errors.TIMEOUT, "the broker"), MemoryError("the broker")):
        reporter = _reporter()
        reporter.link.failures = [failure]
        with recorded_log() as lines:
            reporter.error(errors.OtaError(errors.FLASH, "first"))
        assert [error.code for error in reporter.unsent] == [errors.FLASH]
        logged = [line for line in lines if line.startswith("E/ota")]
        assert len(logged) == 2 and "the broker" in logged[1]
    reporter.link.is_open = True
    reporter.link.failures = [errors.OtaError(errors.TIMEOUT)]
    raises_code(errors.TIMEOUT, reporter.send_waiting)
    assert len(reporter.unsent) == 1


def test_what_cannot_be_loaded_does_not_hide_an_error():
    for problem in (errors.OtaError(errors.NO_INIT), MemoryError()):

        def failing(*_, problem=problem):
            raise problem

        reporter = _reporter()
        with patched(phases, "call", failing), recorded_log() as lines:
            reporter.error(errors.OtaError(errors.FLASH, "why"))
        assert str(errors.FLASH) in lines[0] and "why" in lines[0]
        assert [error.code for error in reporter.unsent] == [errors.FLASH] and _heard(reporter) == []
