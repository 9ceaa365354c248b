"""A key ring of one key, which remembers what it was told to adopt."""

import signer

from device import ecdsa, keyring


class Keys:
    """key: whose signatures count. digests: what was judged."""

    def __init__(self, key=signer.KEY):
        self.key = key
        self.digests = []
        self.adopted = []

    def signer(self, digest, signature, room=b""):
        self.digests.append(digest)
        return "owner" if ecdsa.verify(self.key, digest, signature) else None

    @staticmethod
    def decode(text):
        return keyring.KeyRing.decode(text)

    def adopt(self, fingerprint, following):
        self.adopted.append((fingerprint, following))
