"""The short names of the device package itself: nothing collides, and what others say stays."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import symtable
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_shortnames import words

from tools.image import entrynames, firmware, inlining, shortnames
from tools.image.shortnames import PUBLIC, ShortNames
from tools.realboard import payload

REPO = firmware.REPO
MODULES = sorted(path.stem for path in firmware.package_modules().values())


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """With numbers where they are read: test_inlining.py."""
    paths = firmware.package_modules().values()
    return inlining.inline({path.stem: path.read_text(encoding="utf-8") for path in paths})


def _shape(source: str) -> str:
    """The syntax tree without names, with lines."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for key in ("id", "arg", "attr", "name", "asname"):
            if isinstance(getattr(node, key, None), str):
                setattr(node, key, "x")
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = ["x"] * len(node.names)
        if isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            node.args[1].value = "x"  # of phases.call(), whose own name is "x" by now
    return "\n".join(f"{getattr(node, 'lineno', 0)} {type(node)}" for node in ast.walk(tree)) + ast.dump(tree)


def _used(source: str) -> set[str]:
    """All names, and the words of all texts, but for comments, docstrings and bytes."""
    tree = ast.parse(source)
    texts: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = 0
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts |= words(node.value)
            node.value = ""  # unparsed, a line break in it would be a word
        elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            node.value = b""
    return texts | words(ast.unparse(tree))


def _scopes(table: symtable.SymbolTable) -> list:
    """What kinds of names each scope has, and how many of each: a name that two share would be missing."""
    kinds = Counter(
        (name.is_parameter(), name.is_global(), name.is_free(), name.is_assigned(), name.is_referenced())
        for name in table.get_symbols()
    )
    return [table.get_type(), kinds, [_scopes(child) for child in table.get_children()]]


@pytest.mark.parametrize("module", MODULES)
def test_only_names_change_in_the_package(module: str, sources: dict[str, str]) -> None:
    short = firmware.short_names().shorten(module)
    assert _shape(short) == _shape(sources[module])
    assert _scopes(symtable.symtable(short, module, "exec")) == _scopes(
        symtable.symtable(sources[module], module, "exec")
    )


def test_short_names_of_the_package_collide_with_nothing(sources: dict[str, str]) -> None:
    words = set().union(*map(_used, sources.values()))
    short = firmware.short_names()
    for module in MODULES:
        names = [*short.short[module].values(), *short.functions[module].values()]
        assert len(set(names)) == len(names), module
        assert not set(names) & words, module


def test_the_map_follows_from_the_sources_alone(sources: dict[str, str]) -> None:
    names, again = firmware.short_names(), ShortNames(dict(reversed(sources.items())))
    expected = [names.short, names.functions]
    assert [again.short, again.functions] == expected
    code = "from tools.image import firmware\nn = firmware.short_names()\nprint([n.short, n.functions])"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ast.literal_eval(done.stdout) == expected, done.stderr


def test_deploy_brings_short_names_and_source_none(sources: dict[str, str]) -> None:
    compiled = payload.package(source=False)
    names = firmware.short_names()
    for module in MODULES:
        found = words(compiled[f"{module}.mpy"].decode("ascii", "replace"))
        assert not found & set(names.short[module]), module
    assert sum(map(len, names.short.values())) > 100
    assert payload.package(source=True) == {
        name: path.read_bytes() for name, path in firmware.package_modules().items()
    }


def test_public_names_are_those_that_others_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """What applications, ports, the host's scripts and MicroPython itself say; no more and no less."""
    texts = [REPO / "boot.py", REPO / "main.py", *REPO.glob("device/ports/**/*.py")]
    texts += [path for folder in ("", "device/**/", "tools/**/") for path in REPO.glob(f"{folder}*.md")]
    texts += [*REPO.glob("tools/[br]*/onboard/*.py"), REPO / "host_tests/e2e/test_kept_over_reboots.py"]
    for package in ("micropython-esp32-stubs", "micropython-stdlib-stubs"):
        files = importlib.metadata.files(package) or []
        texts += [Path(str(file.locate())) for file in files if file.suffix == ".pyi"]
    assert len(texts) > 150
    said = set().union(*(words(path.read_text(encoding="utf-8")) for path in texts))
    monkeypatch.setattr(shortnames, "PUBLIC", set())
    names = ShortNames({path.stem: path.read_text("utf-8") for path in firmware.package_modules().values()})
    two_words = {name for short in names.short.values() for name in short if not name.startswith("_")}
    assert two_words & said == PUBLIC


def test_the_entries_are_what_scripts_call_on_a_board() -> None:
    found: set[tuple[str, str]] = set()
    for path in (*REPO.glob("tools/realboard/onboard/*.py"), *REPO.glob("tools/bench/onboard/*.py")):
        text = path.read_text(encoding="utf-8").replace("from device import", "from . import")
        uses = entrynames.Uses(ast.parse(text))
        found |= {(module, name) for _, module, name in uses.others + uses.texts}
    found = {(module, name) for module, name in found if module not in entrynames.OPEN}
    listed = {(module, name) for module, names in entrynames.ENTRIES.items() for name in names.split()}
    shell = {("state", "clear_refused")}  # PROTOCOL.md
    assert found == listed - shell
