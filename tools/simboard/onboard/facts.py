"""What the host says about this simulated board, from its board.json."""

import json

_values = {}


def load(path):
    with open(path) as file:
        _values.update(json.load(file))


def get(key, default=None):
    return _values.get(key, default)
