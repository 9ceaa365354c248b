import gc
import json

gc.threshold(4096)


class _Agent:
    """As much of an agent as the package's phases ask for here."""

    def __init__(self, settings):
        self.config = settings
        self.state = self.running = None
        self.is_new = self.can_return = False
        self.block = bytearray(4096)
        self.report = self

    def error(self, error):
        """What an agent would report."""
        raise error


def judge_offer(text):
    """What the agent would say to this offer (JSON text of its data), by all it knows before the download. No
    flash is touched. {"ok": version} or {"code", "detail"}."""
    from device import errors

    try:
        return {"ok": _judge(json.loads(text))}
    except errors.OtaError as error:
        return {"code": error.code, "detail": error.detail}


def _judge(fields):
    """Phase after phase, as in the agent: no two have to be in memory together."""
    from device import config, errors, phases

    agent = _Agent(config.load("ota.json"))
    agent.state = phases.call("state", "load")
    for _ in phases.steps("start", "identify", agent):
        pass
    if not (fields.get("https_url") or fields.get("http_url")):  # for `push`: the server puts in its own
        hosts = agent.config.file_hosts or ("localhost",)
        fields["https_url"] = "https://%s%s/" % ("any" if hosts[0][0] == "." else "", hosts[0])
    offer = phases.call("offer", "parse", fields)
    phases.call("offers", "check", agent, offer)
    if agent.config.require_rollback and not _has_record():
        raise errors.OtaError(errors.NO_SLOT, "the boot loader cannot roll back")
    slot = phases.call("board", "spare")
    if offer.size > slot.ioctl(4, 0) * slot.ioctl(5, 0):
        raise errors.OtaError(errors.FW_OVERFLOW, str(offer.size))
    return offer.version


def _has_record():
    try:
        from esp32 import Partition
    except ImportError:
        return True
    return len(Partition.find(Partition.TYPE_DATA, 0)) > 0
