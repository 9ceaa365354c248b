"""Short names for arguments in the device package's .mpy files: a, b … m in each function by itself."""

from __future__ import annotations

import ast
import re
import string

from tools.image.entrynames import Place

PRIVATE = re.compile(r"_[A-Za-z0-9]\w*")
_LETTERS = string.ascii_lowercase[:13]  # the others may be names of the module: shortnames.py
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Arguments:
    """edits: place in the source → new name, of the arguments that are shortened and of all their uses.

    These are the arguments of what is private, and those that a function requires, unless a call in the
    package names them: who calls from outside may name what has a default (APPLICATION.md), and nothing else.
    A name that the function's body binds otherwise, in a nested function say, stays.
    """

    def __init__(self, tree: ast.Module, keywords: set[str]) -> None:
        self.edits: dict[Place, str] = {}
        self._keywords = keywords
        self._visit(tree, False)

    def _visit(self, node: ast.AST, in_private: bool) -> None:
        """Outer functions first: an inner one must not take their new names."""
        for child in ast.iter_child_nodes(node):
            is_private = in_private or bool(PRIVATE.fullmatch(getattr(child, "name", None) or ""))
            if isinstance(child, _Function):
                self._shorten(child, is_private or isinstance(child, ast.Lambda))
            self._visit(child, is_private)

    def _shorten(self, function: _Function, is_private: bool) -> None:
        args = function.args
        body = function.body if isinstance(function.body, list) else [function.body]
        inside = [node for statement in body for node in ast.walk(statement)]
        if any(isinstance(node, ast.ClassDef) for node in inside):
            return
        positional = [*args.posonlyargs, *args.args]
        required = positional if is_private else positional[: len(positional) - len(args.defaults)]
        fixed = _otherwise_bound(inside) | self._keywords | {"self"}
        chosen = [argument for argument in required if argument.arg not in fixed]
        old = [argument.arg for argument in chosen]
        uses = [node for node in inside if isinstance(node, ast.Name)]
        taken = {node.arg for node in ast.walk(args) if isinstance(node, ast.arg)}
        taken |= {self.edits.get(_place(node), node.id) for node in uses}
        free = (letter for letter in _LETTERS if letter not in (taken - set(old)) | fixed)
        new = dict(zip(old, free, strict=False))
        self.edits |= {_place(node): new[node.arg] for node in chosen if node.arg in new}
        self.edits |= {_place(node): new[node.id] for node in uses if node.id in new}


def _place(node: ast.arg | ast.Name) -> Place:
    return node.lineno, node.col_offset


def _otherwise_bound(nodes: list[ast.AST]) -> set[str]:
    """Names that are bound, or used, by something else than an ast.Name of its own place."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ExceptHandler):
            found.add(node.name or "")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
        elif isinstance(node, ast.JoinedStr):
            found |= names_in(node)
    return found


def names_in(tree: ast.AST) -> set[str]:
    """All names that are read or written in it, attributes included."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
