"""What most would write: the `requests` of MicroPython, its body read block by block.

usage: library HOST PORT PATH SIZE
"""

import hashlib
import sys

import esp32
import requests

_BLOCK = 4096


def download(host, port, path):
    partition = esp32.Partition("ota_1")
    digest = hashlib.sha256()
    response = requests.get("http://" + host + ":" + port + path)
    number = 0
    while True:
        data = response.raw.read(_BLOCK)
        if not data:
            break
        digest.update(data)
        partition.writeblocks(number, data)
        number += 1
    response.close()
    print("digest", digest.digest().hex())


download(*sys.argv[1:4])
