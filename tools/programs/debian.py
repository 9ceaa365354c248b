"""Debian packages without root: apt in folders of its own fetches, checks and unpacks them."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.cli.console import last_words
from tools.errors import ToolError
from tools.programs import cache

SUITES = ("trixie", "forky")  # the next one only when a mirror's copy of the first is broken
APT_LIMIT_S = 300
MAIN, SECURITY = "Debian Debian", "Debian Debian-Security"  # origin and label of a mirror
LOADERS = {
    "amd64": "ld-linux-x86-64.so.2",
    "arm64": "ld-linux-aarch64.so.1",
    "armhf": "ld-linux-armhf.so.3",
    "i386": "ld-linux.so.2",
}
KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
# Needed by maintainer scripts only, which are never run here; installed as far as apt knows.
PRETENDED = ("adduser", "debconf", "init-system-helpers")

CONFIG = """\
Dir::State "{root}/state";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Debug::NoLocking "1";
"""
OWN_SOURCES = """\
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
"""


def program(package: str, arch: str, path: str, suites: tuple[str, ...] = SUITES) -> list[str]:
    """The argv that starts /<path> of a package through the package's own loader."""
    root = unpacked(package, arch, suites)
    loader = find(root, LOADERS[arch])
    return [str(loader), "--library-path", str(loader.resolve().parent), str(root / path)]


def unpacked(
    package: str, arch: str, suites: tuple[str, ...] = SUITES, megabytes: int = cache.ROOM_MB
) -> Path:
    """The folder that holds the package and what it depends on. megabytes: it takes while it is fetched."""
    return from_a_suite(f"{arch}-{package}", functools.partial(fetch, package, arch), suites, megabytes)


def sources(package: str) -> Path:
    """The folder that holds upstream's sources of the package, as Debian carries them."""
    return from_a_suite(f"source-{package}", functools.partial(fetch_sources, package))


def from_a_suite(
    name: str, fill: Callable[[str, Path], None], suites: tuple[str, ...] = SUITES,
    megabytes: int = cache.ROOM_MB,
) -> Path:  # fmt: skip
    """A folder that is there already, else from the first suite with which fill(suite, target) succeeds."""
    ready = [suite for suite in suites if (cache.CACHE / f"{suite}-{name}").is_dir()]
    failure = None
    if not ready:
        require_apt()
        cache.prepare()
        cache.require_room(megabytes, name)
    for suite in ready or suites:
        try:
            return cache.folder(f"{suite}-{name}", functools.partial(fill, suite), megabytes)
        except ToolError as error:
            print(f"not from {suite}: {error}", file=sys.stderr, flush=True)
            failure = failure or error
    raise failure or ToolError(f"no suite holds {name}")


def find(root: Path, file_name: str) -> Path:
    """The loader below usr/lib/<triplet>, where the libraries are too."""
    for path in sorted(root.glob(f"usr/lib/*/{file_name}")):
        return path
    raise ToolError(f"{root} holds no {file_name}: delete that folder and run again")


def fetch(package: str, arch: str, suite: str, target: Path) -> None:
    print(f"fetching {package} ({arch}, {suite}) …", file=sys.stderr, flush=True)
    with own_apt("deb", arch, suite) as root:
        apt(root, "apt-get", "install", "--download-only", "--yes", package)
        unpack(root / "cache" / "archives", target)


def fetch_sources(package: str, suite: str, target: Path) -> None:
    print(f"fetching the sources of {package} ({suite}) …", file=sys.stderr, flush=True)
    with own_apt("deb-src", "amd64", suite) as root:
        apt(root, "apt-get", "source", "--download-only", package)
        (archive,) = (path for path in root.glob("*.orig.tar.*") if path.suffix != ".asc")
        unpack_sources(archive, target)


@contextlib.contextmanager
def own_apt(kind: str, arch: str, suite: str) -> Iterator[Path]:
    """A folder in which apt has one suite of the machine's mirror. kind: "deb" or "deb-src"."""
    with tempfile.TemporaryDirectory(prefix="apt-", dir=cache.CACHE) as folder:
        root = Path(folder)
        mirror = find_mirror(root)
        set_up(root, arch, OWN_SOURCES.format(root=root))
        _update(root, f"{kind} {signed_by()}", mirror, suite)
        yield root


