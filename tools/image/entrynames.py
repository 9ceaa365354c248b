"""Short names for the functions by which the phases of the device package are called.

A phase is called by the package alone: `phases.call("keys", "signer", …)`, `strict.split_url(…)`. So each
module's functions are A, B, C … as its private names are, the same again in each module: a board keeps a name
once, however many modules have it.

What stays: functions of resident modules and of `board`, which applications use or other boards replace; of
`guard`, which boot.py calls, and which is found in sys.modules; what the host's scripts call on a board,
ENTRIES; what is imported by name; what only strangers call.
"""

from __future__ import annotations

import ast
from collections import Counter

OPEN = {
    "__init__", "agent", "board", "clock", "config", "errors", "files", "guard", "link", "log",
    "net", "phases", "report",
}  # fmt: skip
# module → functions that scripts of the host call on a board
ENTRIES = {
    "connection": "join", "ecdsa": "verify", "keytable": "load", "offer": "parse", "offers": "check",
    "record": "save keep_lowest", "start": "identify", "state": "load clear_refused", "strict": "version",
}  # fmt: skip
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Place = tuple[int, int]  # line from 1, column in bytes of UTF-8, as in ast


class Uses:
    """Where a module says the names of functions of the package.

    own: [(place, name)] of its own top level's functions, defined and used. others: [(place, module, name)]
    of other modules'. texts: [(place, module, name)], the same as a text, of phases.call() and steps(); the
    module is "" where it stands in a variable. imported: {(module, name)} that it imports by name.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {node.name for node in tree.body if isinstance(node, _Function)}
        self.own: list[tuple[Place, str]] = []
        self.others: list[tuple[Place, str, str]] = []
        self.texts: list[tuple[Place, str, str]] = []
        self.imported: set[tuple[str, str]] = set()
        self._modules: set[str] = set()
        for node in ast.walk(tree):
            self._note_import(node)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.own.append(((node.lineno, node.col_offset + len("def ")), node.name))
        self.functions -= _stored(tree.body)
        self._visit(tree, frozenset())

    def _note_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.module:
                self.imported |= {(node.module, alias.name) for alias in node.names}
            else:
                self._modules |= {alias.name for alias in node.names if not alias.asname}

    def _visit(self, node: ast.AST, local: frozenset[str]) -> None:
        """local: names that the functions around bind."""
        for child in ast.iter_child_nodes(node):
            inside = local | _bound_in(child) if isinstance(child, _Function) else local
            if isinstance(child, ast.Name) and child.id in self.functions - local:
                self.own.append(((child.lineno, child.col_offset), child.id))
            elif isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name):
                self._note_attribute(child, child.value.id, local)
            elif isinstance(child, ast.Call) and ast.unparse(child.func) in ("phases.call", "phases.steps"):
                self._note_call(child)
            self._visit(child, inside)

    def _note_attribute(self, node: ast.Attribute, module: str, local: frozenset[str]) -> None:
        if module in self._modules - local:
            assert node.end_lineno is not None and node.end_col_offset is not None
            place = (node.end_lineno, node.end_col_offset - len(node.attr))
            self.others.append((place, module, node.attr))

    def _note_call(self, call: ast.Call) -> None:
        module, function = call.args[:2]
        assert isinstance(function, ast.Constant), ast.unparse(call)
        name = module.value if isinstance(module, ast.Constant) else ""
        self.texts.append(((function.lineno, function.col_offset), name, function.value))


def callable_by(uses: dict[str, Uses]) -> dict[str, set[str]]:
    """Module → its functions that get short names. uses: of each module of the package."""
    called = {(module, name) for each in uses.values() for _, module, name in each.others + each.texts}
    for module, each in uses.items():
        said = Counter(name for _, name in each.own)
        called |= {(module, name) for name, count in said.items() if count > 1}  # once where it is defined
    kept = set().union(*(each.imported for each in uses.values()))
    everywhere = {name for module, name in called if not module}
    found: dict[str, set[str]] = {}
    for module, each in uses.items():
        public = {name for name in each.functions if (module, name) in called - kept}
        stay = everywhere.union(ENTRIES.get(module, "").split())
        found[module] = set() if module in OPEN else public - stay
    return found


def edits(module: str, uses: Uses, short: dict[str, dict[str, str]]) -> dict[Place, str]:
    """Place in the module → what stands there then; a text with its quotes. short: module → function →
    name."""
    found = {place: short[module].get(name) for place, name in uses.own}
    found |= {place: short.get(of, {}).get(name) for place, of, name in uses.others}
    texts = {place: short.get(of, {}).get(name) for place, of, name in uses.texts}
    found |= {place: f'"{name}"' for place, name in texts.items() if name}
    return {place: name for place, name in found.items() if name}


def _stored(nodes: list[ast.stmt]) -> set[str]:
    """Names that are bound at the top level otherwise than by def."""
    found: set[str] = set()
    for node in nodes:
        if not isinstance(node, _Function | ast.ClassDef):
            found |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and _is_bound(each)}
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _bound_in(function: ast.AST) -> frozenset[str]:
    nodes = list(ast.walk(function))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and _is_bound(node)}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    named = [node for node in nodes[1:] if isinstance(node, ast.FunctionDef | ast.ExceptHandler)]
    names |= {node.name for node in named if node.name}
    return frozenset(names)


def _is_bound(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store | ast.Del)
