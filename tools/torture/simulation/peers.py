"""The peers of a case: broker with operator, file servers, NTP, each as the case wants it."""

import boardtime
import fakenet
import ntptime
from broker import Broker
from fileserver import Files
from noise import Noise

_PREFIX = "wm_iot/%s/ota/"
# Who serves files: "plain" is the same server without TLS, "mirror" another host that may be trusted,
# "hostile" a host of the attacker's, with a certificate of his own making.
_ADDRESSES = {
    "files": ("files", 443), "plain": ("files", 80), "mirror": ("mirror", 443), "hostile": ("hostile", 443),
    "hostile-plain": ("hostile", 80),
}  # fmt: skip


def connect(case, fixture, new, events):
    """(Broker, {name: Files}), listening. new: the image that is served; case: see power.py and so on."""
    fakenet.clear()
    fakenet.troubles[:] = case.get("net", [])
    broker = _make_broker(case, fixture)
    servers = {name: Files(new) for name in _ADDRESSES}
    files = servers["files"]
    files.script = list(case.get("files_script", []))
    files.etag = case.get("etag", '"1"')
    servers["hostile"].problem = lambda: "The certificate is not correctly signed by the trusted CA"
    ntptime.answer = case.get("ntp", "right")
    validity = case.get("certificate")
    if validity:
        files.problem = broker.problem = lambda: _judge_certificate(validity)

    def heal():
        ntptime.answer = "right"
        files.problem = broker.problem = None

    if "heals_ms" in case:
        events.after(case["heals_ms"], heal)
    fakenet.listeners[("broker", 8883)] = broker.accept
    for name, address in _ADDRESSES.items():
        fakenet.listeners[address] = servers[name].accept
    return broker, servers


def _make_broker(case, fixture):
    offer = dict(fixture.offers[case.get("image", "new")])
    offer.update(case.get("offer", {}))
    broker = Broker(_PREFIX % fixture.facts["mac"], offer)
    broker.script = list(case.get("broker_script", []))
    broker.answers_get = case.get("poll", False)
    broker.push_after_ms = case.get("push_after_ms", 0)
    broker.repeats = case.get("repeats", 1)
    broker.retained = case.get("retained", False)
    broker.max_pushes = case.get("pushes", broker.max_pushes)
    return broker


def arm(sim):
    """What the network, the broker's account and the file servers are in the hands of an attacker."""
    case, broker, files = sim.case, sim.broker, sim.files
    broker.offer = dict(sim.fixture.offers[case.get("image", "new")])
    broker.offer.update(case.get("offer", {}))
    broker.script = list(case.get("broker_script", []))
    broker.says, broker.packets = case.get("says", {}), list(case.get("packets", []))
    broker.max_pushes = broker.pushes + case.get("pushes", 1)
    broker.again_ms = case.get("again_ms", broker.again_ms)
    broker.insists, broker.answers_get = True, case.get("poll", False)
    broker.retained, broker.repeats = case.get("retained", False), case.get("repeats", 1)
    if "noise" in case:
        broker.noise = Noise(broker, broker.offer, case["noise"])
    for server in sim.servers.values():
        server.image = server.content = sim.fixture.images[case.get("image", "new")]
        server.requests = []
    files.always, files.script = case.get("answer", {}), list(case.get("files_script", []))
    sim.servers["plain"].script = list(case.get("plain_script", []))
    fakenet.troubles[:] = case.get("net", [])
    ntptime.answer = case.get("ntp", "right")
    if "attack_certificate" in case:
        files.problem = broker.problem = lambda: _judge_certificate(case["attack_certificate"])
    for name, problem in case.get("untrusted", {}).items():
        _distrust(broker if name == "broker" else sim.servers[name], problem)


def _distrust(server, problem):
    """problem: the name in its certificate, if it begins with "CN="; else what the handshake says."""
    if problem.startswith("CN="):
        server.certificate_name = problem[3:]
    else:
        server.problem = lambda: problem


def stay(sim):
    """The attacker stays as he is, and the operator comes in between: his offer leads to another host."""
    broker, offer = sim.broker, dict(sim.fixture.offers[sim.case.get("valid", "new")])
    offer["https_url"] = "https://mirror/new.img"
    broker.offer, broker.script, broker.packets = offer, [], []
    broker.max_pushes, broker.every_ms = 1000, sim.case.get("owner_every_ms", 600_000)
    if sim.case.get("owner_cancels"):
        broker.cancel()
    sim.servers["mirror"].image = sim.servers["mirror"].content = sim.new


def disarm(sim):
    """Everything is valid again; the operator offers the right image."""
    broker, files = sim.broker, sim.files
    broker.quiet()
    broker.offer = dict(sim.fixture.offers[sim.case.get("valid", "new")])
    files.always, files.script = {}, []
    for server in sim.servers.values():
        server.image = server.content = sim.new
    fakenet.troubles[:] = []
    ntptime.answer = "right"
    for server in (broker, files):
        server.certificate_name = None
        if "certificate" not in sim.case:
            server.problem = None


def _judge_certificate(validity):
    """validity: [first, last] Unix s. What mbedtls finds, by the board's clock."""
    now = boardtime.time() + boardtime.epoch()
    if now < validity[0]:
        return "The certificate validity starts in the future"
    return "The certificate validity has expired" if now > validity[1] else None
