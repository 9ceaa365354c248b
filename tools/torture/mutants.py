"""Switches off one safeguard of the device code at a time: a torture that notices nothing proves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from tools import cache, runtimes
from tools.errors import ToolError
from tools.torture import classes, pool
from tools.torture.attacks import table
from tools.torture.attacks.forge import Ground
from tools.torture.trace import Trace

PYTEST_LIMIT_S = 120


class Mutant(NamedTuple):
    """In device/<module>.py, `before` (which stands there once) becomes `after`. noticed_by: classes of
    faults or of attacks; or one test of pytest, FILE::NAME, for what these cannot see."""

    safeguard: str
    module: str
    before: str
    after: str
    noticed_by: tuple[str, ...]


MUTANTS = (
    Mutant("blocks are read back", "slot",
           "if self._read_back != piece:", "if False:", ("flash",)),
    Mutant("the journal has a checksum", "journal",
           "if crc != binascii.crc32(raw[:_BODY_SIZE]):", "if False:", ("journal",)),
    Mutant("the first 64 bytes are held back", "slot",
           "            self._blank_head()\n        number", "            pass\n        number",
           ("cut",)),
    Mutant("a download goes on after a reboot", "updater",
           "self.download.resume()", "pass", ("cut",)),
    Mutant("the signature is checked", "judge",
           "if signer is None:", "if False:", ("cut", "flip")),
    Mutant("what is judged is read from flash", "slot",
           "            self._readblocks(number, self.block, 0)\n", "            pass\n", ("cut", "flip")),
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
    Mutant("the signing key lies on the curve", "ecdsa",
           " or (y * y - (x * x - 3) * x - _B) % _P", "",
           ("host_tests/portable/test_ecdsa_encodings.py::test_keys_off_the_curve",)),
    Mutant("nothing may follow s in a signature", "ecdsa",
           "if r is None or s is None or position != len(der):", "if r is None or s is None:",
           ("signature",)),
    Mutant("integers of a signature are minimal", "ecdsa",
           "if length > 1 and der[first] == 0 and not der[first + 1] & 0x80:", "if False:", ("signature",)),
    Mutant("r and s are below n", "ecdsa",
           "if not (0 < r < _N and 0 < s < _N):", "if False:", ("signature",)),
    Mutant("a signed offer is signed by the owner", "offers",
           "elif self._keys.signer(seal.digest, seal.signature) is None:", "elif False:", ("seal",)),
    Mutant("a signed offer ends", "offers",
           " or seal.expires <= clock.now()", "", ("seal",)),
    Mutant("a signed offer is for one image", "judge",
           "if offer.seal and offer.seal.image_digest != sha.hex():", "if False:", ("seal",)),
    Mutant("offers must be signed where that is required", "offers",
           "if self._config.require_signed_offer:", "if False:", ("seal",)),
    Mutant("the next key retires the current one", "keyring",
           "_install(self._current, key, _read_table(self._next))", "pass", ("key",)),
    Mutant("a key that an image brings is one", "judge",
           "keys.decode(following)", "pass", ("key",)),
    Mutant("time goes not back behind what was known", "clock",
           "if seconds >= known - _AGREED_S:", "if True:", ("time",)),
    Mutant("base64 is strict", "jsontext",
           'return data if binascii.b2a_base64(data).decode() == text + "\\n" else None', "return data",
           ("signature",)),
    Mutant("there is a floor under versions", "state",
           "return max(floor, running) if floor else running", "return running", ("rollback",)),
    Mutant("the running version is not installed again", "offers",
           "if number == version.parse(running):", "if False:", ("rollback",)),
    Mutant("the version inside is the offer's", "image",
           "if inside != version.parse(offered):", "if False:", ("rollback",)),
    Mutant("an image names its board", "image",
           'if record and record["board"] != board:', "if False:", ("identity",)),
    Mutant("an image is for this chip", "image",
           "if chip is not None and image_chip != chip:", "if False:", ("identity",)),
    Mutant("what exceeds the slot is refused at once", "updater",
           "if self.offer.size > self.slot.capacity:", "if False:", ("identity",)),
    Mutant("a response answers the last question", "offers",
           "if not self._reporter.is_answer(sequence):", "if False:", ("replay",)),
    Mutant("a bad offer is not downloaded again at once", "failures",
           "return min(_PAUSE_S << min(number - 1, 12), most_s) if number > 0 else 0", "return 0",
           ("replay",)),
    Mutant("Content-Length is what was asked for", "download",
           "if response.length != last + 1 - first:", "if False:", ("body",)),
    Mutant("Content-Range is what was asked for", "download",
           "if response.span != ((first, last, self._offer.size) if status == 206 else None):", "if False:",
           ("body",)),
    Mutant("compressed and chunked bodies are refused", "download",
           "if status not in (200, 206) or not response.plain:", "if status not in (200, 206):", ("body",)),
    Mutant("no redirect leads from https to http", "http",
           'if scheme == "https" and target != "https":', "if False:", ("redirect",)),
    Mutant("redirects are counted", "download",
           "for _ in range(_REDIRECTS + 1):", "for _ in range(100):", ("redirect",)),
    Mutant("https goes before http", "messages",
           'for scheme in ("http", "https"):', 'for scheme in ("https", "http"):', ("downgrade",)),
    Mutant("the server's certificate is verified", "net",
           "context.verify_mode = tls.CERT_REQUIRED", "context.verify_mode = 0", ("certificate",)),
    Mutant("the server's name is in its certificate", "net",
           "server_hostname=host", "server_hostname=None", ("certificate",)),
    Mutant("the file server does not see our certificate", "installer",
           "net.client_context(config.read_file(self._config.file_ca))",
           "net.client_context(*[config.read_file(self._config.file_ca)] * 3)", ("redirect",)),
    Mutant("an offer is whole", "jsontext",
           "if not _is_whole(text):", "if False:", ("message",)),
    Mutant("huge payloads are drained", "umqttsocket",
           "if count > self._max_read:", "if False:", ("message",)),
    Mutant("foreign topics are ignored", "link",
           "if topic == self._topic(name):", 'if topic.endswith(b"/" + name.encode()):', ("packet",)),
)  # fmt: skip


def run(traces: dict[str, Trace], grounds: dict[str, Ground], kits: Path, jobs: int) -> int:
    """1 if a mutant went unnoticed."""
    console = Console(highlight=False)
    unnoticed = 0
    for mutant in MUTANTS:
        case = first_failure(mutant, traces, grounds, kits, jobs)
        unnoticed += case is None
        verdict = f"noticed: {case}" if case else "[red]NOT NOTICED[/]"
        console.print(f"without “{mutant.safeguard}”: {verdict}", soft_wrap=True)
    console.print(f"{len(MUTANTS)} safeguards switched off, {len(MUTANTS) - unnoticed} noticed")
    return int(bool(unnoticed))


def first_failure(
    mutant: Mutant, traces: dict[str, Trace], grounds: dict[str, Ground], kits: Path, jobs: int
) -> str | None:
    """What a failing case or test says; None if all survive."""
    with tempfile.TemporaryDirectory(prefix="ota-mutant-") as folder:
        root = Path(folder)
        _copy("device", root)
        _mutate(root / "device" / f"{mutant.module}.py", mutant)
        if "::" in mutant.noticed_by[0]:
            return _failing_test(mutant.noticed_by[0], root)
        return _failing_case(mutant.noticed_by, traces, grounds, kits, jobs, root)


def _failing_case(names, traces, grounds, kits, jobs, root) -> str | None:
    faults = [
        request for name in names if name in classes.CLASSES for trace in traces.values()
        for request in classes.requests(name, trace, False)
    ]  # fmt: skip
    attacks = [
        request for name in names if name in table.ATTACKS for request in table.requests(name, grounds)
    ]
    heap = pool.HEAP["attacks" if attacks else "small"]
    try:
        for result in pool.play_all(faults + attacks, kits, jobs, device=root, heap=heap):
            if result["outcome"] != "ok":
                return f"{result['id']} {result['outcome']}"
    except ToolError:
        return "the undisturbed update fails"
    return None


def _failing_test(node: str, root: Path) -> str | None:
    """node: FILE::NAME, played on CPython. Raises ToolError if there is no such test."""
    for name in ("host_tests", "tools", "pyproject.toml"):
        _copy(name, root)
    environment = os.environ | {"UMQTT_SIMPLE": str(runtimes.umqtt())}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node], cwd=root, env=environment,
        capture_output=True, text=True, timeout=PYTEST_LIMIT_S,
    )  # fmt: skip
    if result.returncode not in (0, 1):
        raise ToolError(f"{node} does not run: {result.stdout[-500:]}")
    return node if result.returncode else None


def _copy(name: str, root: Path) -> None:
    source = cache.REPO / name
    if source.is_dir():
        shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, root)


def _mutate(path: Path, mutant: Mutant) -> None:
    source = path.read_text()
    if source.count(mutant.before) != 1:
        raise ToolError(f"mutant {mutant.safeguard!r} no longer fits {path.name}: correct mutants.py")
    path.write_text(source.replace(mutant.before, mutant.after))
