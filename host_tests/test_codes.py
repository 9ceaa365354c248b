"""The error codes: their numbers on the wire, and which test proves which (run as a program it prints that
table as Markdown).

A portable test file names them in `PROVES = {errors.TIMEOUT: "test_name"}`, any other test by the
marker `@pytest.mark.code(errors.TIMEOUT)`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPO = HERE.parent

# Servers and other images know these numbers; all other code has them from device/errors.py, by name.
ON_THE_WIRE = {
    "NO_MEM": -2, "INVALID_PARAM": -3,
    "NO_INIT": -10001, "HEADER_INVALID": -10002, "SAME_VERSION": -10003, "CRC_ERROR": -10004,
    "FW_OVERFLOW": -10005, "TIMEOUT": -10006, "NO_GOT_IP": -10007, "CONNECTION_FAILED": -10008,
    "ALREADY_RUNNING": -10009, "SHA256_ECDSA": -10010,
    "FLASH": -10032, "DOWNGRADE": -10033, "SIZE_MISMATCH": -10034, "BAD_MESSAGE": -10035,
    "ROLLED_BACK": -10036, "WRONG_BOARD": -10037, "NO_SLOT": -10038, "HTTP_STATUS": -10039,
    "TLS_REFUSED": -10040, "REFUSED_IMAGE": -10041, "NO_CLOCK": -10042, "OFFER_SIGNATURE": -10043,
    "VERSION_UNKNOWN": -10044,
}  # fmt: skip
# -2 and -3 are also numbers like others: no search can tell them apart.
UNMISTAKABLE = {code for code in ON_THE_WIRE.values() if code < -10000}


def codes() -> dict[str, int]:
    """{name: code} of device/errors.py."""
    found = {}
    for node in _tree(REPO / "device/errors.py").body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            assert isinstance(target, ast.Name)
            found[target.id] = ast.literal_eval(node.value)
    return found


def checks() -> list[tuple[str, str, str]]:
    """(name of the code, file, test) of every test that says it proves one."""
    found = []
    for path in sorted(HERE.rglob("test_*.py")):
        tree, file = _tree(path), path.relative_to(HERE).as_posix()
        found += [(name, file, test) for name, test in (*_declared(tree), *_marked(tree))]
    return found


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _declared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The pairs of PROVES."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PROVES":
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                yield _name(key), ast.literal_eval(value)


def _marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for function in _tests(tree):
        for decorator in function.decorator_list:
            for call in ast.walk(decorator):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.code":
                    for argument in call.args:
                        yield _name(argument), function.name


def _name(node: ast.expr | None) -> str:
    """NAME of errors.NAME."""
    assert isinstance(node, ast.Attribute) and ast.unparse(node.value) == "errors"
    return node.attr


def _bare_codes(tree: ast.Module) -> list[tuple[int, int]]:
    """(line, code) wherever one is written as a number, also within a text; docstrings may name them."""
    prose = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    found = []
    for node in ast.walk(tree):
        is_number = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if is_number or is_text and node not in prose:
            numbers = map(int, re.findall(r"-\d{5}(?!\d)", ast.unparse(node)))
            found += [(node.lineno, number) for number in numbers if number in UNMISTAKABLE]
    return found


def _tests(tree: ast.Module) -> list[ast.FunctionDef]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [function for function in functions if function.name.startswith("test_")]


def table() -> str:
    tests = defaultdict(list)
    for name, file, test in checks():
        tests[name].append(f"`{file}::{test}`")
    lines = ["| code | name | tests |", "| --- | --- | --- |"]
    for name, code in sorted(codes().items(), key=lambda item: -item[1]):
        lines.append(f"| {code} | {name} | {'<br>'.join(tests[name]) or '**none**'} |")
    return "\n".join(lines)


def test_every_code_has_a_test() -> None:
    proven = {name for name, _, _ in checks()}
    assert ON_THE_WIRE.keys() - proven == set()


def test_every_proof_names_a_code_and_a_test() -> None:
    for name, file, test in checks():
        assert name in ON_THE_WIRE, f"{file}: {name} is not an error code"
        names = [function.name for function in _tests(_tree(HERE / file))]
        assert test in names, f"{file} has no {test}"


def test_the_numbers_on_the_wire_stay() -> None:
    assert codes() == ON_THE_WIRE


@pytest.mark.parametrize("top", ["tools", "host_tests"])
def test_codes_go_by_their_names(top: str) -> None:
    bare = [
        f"{path.relative_to(REPO)}:{line}: {code}"
        for path in sorted((REPO / top).rglob("*.py")) if path != HERE / "test_codes.py"
        for line, code in _bare_codes(_tree(path))
    ]  # fmt: skip
    assert not bare, "write errors.NAME (from device import errors):\n" + "\n".join(bare)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("refuse(-10_007)", [-10007]), ("wait('-10007 No Wi-Fi')", [-10007]), ("x = b'{-10007}'", [-10007]),
        ("x = f'{y} -10007, -10008'", [-10007, -10008]), ("def f():\n    'Says -10007.'  # -10007", []),
        ("x = -10000, 10007, '-100070', f'{errors.TIMEOUT} -1'", []),
    ],
)  # fmt: skip
def test_a_bare_code_is_seen(source: str, found: list[int]) -> None:
    assert [code for _, code in _bare_codes(ast.parse(source))] == found


def test_codes_are_unique_and_in_the_vendors_or_our_range() -> None:
    values = list(ON_THE_WIRE.values())
    assert len(set(values)) == len(values)
    assert all(-11 <= code < 0 or -10010 <= code <= -10001 or code <= -10032 for code in values)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
