"""An image that is pushed to boards, and the store of a server that runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tools.server import imagestore, pushes
from tools.server.store import Store
from tools.testbed.served import Served


@contextlib.contextmanager
def opened(served: Served) -> Iterator[Store]:
    store = Store(served.folder)
    yield store
    store.close()


def signers(store: Store) -> list[bytes]:
    return [store.fact("signing_keys")]


def push(served: Served, image: bytes, offer: dict, macs: list[str]) -> int:
    with opened(served) as store:
        digest = imagestore.add(store, image, offer, signers(store))
        return pushes.start(store, digest, offer, macs)
