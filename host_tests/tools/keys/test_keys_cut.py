"""`keys` is killed, or the disk fails, at each of its file operations: what is there is all old or all new,
and the next run goes on. Not played: what a power cut takes of that which was written, but not synced."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import oldkeys
import pytest

from tools.__main__ import main
from tools.errors import ToolError
from tools.keys import keychange, keyfiles, pki, revocation
from tools.server.settings import check_keys

MACS = ["AABBCCDDEEFF", "112233445566"]
NEW = "0123456789AB"
DIED, FAILED, DONE = 9, 1, 0
PARTS = 24
SAMPLE = 84  # of 336, one in so many plays in `test`
OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod",
              "os.fsync")  # fmt: skip
COMMANDS = {
    "first": ["--device", *MACS],
    "device": ["--device", NEW],
    "next": ["--next-key", "--next-ca"],
    "rotate": ["--rotate-key", "--rotate-ca"],
    "split": ["--rotate-ca"],
    "revoke": ["--revoke", MACS[0]],
    "name": ["--server-name", "new.example"],
}


def _kill(_: int) -> None:
    os._exit(DIED)


def _fail(number: int) -> None:
    """A full disk, a broken one, in turn."""
    code = (errno.ENOSPC, errno.EIO)[number % 2]
    raise OSError(code, os.strerror(code))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What each command begins with; "first" begins with nothing."""
    place = tmp_path_factory.mktemp("cut")
    usual, following, old = (place / name for name in ("usual", "following", "old"))
    pki.make_all(usual, MACS)
    shutil.copytree(usual, following)
    pki.make_all(following, [], next_key=True, next_ca=True)
    oldkeys.make(old, MACS)
    starts = dict.fromkeys(COMMANDS, usual) | {"rotate": following, "split": old, "first": place / "nothing"}
    return starts


def _in_a_child(folder: Path, words: list[str], at: int, strike: Callable[[int], None]) -> int:
    """Run `keys` with a fault at file operation number `at` in the folder. Returns its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        if event in OPERATIONS and str(arguments[0]).startswith(str(folder)):
            count += 1
            if count == at:
                strike(count)

    sync = os.fsync

    def hooked_sync(number: int) -> None:
        """Python has no audit event of it."""
        hook("os.fsync", (folder,))
        sync(number)

    try:
        sys.addaudithook(hook)
        os.fsync = hooked_sync
        os._exit(main(["keys", str(folder), *words]))
    except BaseException:
        os._exit(77)


def _state(folder: Path) -> dict[str, bytes]:
    """All files that a user or a program looks at."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes() for name, path in found.items()
        if not name.startswith((keychange.DRAFT, keychange.READY))
    }  # fmt: skip


def _check_whole(folder: Path) -> None:
    """Every file fits to every other one; nothing is left over; all is for its owner only."""
    before = _state(folder)
    pki.make_all(folder, [name for name in os.listdir(folder / "devices") if _has_certificate(folder, name)])
    assert _state(folder) == before
    assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert not (folder / keychange.DRAFT).exists() and not (folder / keychange.READY).exists()
    for stem in ("broker", "files", "ota-server"):
        keyfiles.read_pair(folder / "server", stem)
    revocation.revoked_devices(folder / "server")


def _has_certificate(folder: Path, mac: str) -> bool:
    return (folder / "devices" / mac / "client.crt.der").exists()


@pytest.mark.sample(SAMPLE)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("strike", [_kill, _fail])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_cut_anywhere(
    command: str, strike: Callable[[int], None], part: int, folders: dict[str, Path], tmp_path: Path, capfd
) -> None:
    at, code = part + 1, None
    while code != DONE:
        folder = tmp_path / str(at)
        if folders[command].exists():
            shutil.copytree(folders[command], folder)
        before = _state(folder)
        code = _in_a_child(folder, COMMANDS[command], at, strike)
        assert code in (DIED, FAILED, DONE)
        said = capfd.readouterr().err
        assert "Traceback" not in said and (code != FAILED or len(said.strip().splitlines()) == 1), said
        _check_recovery(folder, command, before, code)
        shutil.rmtree(folder)
        at += PARTS


def _check_recovery(folder: Path, command: str, before: dict[str, bytes], code: int) -> None:
    """The run after the cut is the same command where nothing had happened; then all of it has."""
    with keychange.changing(folder):
        pass  # the next command ends what was begun
    kept = {name: content for name, content in _state(folder).items() if name in before}
    if _state(folder) == before:
        assert code != DONE
        pki_code = main(["keys", str(folder), *COMMANDS[command]])
        assert pki_code == DONE
    elif command in ("device", "next", "name"):
        assert kept.keys() == before.keys(), "nothing that was there is lost"
    _check_whole(folder)


def test_a_list_that_is_half_written_is_never_read(tmp_path: Path) -> None:
    """A draft counts for nothing, whatever is in it; what is ready takes its place however often it is
    tried."""
    keys = tmp_path / "keys"
    pki.make_all(keys, MACS)
    before = _state(keys)
    (keys / keychange.DRAFT).mkdir()
    (keys / keychange.DRAFT / keychange.LIST).write_text('[["sign.key.pem", fal')
    (keys / keychange.DRAFT / "0").write_text("half a key")
    pki.make_all(keys, MACS)
    assert _state(keys) == before and not (keys / keychange.DRAFT / "0").exists()


def test_a_server_does_not_start_with_half_a_change(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pki.make_all(keys, MACS)
    (keys / keychange.READY).mkdir()
    (keys / keychange.READY / keychange.LIST).write_text('[["server/broker.key.pem", false]]')
    (keys / keychange.READY / "0").write_bytes((keys / "server" / "broker.key.pem").read_bytes())
    with pytest.raises(ToolError, match=f"tools keys {keys}` ends it"):
        check_keys(keys / "server")
    assert main(["keys", str(keys)]) == 0
    check_keys(keys / "server")


def test_two_at_once_wait_for_each_other(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    children = []
    for mac in (*MACS, NEW):
        child = os.fork()
        if not child:
            try:
                os._exit(main(["keys", str(keys), "--device", mac]))
            except BaseException:
                os._exit(77)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert len(list(keys.glob("server/devices/*.crt.der"))) == 3
    _check_whole(keys)


def test_files_that_others_could_read_are_for_their_owner_afterwards(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pki.make_all(keys, MACS)
    loose = [
        keys / "server" / "broker.crt.pem",
        keys / "server" / "broker.key.pem",
        keys / "broker-trust.crt.pem",
    ]
    for path in loose:
        path.write_bytes(b"old")
        path.chmod(0o666)
    pki.make_all(keys, MACS)
    assert all(path.stat().st_mode & 0o777 == 0o600 and path.read_bytes() != b"old" for path in loose)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for words in (["--rotate-key"], ["--rotate-ca"], ["--revoke", MACS[0]]):
        assert main(["keys", str(tmp_path / "typo"), *words]) == 1
        assert not (tmp_path / "typo").exists()
    with pytest.raises(ToolError, match="not a MAC"):
        pki.make_all(tmp_path / "typo", [], revoke=["x"])
