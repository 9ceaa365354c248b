import machine


def take_watchdog():
    """The watchdog of the agent that was interrupted goes on over a soft reset: here with the same limit.
    Returns that in seconds, 0 if its configuration wants none."""
    global _watchdog
    import json

    seconds = 180
    try:
        with open("ota.json") as file:
            seconds = json.load(file).get("watchdog_s", seconds)
    except (OSError, ValueError, AttributeError):
        pass
    if not isinstance(seconds, int) or seconds < 0:
        seconds = 180  # of the default: an agent with such a configuration has not started
    if seconds:
        _watchdog = machine.WDT(timeout=seconds * 1000)
    return seconds


def feed_watchdog():
    _watchdog.feed()
