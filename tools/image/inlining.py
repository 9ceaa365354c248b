"""The device package's numbers, written where its modules read them: `errors.FLASH` becomes -10032 in the
.mpy files, which is one name less in each of them and two look-ups less each time.

A number is a name in capitals that its module binds once, at its top level, to a whole number. It goes from
its own module as well where nobody is left who reads it there. What stays: numbers of `board`, which ports
replace; ON_BOARD, which their modules and the host's scripts read.
"""

from __future__ import annotations

import ast
import re

from tools.image import entrynames

# module → numbers that the boards' modules (PORTING.md) and scripts of the host read
ON_BOARD = {"errors": "FLASH FW_OVERFLOW HEADER_INVALID NO_SLOT"}
_REPLACED = "board"
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]+")
_Edit = tuple[int, int, int, str]  # line from 1, first column and the one behind it in bytes, new text


def inline(sources: dict[str, str]) -> dict[str, str]:
    """Module → its text with numbers instead of names of other modules' numbers, line by line as before."""
    trees = {module: ast.parse(text) for module, text in sources.items()}
    assigned = set().union(*map(_assigned, trees.values()))
    numbers = {module: _numbers(tree, assigned) for module, tree in trees.items() if module != _REPLACED}
    result: dict[str, str] = {}
    for module, tree in trees.items():
        edits = _uses(tree, numbers) + _unread(module, tree, numbers.get(module, {}))
        result[module] = _edited(sources[module], edits)
    return result


def _assigned(tree: ast.Module) -> set[str]:
    """Names of attributes that it sets: a number that anybody sets from outside is not one."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if not isinstance(node.ctx, ast.Load)}


def _numbers(tree: ast.Module, assigned: set[str]) -> dict[str, int]:
    """Name → number."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, _value(node.value)
            is_name = bool(_CAPITALS.fullmatch(name)) and name not in assigned
            if value is not None and is_name and _stores(tree, name) == 1:
                found[name] = value
    return found


def _value(node: ast.expr) -> int | None:
    """What a literal, or const() of one, says."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "const":
        node = node.args[0]
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _stores(tree: ast.Module, name: str) -> int:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    return sum(not isinstance(node.ctx, ast.Load) for node in nodes)


def _uses(tree: ast.Module, numbers: dict[str, dict[str, int]]) -> list[_Edit]:
    """Where the module reads a number of another one."""
    edits: list[_Edit] = []
    for (line, column), module, name in entrynames.Uses(tree).others:
        if name in numbers.get(module, {}):
            first = column - len(f"{module}.")
            edits.append((line, first, column + len(name), str(numbers[module][name])))
    return edits


def _unread(module: str, tree: ast.Module, numbers: dict[str, int]) -> list[_Edit]:
    """Numbers of the module that nobody reads by their names any more: `pass` stands there."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    gone = numbers.keys() - read - set(ON_BOARD.get(module, "").split())
    edits: list[_Edit] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in gone:
            assert node.end_lineno == node.lineno and node.end_col_offset is not None
            edits.append((node.lineno, node.col_offset, node.end_col_offset, "pass"))
    return edits


def _edited(source: str, edits: list[_Edit]) -> str:
    lines = source.encode().split(b"\n")
    for line, first, end, text in sorted(edits, reverse=True):
        lines[line - 1] = lines[line - 1][:first] + text.encode() + lines[line - 1][end:]
    return b"\n".join(lines).decode()
