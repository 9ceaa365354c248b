"""What has come from the broker: an offer, or the word that one is taken back."""

from . import errors, log, phases


def take(agent, name, payload):
    """name: "update" or "response"; payload: bytes. What is wrong with it is reported."""
    try:  # one after the other: less has to be in memory
        sequence, found, seconds = phases.call("offer", "parse_message", payload)
        phases.call("ntp", "hear", agent, seconds)
        if not isinstance(found, str):
            phases.call("offers", "take", agent, name, sequence, found)
        elif name == "update":
            phases.call("offers", "cancel", agent, found)
        else:
            log.warning("cancel in a response ignored")
    except errors.OtaError as error:
        agent.report.error(error)
