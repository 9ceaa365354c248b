"""What the host says about this simulated board, from its board.json."""

import json

NAME = "board.json"
_values = {}


def load(folder):
    with open(folder + "/" + NAME) as file:
        _values.update(json.load(file))


def get(key, default=None):
    return _values.get(key, default)
