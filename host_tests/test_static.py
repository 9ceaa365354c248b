"""Rules that the sources keep: who imports whom, sizes, syntax, no paths of some machine."""

from __future__ import annotations

import ast
import getpass
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.image import firmware, romfs

REPO = Path(__file__).resolve().parent.parent
DEVICE = sorted(firmware.package_modules().values())
SHIPPED = [REPO / "boot.py", REPO / "main.py", *DEVICE]
TESTS = sorted((REPO / "host_tests").rglob("*.py"))
TOOLS = sorted((REPO / "tools").rglob("*.py"))
ON_A_BOARD = {"onboard", "micropython", "cpython", "simulation", "modules"}  # folders of what runs elsewhere
HOST_TOOLS = [path for path in TOOLS if not ON_A_BOARD & set(path.parts) and path.name != "__init__.py"]

# Each module may import from the layers below its own, and from none else.
LAYERS = (
    ("rollback",),
    ("start", "online", "expiry", "state"),
    ("agent", "connection", "failure", "offer_signature", "response", "trial", "wm"),
    ("guard", "link"),
    ("config", "download", "keys", "net", "ntp", "offer", "offers", "report", "tries", "update", "verify"),
    ("config_table", "slot"),
    ("phases", "record"),
    ("board", "clock", "ecdsa", "files", "keytable", "strict"),
    ("errors", "log", "p256_comb", "texts_en", "texts_zh"),
)  # fmt: skip
# Rooms of tools/, each of which may need those before it.
ROOMS = ("errors", "cli", "programs", "keys", "image", "server", "simboard", "testbed", "realboard", "bench",
         "torture", "commands", "__main__")  # fmt: skip
RESIDENT = {"agent", "clock", "config", "errors", "files", "link", "log", "net", "phases", "report"}
# What only these may import from outside; everything else that is not listed is free to all.
DOORS = {
    "socket": {"connection"}, "tls": {"connection"}, "select": {"net"}, "ssl": set(), "umqtt": {"online"},
    "network": {"board"}, "machine": {"board", "guard"}, "esp32": {"board"}, "ntptime": {"board"},
    "requests": set(), "asyncio": {"agent"}, "os": {"clock", "files", "record", "start"}, "vfs": set(),
    "time": {"agent", "clock", "connection", "download", "expiry", "failure", "link", "log", "net", "ntp",
             "offers", "online", "response"},
}  # fmt: skip
PURE = {
    "config_table", "ecdsa", "errors", "keytable", "offer", "offer_signature", "p256_comb", "slot", "strict",
    "texts_en", "texts_zh", "verify", "wm",
}  # fmt: skip
HARMLESS = {"binascii", "collections", "gc", "hashlib", "io", "json", "micropython", "struct", "errno", "sys"}

LONGEST_FUNCTION = 50
LONGEST_MODULE = 250
LONGEST_TEST_FILE = 300
DEEPEST_IMPORT = 6


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _imports(path: Path) -> Iterator[tuple[bool, str]]:
    """(from this package?, top name of the module) of every import, also inside functions."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module == "device", str(node.module).split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield True, node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            yield from ((True, alias.name) for alias in node.names)


def _layer(name: str) -> int:
    for number, layer in enumerate(LAYERS):
        if name in layer:
            return number
    raise AssertionError(f"device/{name}.py stands in no layer: add it to LAYERS")


def test_every_module_has_one_layer() -> None:
    names = [name for layer in LAYERS for name in layer]
    assert sorted(names) == sorted(path.stem for path in DEVICE if path.stem != "__init__")


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.stem)
def test_imports_point_down(path: Path) -> None:
    own = [name for inside, name in _imports(path) if inside]
    up = [name for name in own if _layer(name) <= _layer(path.stem)]
    assert not up, f"{path.stem} imports {up}, which do not stand below it"


def _loaded_with(name: str) -> set[str]:
    """A module and all that it imports, and what those import."""
    found, waiting = set(), {name}
    while waiting:
        found |= waiting
        paths = [REPO / "device" / f"{each}.py" for each in waiting]
        waiting = {name for path in paths for inside, name in _imports(path) if inside} - found
    return found


def test_phases_tells_what_comes_in_with_what() -> None:
    """The list in its docstring."""
    expected = []
    for path in DEVICE:
        nodes = list(ast.walk(_tree(path)))
        calls = [node for node in nodes if isinstance(node, ast.Call) and _is_phase(node)]
        called = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
        with_it = "".join(f" + {name}" for name in sorted(_own(path) - RESIDENT))
        if with_it or called:
            expected.append(f"  {path.stem}{with_it}{': ' if called else ''}{', '.join(sorted(called))}")
    told = ast.get_docstring(_tree(REPO / "device" / "phases.py"), clean=False) or ""
    assert [line for line in told.splitlines() if line.startswith("  ")] == expected


def _is_phase(call: ast.Call) -> bool:
    return ast.unparse(call.func) in ("phases.call", "phases.steps")


def _own(path: Path) -> set[str]:
    return {name for inside, name in _imports(path) if inside}


def _room(path: Path) -> str:
    return path.relative_to(REPO / "tools").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", HOST_TOOLS, ids=lambda path: str(path.relative_to(REPO)))
def test_rooms_of_tools_need_only_what_stands_below_them(path: Path) -> None:
    below = ROOMS[: ROOMS.index(_room(path)) + 1]
    needed = {name.split(".")[1] for name in _tools_imported(path)}
    assert needed <= set(below), f"{_room(path)} stands below {needed - set(below)}"


def _tools_imported(path: Path) -> set[str]:
    """Modules of tools/ that it imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("tools.")}


