"""The peers of a case: broker with operator, file server, NTP, each as the case wants it."""

import air
import boardtime
import ntptime
from broker import Broker
from fileserver import Files

_PREFIX = "wm_iot/%s/ota/"


def connect(case, kit, mishaps):
    """(Broker, Files), listening."""
    air.clear()
    air.troubles[:] = case.get("net", [])
    broker = _make_broker(case, kit)
    files = Files(kit.new)
    files.script = list(case.get("files_script", []))
    files.etag = case.get("etag", '"1"')
    ntptime.answer = case.get("ntp", "right")
    validity = case.get("certificate")
    if validity:
        files.problem = broker.problem = lambda: _judge_certificate(validity)

    def heal():
        ntptime.answer = "right"
        files.problem = broker.problem = None

    if "heals_ms" in case:
        mishaps.after(case["heals_ms"], heal)
    air.listeners[("broker", 8883)] = broker.accept
    air.listeners[("files", 443)] = air.listeners[("files", 80)] = files.accept
    return broker, files


def _make_broker(case, kit):
    offer = dict(kit.offer)
    offer.update(case.get("offer", {}))
    broker = Broker(_PREFIX % kit.facts["mac"], offer)
    broker.script = list(case.get("broker_script", []))
    broker.answers_get = case.get("poll", False)
    broker.push_after_ms = case.get("push_after_ms", 0)
    broker.repeats = case.get("repeats", 1)
    broker.retained = case.get("retained", False)
    broker.most_pushes = case.get("pushes", broker.most_pushes)
    return broker


def _judge_certificate(validity):
    """validity: [first, last] Unix s. What mbedtls finds, by the board's clock."""
    now = boardtime.time() + boardtime.epoch()
    if now < validity[0]:
        return "The certificate validity starts in the future"
    return "The certificate validity has expired" if now > validity[1] else None
