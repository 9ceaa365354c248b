"""Verifies signatures inside MicroPython, with and without the table, and compares with the host's verdicts.

usage: verifycases.py FILE   (lines of "key digest signature table verdict": hex, - for none; verdict 1 or 0)
"""

import sys

from device import ecdsa


def main(path):
    verified = wrong = 0
    with open(path) as file:
        for line in file:
            *parts, verdict = line.split()
            key, digest, signature, table = [b"" if part == "-" else bytes.fromhex(part) for part in parts]
            expected = verdict == "1"
            plain = ecdsa.verify(key, digest, signature)
            quick = ecdsa.verify(key, digest, signature, table)
            verified += 1
            if plain is not expected or quick is not expected:
                wrong += 1
                print("line %d: %s without, %s with the table" % (verified, plain, quick))
    print("%d verified, %d wrong" % (verified, wrong))


main(sys.argv[1])
