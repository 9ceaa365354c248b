"""Checks one signature COUNT times.

usage: signature COUNT [TABLE_FILE], in a folder with key, digest and der.
"""

import sys

from device import ecdsa


def _read(name):
    with open(name, "rb") as file:
        return file.read()


def _table(arguments, key):
    if not arguments:
        return None
    from device import keytable

    return keytable.load(_read(arguments[0]), key)


key = _read("key")
table = _table(sys.argv[2:], key)
results = [ecdsa.verify(key, _read("digest"), _read("der"), table) for _ in range(int(sys.argv[1]))]
if not all(results):
    raise ValueError("a valid signature is refused")
print("verified")
