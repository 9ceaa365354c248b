"""Switches off one safeguard of the device code at a time: a torture that notices nothing proves nothing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from tools import cache
from tools.errors import ToolError
from tools.torture import classes, pool
from tools.torture.trace import Trace


class Mutant(NamedTuple):
    """In device/<module>.py, `before` (which stands there once) becomes `after`. noticed_by: classes."""

    safeguard: str
    module: str
    before: str
    after: str
    noticed_by: tuple[str, ...]


MUTANTS = (
    Mutant("blocks are read back", "slot",
           "if self._read_back != self._pieces[i]:", "if False:", ("flash",)),
    Mutant("the journal has a checksum", "journal",
           "or crc != binascii.crc32(raw[:-_CRC_SIZE])", "", ("journal",)),
    Mutant("the first 64 bytes are held back", "slot",
           "                self.block[i] = 0xFF\n        number", "                pass\n        number",
           ("cut",)),
    Mutant("a download goes on after a reboot", "updater",
           "self.download.resume()", "pass", ("cut",)),
    Mutant("the signature is checked", "judge",
           "if not ecdsa.verify(key, sha, offer.signature):", "if False:", ("cut", "flip")),
    Mutant("what is judged is read from flash", "slot",
           "        self._read(number, self.block, 0)\n", "", ("cut", "flip")),
    Mutant("a trial is put on record", "trial",
           "        self._state.trial = trial\n", "", ("cut",)),
    Mutant("attempts are counted", "trial",
           "trial[key] = trial.get(key, 0) + 1", "pass", ("dies",)),
    Mutant("power cuts do not count against an image", "trial",
           "excused = self.network_failed or cause == POWER_LOSS", "excused = False", ("boot",)),
    Mutant("a failed image is refused", "trial",
           "            self._state.refuse(trial)\n", "", ("dies",)),
    Mutant("what was pieced together may be fetched anew", "updater",
           "self.download.is_pieced and self._may_repeat", "False", ("changed",)),
    Mutant("starts without progress are slowed down", "failures",
           'entry["starts"] - _FREE_STARTS', "0", ("block",)),
    Mutant("a silent server is given up", "fetch",
           "if time.ticks_diff(time.ticks_ms(), since) > self._timeout_ms:", "if False:", ("link",)),
    Mutant("a silent broker is given up", "link",
           "if time.ticks_diff(now, self._socket.stream.last_received) > 2 * period_ms:", "if False:",
           ("idle",)),
    Mutant("the watchdog runs", "agent",
           "if settings.watchdog_s:", "if False:", ("boot",)),
    Mutant("a trial has a deadline", "agent",
           "if self._trial.can_return and log.uptime_ms()", "if False and log.uptime_ms()", ("deaf",)),
)  # fmt: skip


def run(traces: dict[str, Trace], kits: Path, jobs: int) -> int:
    """1 if a mutant went unnoticed."""
    console = Console(highlight=False)
    unnoticed = 0
    for mutant in MUTANTS:
        case = _first_failure(mutant, traces, kits, jobs)
        unnoticed += case is None
        verdict = f"noticed: {case}" if case else "[red]NOT NOTICED[/]"
        console.print(f"without “{mutant.safeguard}”: {verdict}", soft_wrap=True)
    console.print(f"{len(MUTANTS)} safeguards switched off, {len(MUTANTS) - unnoticed} noticed")
    return int(bool(unnoticed))


def _first_failure(mutant: Mutant, traces: dict[str, Trace], kits: Path, jobs: int) -> str | None:
    """What a failing case says; None if all survive."""
    with tempfile.TemporaryDirectory(prefix="ota-mutant-") as folder:
        root = Path(folder)
        shutil.copytree(cache.REPO / "device", root / "device", ignore=shutil.ignore_patterns("__pycache__"))
        _mutate(root / "device" / f"{mutant.module}.py", mutant)
        requests = [
            request for name in mutant.noticed_by for trace in traces.values()
            for request in classes.requests(name, trace, False)
        ]  # fmt: skip
        try:
            for result in pool.play_all(requests, kits, jobs, device=root):
                if result["outcome"] != "ok":
                    return f"{result['id']} {result['outcome']}"
        except ToolError:
            return "the undisturbed update fails"
    return None


def _mutate(path: Path, mutant: Mutant) -> None:
    source = path.read_text()
    if source.count(mutant.before) != 1:
        raise ToolError(f"mutant {mutant.safeguard!r} no longer fits {path.name}: correct mutants.py")
    path.write_text(source.replace(mutant.before, mutant.after))