def _update(root: Path, source: str, mirror: str, suite: str) -> None:
    """With the suite's security updates where a mirror of them is known and has them."""
    sources = [f"{source}{mirror} {suite} main\n"]
    security = mirror_of(["apt-get"], dict(os.environ), SECURITY)
    attempts = [sources + [f"{source}{security} {suite}-security main\n"]] if security else []
    for lines in [*attempts, sources]:
        (root / "sources.list").write_text("".join(lines))
        try:
            apt(root, "apt-get", "update", "--error-on=any")
            return
        except ToolError as error:
            if lines is sources:
                raise
            print(f"without security updates of {suite}: {error}", file=sys.stderr, flush=True)


def require_apt() -> None:
    missing = [tool for tool in ("apt-get", "apt-config", "dpkg-deb") if not shutil.which(tool)]
    if missing:
        raise ToolError(f"no {missing[0]} here to fetch Debian's package")


def set_up(root: Path, arch: str, sources: str) -> None:
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "status").write_text("".join(map(pretended, PRETENDED)))
    config = machine_settings() + CONFIG.format(root=root, arch=arch) + sources
    (root / "apt.conf").write_text(config)


def pretended(package: str) -> str:
    lines = (f"Package: {package}", "Status: install ok installed", "Version: 999:0")
    return "\n".join((*lines, "Architecture: all", "Multi-Arch: foreign", "", ""))


def machine_settings() -> str:
    """How this machine reaches its mirror (proxies, date checks), without its hooks."""
    dump = run(["apt-config", "dump"], dict(os.environ))
    lines = [line for line in dump.splitlines() if line.startswith("Acquire::")]
    return "".join(f"{line}\n" for line in lines if "::IndexTargets" not in line)


def find_mirror(root: Path) -> str:
    """The machine's Debian mirror, also where no list was ever fetched (a bare container)."""
    found = mirror_of(["apt-get"], dict(os.environ))
    if not found:
        native = run(["dpkg", "--print-architecture"], dict(os.environ)).strip()
        set_up(root, native, "")
        apt(root, "apt-get", "update")
        found = mirror_of(["apt-get"], environment(root))
    if not found:
        raise ToolError("apt has no mirror of Debian here")
    return found


def mirror_of(command: list[str], env: dict[str, str], of: str = MAIN) -> str | None:
    wanted = "$(REPO_URI) $(ORIGIN) $(LABEL)"
    lines = run([*command, "indextargets", "--format", wanted, "Created-By: Packages"], env)
    for line in lines.splitlines():
        uri, _, rest = line.partition(" ")
        if rest == of:
            return uri
    return None


def signed_by() -> str:
    """Debian's keyring by path; without it apt looks through the keys it trusts itself."""
    for name in KEYRINGS:
        path = Path("/usr/share/keyrings") / name
        if path.exists():
            return f"[signed-by={path}] "
    return ""


def apt(root: Path, *command: str) -> str:
    return run(list(command), environment(root), root)


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C"}


def run(command: list[str], env: dict[str, str], folder: Path | None = None) -> str:
    try:
        result = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=APT_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ToolError(f"{command[0]} took over {APT_LIMIT_S} s: check the network") from None
    if result.returncode:
        raise ToolError(explain(command, result.stdout + result.stderr))
    return result.stdout


def explain(command: list[str], output: str) -> str:
    """apt's own first error line; a mirror between two states deserves its own words."""
    if "Mirror sync in progress" in output or "Hash Sum mismatch" in output:
        return "apt refuses the mirror's list: it differs from the signed one, try again later"
    errors = [line for line in output.splitlines() if line.startswith("E:")]
    return f"{' '.join(command[:2])}: {(errors or [last_words(output)])[0]}"


def unpack(archives: Path, target: Path) -> None:
    packages = sorted(archives.glob("*.deb"))
    if not packages:
        raise ToolError("apt fetched nothing")
    for package in packages:
        run(["dpkg-deb", "-x", str(package), str(target)], dict(os.environ))


def unpack_sources(archive: Path, target: Path) -> None:
    """Without the folder in which upstream has packed everything."""
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, member.name = member.name.partition("/")
            if member.name:
                tar.extract(member, target, filter="data")
