import gc
import json

gc.threshold(4096)


class _Reporter:
    """Takes what the agent would report."""

    def __init__(self):
        self.caught = None

    def error(self, error):
        self.caught = error


def judge_offer(text):
    """What the agent would say to this offer (JSON text of its data), by all it knows before the download. No
    flash is touched. {"ok": version} or {"code", "detail"}."""
    from device import errors

    try:
        return {"ok": _judge(json.loads(text))}
    except errors.OtaError as error:
        return {"code": error.code, "detail": error.detail}


def _judge(fields):
    from device import config, errors, messages, offers
    from device.board import Board
    from device.keyring import KeyRing
    from device.slot import Slot
    from device.state import State
    from device.trial import Trial

    settings = config.load("ota.json")
    board = Board()
    state = State("ota_state.json")
    state.save = lambda: None
    reporter = _Reporter()
    keys = KeyRing(settings, reporter.error)
    trial = Trial(state, board, settings, keys)
    for _ in trial.identify():
        pass
    judge = offers.Offers(settings, state, trial, board, reporter, keys)
    judge.has_rollback = _has_record()
    message = {"msg_sequence": 0, "time": 0, "data": fields}
    state.waiting = None
    judge.take(messages.UPDATE, json.dumps(message).encode())
    if reporter.caught:
        raise reporter.caught
    size = judge.accepted.size
    if size > Slot(board.spare()).capacity:
        raise errors.OtaError(errors.FW_OVERFLOW, str(size))
    return judge.accepted.version


def _has_record():
    try:
        from esp32 import Partition
    except ImportError:
        return True
    return len(Partition.find(Partition.TYPE_DATA, 0)) > 0
