"""What of the package is in memory, from .mpy files: while the board waits, and the most in an update."""

from __future__ import annotations

from tools.bench import cost
from tools.bench.boardcode import FILES
from tools.bench.site import HEAP, RESET_EXIT, Site, wait

LIMIT_S = 30


def measure(site: Site) -> dict[str, float]:
    """The lines of the group loads. Prints the set of mpy_at_once."""
    return {"heap_idle": _idle(site) / 1024} | _update(site)


def _idle(site: Site) -> int:
    """Bytes of heap in use by a board that is online and waits for an offer."""
    site.new_board(FILES)
    since = len(site.testbed.operator.messages)
    with site.running(site.board_code.command(HEAP, FILES, "idle")) as run:
        wait(lambda: run.process.poll() is not None, LIMIT_S)
    if run.process.returncode != 0 or not wait(lambda: site.heard(since, "INIT"), LIMIT_S):
        raise run.failure("the board did not come online")
    return int(cost.reported("\n".join(run.lines), "idle")[0])


def _update(site: Site) -> dict[str, float]:
    """From power on to the restart into the new image, over https and with its signature checked."""
    site.new_board(FILES)
    run = site.download(site.board_code.command(HEAP, FILES, "loads"))
    if run.has_failed or run.process.returncode != RESET_EXIT:
        raise run.failure("the update failed")
    output = "\n".join(run.lines)
    at_once, *names = cost.reported(output, "together")
    print(f"mpy_at_once {int(at_once):,}: {' '.join(names)}")
    return {
        "mpy_at_once": int(at_once),
        "phases_loaded": int(cost.reported(output, "phases")[0]),
        "mpy_loaded": int(cost.reported(output, "read")[0]),
    }