def test_every_room_of_tools_is_in_the_list() -> None:
    assert {_room(path) for path in TOOLS} - {"__init__"} == set(ROOMS)


def test_what_stays_in_memory_is_what_the_agent_imports() -> None:
    assert _loaded_with("agent") == RESIDENT


def _phase_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("phases.call", "phases.steps"):
            yield node


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.stem)
def test_what_a_phase_is_asked_for_is_there(path: Path) -> None:
    """Module and function go by their names, which no compiler looks at. The texts of a language are left
    out: which one it is stands in the configuration."""
    for call in _phase_calls(path):
        module, function, *arguments = call.args
        if not isinstance(module, ast.Constant):
            continue
        (found,) = [
            node for node in _tree(REPO / "device" / f"{module.value}.py").body
            if isinstance(node, ast.FunctionDef) and node.name == ast.literal_eval(function)
        ]  # fmt: skip
        allowed, optional = len(found.args.args), len(found.args.defaults)
        is_starred = any(isinstance(argument, ast.Starred) for argument in arguments)
        assert is_starred or allowed - optional <= len(arguments) <= allowed, ast.unparse(call)
        is_generator = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(found))
        assert is_generator == ast.unparse(call.func).endswith("steps"), ast.unparse(call)


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.stem)
def test_imports_nest_no_deeper_than_they_did(path: Path) -> None:
    """Each level takes some of the C stack, of which an ESP32's main task has 16 KB."""
    loaded = set() if path.stem == "agent" else set(RESIDENT)

    def depth(path: Path) -> int:
        loaded.add(path.stem)
        below = [0]
        for inside, name in _imports(path):
            if inside and name not in loaded:
                below.append(depth(path.with_name(f"{name}.py")))
        return 1 + max(below)

    assert depth(path) <= DEEPEST_IMPORT


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.stem)
def test_hardware_and_network_enter_through_one_door(path: Path) -> None:
    outside = {name for inside, name in _imports(path) if not inside}
    wrong = {name for name in outside if path.stem not in DOORS.get(name, {path.stem})}
    assert not wrong, f"{path.stem} imports {wrong}"
    unknown = outside - set(DOORS) - HARMLESS
    assert not unknown, f"{unknown}: add to DOORS or HARMLESS"
    if path.stem in PURE:
        assert outside <= HARMLESS, f"{path.stem} is pure, but imports {outside - HARMLESS}"


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.stem)
def test_files_are_opened_in_one_place(path: Path) -> None:
    calls = [node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)]
    opens = any(isinstance(call, ast.Name) and call.id == "open" for call in calls)
    assert opens == (path.stem == "files")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_no_assert_on_the_board(path: Path) -> None:
    """`-O1` removes them, so a check that matters raises."""
    lines = [node.lineno for node in ast.walk(_tree(path)) if isinstance(node, ast.Assert)]
    assert not lines


@pytest.mark.parametrize("path", [*SHIPPED, *TOOLS], ids=lambda path: str(path.relative_to(REPO)))
def test_functions_and_modules_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


def test_files_of_tests_stay_short() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS}
    assert [str(path) for path, count in lines.items() if count > LONGEST_TEST_FILE] == []


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.stem)
def test_every_module_says_in_one_line_what_it_is(path: Path) -> None:
    text = ast.get_docstring(_tree(path))
    assert text and len(text.splitlines()[0]) > 10


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_micropythons_compiler_takes_it(path: Path) -> None:
    code = romfs.compile_module(path, path.name)
    assert code[:1] == b"M", "no .mpy file"


def _committed() -> list[Path]:
    command = ["git", "-C", str(REPO), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [REPO / name for name in names.split("\0") if name and (REPO / name).is_file()]


def _private_names() -> list[str]:
    """What would betray the machine it was written on."""
    homes = {str(Path.home()), str(REPO), str(REPO.parent)} - {"/", "/root", "/work"}
    patterns = [re.escape(path) + r"\b" for path in homes]
    patterns += [r"/home/(?!runner\b)[a-z]\w*/", r"/Users/[A-Za-z]\w*/", r"/root/\.", r"C:\\Users\\"]
    user = getpass.getuser()
    return patterns + ([rf"\b{re.escape(user)}@"] if user != "root" else [])


def test_no_file_names_this_machine() -> None:
    search = re.compile("|".join(_private_names()))
    found = []
    for path in _committed():
        raw = path.read_bytes()
        if b"\0" in raw or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(raw.decode("utf-8").splitlines(), 1):
            if search.search(line):
                found.append(f"{path.relative_to(REPO)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)
