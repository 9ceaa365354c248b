"""tools/keys/README.md: its commands, one after the other, in a copy of this project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from e2e.test_walkthrough import Terminal, clone  # noqa: F401

from tools.keys import keyfiles
from tools.programs import cache

PAGE = (cache.REPO / "tools" / "keys" / "README.md").read_text()
BLOCKS = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)


def test_word_for_word(clone: Path) -> None:  # noqa: F811
    """The folder is lost between the backup and its return."""
    backup = BLOCKS[0].replace("tar -x", "rm -r keys\ntar -x")
    text = "\n".join(["python3 -m tools keys keys --device 286DCE32AF70", backup, *BLOCKS[1:]])
    code, shown = Terminal(clone, text).end()
    assert code == 0, shown
    made = [line for line in shown.splitlines() if line.startswith("made")]
    assert sum(line.endswith("/sign.key.pem") for line in made) == 1 and "Traceback" not in shown
    keys = clone / "keys"
    assert keyfiles.read_public(keys / "sign-next.pub.der") == keyfiles.read_public(
        clone / "safe" / "sign-next.key.pem"
    )
    assert not (keys / "sign-next.key.pem").exists()
    offer = subprocess.run(
        ["grep", "-c", "sig-sha256-ecdsa", str(clone / "lamp.json")], check=False, timeout=60
    )
    assert offer.returncode == 0


def test_what_it_names_is_there() -> None:
    named = set(re.findall(r"host_tests/[\w/]+\.py", PAGE))
    assert named and [name for name in named if not (cache.REPO / name).is_file()] == []
