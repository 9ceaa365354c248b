import gc

gc.threshold(4096)


def _run(steps):
    """A generator of the package, to its end; its yields are pauses in ms."""
    import time

    for pause in steps:
        feed()
        time.sleep_ms(pause or 0)


def feed():
    """The session's watchdog, if it has one."""
    if "feed_watchdog" in globals():
        globals()["feed_watchdog"]()


def _attempt(step):
    """{"ok": what it returns} or {"code", "detail"} of the package's own error."""
    from device import errors

    try:
        return {"ok": step()}
    except errors.OtaError as error:
        return {"code": error.code, "detail": error.detail}


def check_config():
    """Load the configuration and read what it names, as the agent will."""
    from device import config

    def step():
        global settings
        settings = config.load("ota.json")
        return dict(settings.__dict__)

    return _attempt(step)


def join():
    global station, station_mac
    from device import phases

    station, _, station_mac = phases.call("board", "start")
    steps = phases.steps("connection", "join", station, settings)
    return _attempt(lambda: _run(steps) or station.ifconfig()[0])


def ask_time():
    """Unix seconds of each NTP host, or what went wrong."""
    import time

    from device import phases

    offset = 946684800 if time.gmtime(0)[0] == 2000 else 0
    answers = []
    for host in settings.ntp_hosts:
        feed()
        try:
            answers.append([host, phases.call("board", "ntp_time", host) + offset])
        except Exception as error:  # what a bad packet provokes has many names
            answers.append([host, repr(error)])
    return answers


def set_clock(unix_s):
    """For the certificates' sake, as the agent would; it lasts until the board has started anew."""
    import time

    from device import phases

    offset = 946684800 if time.gmtime(0)[0] == 2000 else 0
    phases.call("board", "set_clock", time.gmtime(unix_s - offset))


def connect():
    """Over the package's own link; nothing is subscribed, reported or taken."""
    from device import link

    def step():
        connection = link.Link(settings, station_mac)
        connection.connect()
        connection.close()
        return True

    return _attempt(step)
