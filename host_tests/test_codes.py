"""Which test proves which error code; run as a program it prints that table as Markdown.

A portable test file names them in `PROVES = {errors.TIMEOUT: "test_name"}`, any other test by the
marker `@pytest.mark.code(-10006)`.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent


def codes() -> dict[str, int]:
    """{name: code} of device/errors.py."""
    found = {}
    for node in ast.parse((HERE.parent / "device/errors.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target = node.targets[0]
            assert isinstance(target, ast.Name)
            found[target.id] = ast.literal_eval(node.value.args[0])
    return found


def proofs() -> list[tuple[int, str, str]]:
    """(code, file, test) of every test that says it proves one."""
    names = codes()
    found = []
    for path in sorted(HERE.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        file = path.relative_to(HERE).as_posix()
        found += [(names[name], file, test) for name, test in _declared(tree)]
        found += [(code, file, test) for code, test in _marked(tree)]
    return found


def _declared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The pairs of PROVES."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PROVES":
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                assert isinstance(key, ast.Attribute) and ast.unparse(key.value) == "errors"
                yield key.attr, ast.literal_eval(value)


def _marked(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for function in _tests(tree):
        for decorator in function.decorator_list:
            for call in ast.walk(decorator):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.code":
                    for argument in call.args:
                        yield ast.literal_eval(argument), function.name


def _tests(tree: ast.Module) -> list[ast.FunctionDef]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [function for function in functions if function.name.startswith("test_")]


def table() -> str:
    tests = defaultdict(list)
    for code, file, test in proofs():
        tests[code].append(f"`{file}::{test}`")
    lines = ["| code | name | tests |", "| --- | --- | --- |"]
    for name, code in sorted(codes().items(), key=lambda item: -item[1]):
        lines.append(f"| {code} | {name} | {'<br>'.join(tests[code]) or '**none**'} |")
    return "\n".join(lines)


def test_every_code_has_a_test() -> None:
    proven = {code for code, _, _ in proofs()}
    missing = {name: code for name, code in codes().items() if code not in proven}
    assert len(codes()) >= 24 and not missing


def test_every_proof_names_a_code_and_a_test() -> None:
    for code, file, test in proofs():
        assert code in codes().values(), f"{file}: {code} is no error code"
        names = [function.name for function in _tests(ast.parse((HERE / file).read_text("utf-8")))]
        assert test in names, f"{file} has no {test}"


def test_codes_are_unique_and_in_the_vendors_or_our_range() -> None:
    values = list(codes().values())
    assert len(set(values)) == len(values)
    assert all(-11 <= code < 0 or -10010 <= code <= -10001 or code <= -10032 for code in values)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
