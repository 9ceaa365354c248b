"""The key of the tests' owner, as the file that the device's keys read."""

import hashlib

import signer

from device import files

FINGERPRINT = hashlib.sha256(signer.KEY[-64:]).digest()[:8].hex()
_PATH = "owner_pub.der"


def put():
    """Write it where the test stands. Returns its name, for the setting signing_key."""
    files.write(_PATH, signer.KEY)
    return _PATH
