"""What the bench's board runs, compiled once: the device code, the shims, and both as ROMFS."""

from __future__ import annotations

import functools
from pathlib import Path

from tools.bench import sizes
from tools.image import romfs
from tools.programs import runtimes
from tools.programs.frozen import build as frozen

ONBOARD = Path(__file__).resolve().parent / "onboard"
FILES, IN_PLACE, FROZEN = "files", "in place", "frozen"  # where the device code lies
ENDINGS = {FILES: "", IN_PLACE: "_in_place"} | ({FROZEN: "_frozen"} if frozen.IS_POSSIBLE else {})  # of lines


class BoardCode:
    """folder: where ROMFS files and the .mpy files of the device go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.device = {f"device/{name}.mpy": code for name, code in sizes.device_code().items()}
        self.boot = folder / "boot"
        self.boot.mkdir(parents=True)
        (self.boot / "boot.mpy").write_bytes(_compile(ONBOARD / "boot.py"))

    @functools.cache  # noqa: B019 - it lives as long as the bench
    def rom(self, place: str, probed: bool = False) -> Path:
        """A ROMFS of the shims and umqtt, which a board has in its firmware; IN_PLACE, of the device too."""
        files = _folder(ONBOARD) | (_folder(ONBOARD / "probes") if probed else {})
        files["umqtt/simple.mpy"] = _compile(runtimes.umqtt() / "umqtt" / "simple.py")
        if place == IN_PLACE:
            files |= self.device
        path = self.folder / f"{place.replace(' ', '-')}{'-probed' if probed else ''}.romfs"
        path.write_bytes(romfs.pack(files))
        return path

    def lay_out(self, folder: Path, place: str) -> None:
        """Put into a board's file system what lies there."""
        if place == FILES:
            (folder / "device").mkdir(parents=True, exist_ok=True)
            for name, code in self.device.items():
                (folder / name).write_bytes(code)

    def command(
        self, heap: int, place: str, module: str, *arguments: object, probed: bool = False
    ) -> list[str]:
        """The argv that runs a module of the ROMFS, or of the frozen ones. heap: bytes."""
        if place == FROZEN:
            return [*built(place), "-X", f"heapsize={heap}", "-m", module, *map(str, arguments)]
        rom = self.rom(place, probed)
        boot = ["-m", "boot", str(rom), str(rom.stat().st_size), module]
        return [*runtimes.interpreter("mp32"), "-X", f"heapsize={heap}", *boot, *map(str, arguments)]

    @property
    def environment(self) -> dict[str, str]:
        return {"MICROPYPATH": f"{self.boot}:.frozen"}


def built(place: str) -> list[str]:
    """The argv prefix of the interpreter that has the shims frozen, and for FROZEN the device code."""
    return frozen.interpreter(*sorted(ONBOARD.glob("*.py")), package=place == FROZEN)


def _folder(folder: Path) -> dict[str, bytes]:
    return {f"{path.stem}.mpy": _compile(path) for path in sorted(folder.glob("*.py"))}


def _compile(path: Path) -> bytes:
    return romfs.compile_module(path, path.name, sizes.LEVEL)
