"""The configuration as the agent has it: the keys of the file as attributes."""

from . import phases


class Config:
    """Its values are set and checked by config_table."""


def load(path):
    """path: of the JSON file. Raises OtaError: NO_INIT if it is not there, INVALID_PARAM if it is wrong."""
    return phases.call("config_table", "load", path, Config())
