"""How an offer is worded for one device: the operator's fields, the URLs of this server's files, its time."""

from __future__ import annotations

import functools
import json
import sqlite3
from typing import Any

from tools.server import imagestore


class Wording:
    """`word(target)` -> the JSON text of an offer.

    bases: {"https_url": "https://host:8443/images", …}. names_device: the URL says who fetches, so that our
    own file server can count; it proves nothing and opens nothing.
    """

    def __init__(self, bases: dict[str, str], names_device: bool) -> None:
        self._bases = bases
        self._names_device = names_device

    def __call__(self, target: sqlite3.Row) -> str:
        """target: a row of Targets.latest()."""
        name = imagestore.file_name(target["digest"])
        query = f"?device={target['mac']}" if self._names_device else ""
        urls = {field: f"{base}/{name}{query}" for field, base in self._bases.items()}
        offer = {**_fields(target["offer"]), **urls, "upgrade_delay": target["starts_at"]}
        return json.dumps(offer, ensure_ascii=False)


@functools.lru_cache(maxsize=64)
def _fields(offer: str) -> dict[str, Any]:
    return json.loads(offer)
