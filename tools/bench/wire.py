"""Bytes on the wire for one update, beside the image itself, both directions, as TCP carries them."""

from __future__ import annotations

from pathlib import Path

from tools.bench.boardcode import IN_PLACE
from tools.bench.site import HEAP, Site


def measure(folder: Path) -> dict[str, float]:
    """The lines of the group wire; folder: for a site of its own, behind proxies that count."""
    with Site(folder, proxies=True) as site:
        site.new_board(IN_PLACE)
        run = site.download(site.board_code.command(HEAP, IN_PLACE, "client"))
        if run.has_failed or run.process.returncode is None:
            raise run.failure("the update failed")
        files = site.testbed.https_proxy.connections
        broker = site.testbed.broker_proxy.connections
        return {
            "wire_https": sum(each.to_client + each.to_server for each in files) - len(site.image),
            "wire_broker": sum(each.to_client + each.to_server for each in broker),
            "wire_connections": len(files) + len(broker),
        }
