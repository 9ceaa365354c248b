"""The user that mosquitto becomes where its parent is root: it can read and write its own folder, no more."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

NAMES = ("mosquitto", "nobody")
ROOT = "root"
_NEEDED = (0, 1, 6, 7)  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID


def user() -> pwd.struct_passwd | None:
    """None where there is nothing to give up, or (in some containers) nobody else to become."""
    if os.geteuid() != 0 or not (_has_capabilities() and _may_become_others()):
        return None
    for name in NAMES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _has_capabilities() -> bool:
    """To give files away, to reach them afterwards, to become another user. True where there is no /proc."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return True
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return all(effective >> number & 1 for number in _NEEDED)


def _may_become_others() -> bool:
    """Whether user 0 is not the only one of this user namespace. True where there are none, as on macOS."""
    try:
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except OSError:
        return True
    return sum(int(size) for _, _, size in ranges) > 1


def give(folder: Path, to: pwd.struct_passwd) -> None:
    """The folder and all in it; nobody else may look into it."""
    for place, _, names in os.walk(folder):
        os.chown(place, to.pw_uid, to.pw_gid)
        for name in names:
            os.chown(Path(place, name), to.pw_uid, to.pw_gid, follow_symlinks=False)
    folder.chmod(0o700)


def copy(files: list[Path], folder: Path) -> None:
    """Anew, so that a rotated certificate is taken up. Readable by their owner only."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in files:
        target = folder / path.name
        draft = target.with_suffix(".new")
        draft.unlink(missing_ok=True)
        shutil.copyfile(path, draft)
        draft.chmod(0o600)
        os.replace(draft, target)
