def set_running_version(version):
    """Record that this is the version of the running image. Returns the version below which the board takes
    nothing from now on: the highest that it has ever known."""
    from device import board, errors, record, state, strict

    stored = state.load()
    _, label = board.running()
    stored["slots"][label] = {"version": version, "build_time": "", "size": 0, "digest": ""}
    min_version = stored["floor"]
    if min_version is None or strict.version(version) > strict.version(min_version):
        stored["floor"] = min_version = version
    try:
        record.save(stored)
    except errors.OtaError as error:
        raise OSError(error.detail)
    record.keep_lowest(min_version)
    return min_version
