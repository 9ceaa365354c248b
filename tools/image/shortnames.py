"""Short names for the device package's .mpy files: a board keeps each name in its heap, and the tables in
which it looks them up grow by doubling, so few names and short ones are worth kilobytes.

**Private names**, with one underscore in front, of functions, classes, methods and attributes that the
package binds: capital letters, the same again in each module, as its private names are its own business.
What another module may mean as well is _shared() and has one short name in all of them.
**Names of two words**, of functions, methods and attributes that the package binds: the same, but for PUBLIC,
what applications, ports and the host's scripts say. Those stay:
`_X = const(...)`, which costs nothing as long as the underscore is there; what occurs in a text, which
getattr() may be given; and what the package only reads, for then it is somebody else's.
**Functions** by which phases are called: see entrynames.py.
**Arguments**: a, b, c in each function by itself: see argumentnames.py.

Only names change, each where it stands, so a traceback has the source's lines, and restore() gives it the
source's names. Short names follow from the sources alone, whatever Python runs this.
"""

from __future__ import annotations

import ast
import builtins
import io
import itertools
import keyword
import re
import string
import tokenize
from collections.abc import Iterator

from tools.image import entrynames, inlining
from tools.image.argumentnames import PRIVATE, Arguments, names_in

_TWO_WORDS = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
# Names of two words that others say as well: applications (APPLICATION.md), ports (PORTING.md), scripts of
# the host, MicroPython itself.
PUBLIC = {
    "block_size", "broker_address", "is_busy", "is_new", "is_open", "keep_alive", "may_start", "reset_cause",
    "self_test", "set_boot", "verify_mode",
}  # fmt: skip
_FRAME = re.compile(r'File "([^"]*)", line (\d+), in (\S+)')
_MESSAGE = re.compile(r"\w+Error: ")  # behind the frames: "no attribute 'A'"


class ShortNames:
    """short: module → its private names → what they are called in its .mpy file."""

    def __init__(self, sources: dict[str, str]) -> None:
        """sources: the text of each module of the package by its name."""
        sources = inlining.inline(sources)
        self._sources = sources
        self._trees = {module: ast.parse(text) for module, text in sources.items()}
        kept = set().union(*map(_kept, self._trees.values()))
        used = {module: {token.string for token in _tokens(text)} for module, text in sources.items()}
        two_words = set().union(*map(_two_words, self._trees.values())) - PUBLIC
        bound = {
            module: {name for name in _bound(tree) if PRIVATE.fullmatch(name) or name in two_words} - kept
            for module, tree in self._trees.items()
        }
        shared = _shared(self._trees, used, bound)
        self._uses = {module: entrynames.Uses(tree) for module, tree in self._trees.items()}
        callable_by = entrynames.callable_by(self._uses)
        taken = kept.union(*used.values())
        self.short, self.functions = {}, {}
        for module, names in bound.items():
            free = _free(taken)
            self.short[module] = dict(zip(sorted(names - shared), free, strict=False))
            self.functions[module] = dict(zip(sorted(callable_by[module]), free, strict=False))
        own = [each.values() for each in (*self.short.values(), *self.functions.values())]
        common = dict(zip(sorted(shared), _free(taken.union(*own)), strict=False))
        for short in self.short.values():
            short |= common
        self._keywords = set().union(*map(_keywords, self._trees.values()))

    def shorten(self, module: str) -> str:
        """The text of a module with short names, each in the line where it was."""
        names = self.short[module]
        edits = Arguments(self._trees[module], self._keywords).edits
        edits |= entrynames.edits(module, self._uses[module], self.functions)
        lines = self._sources[module].split("\n")
        for token in reversed(list(_tokens(self._sources[module]))):
            row, column = token.start
            line = lines[row - 1]
            place = (row, len(line[:column].encode()))
            name = edits.get(place) or names.get(token.string)
            if name:
                lines[row - 1] = line[:column] + name + line[token.end[1] :]
        return "\n".join(lines)

    def restore(self, text: str) -> str:
        """A board's output, with the source's files and names in the lines of tracebacks."""
        lines = text.splitlines(keepends=True)
        module = ""  # of the frame above
        for number, line in enumerate(lines):
            frame = _FRAME.search(line)
            if frame:
                module = frame[1] if frame[1] in self._sources else ""
                if module:
                    told = f'File "device/{module}.py", line {frame[2]}, in {self._restore(module, frame[3])}'
                    lines[number] = line[: frame.start()] + told + line[frame.end() :]
            elif _MESSAGE.match(line):
                words = line.split("'")
                lines[number] = "'".join(self._restore(module, word) for word in words)
        return "".join(lines)

    def _restore(self, module: str, name: str) -> str:
        known = (self.short.get(module, {}) | self.functions.get(module, {})).items()
        return next((long for long, short in known if short == name), name)


def _shared(
    trees: dict[str, ast.Module], used: dict[str, set[str]], bound: dict[str, set[str]]
) -> set[str]:
    """Private names that more than one module may mean: read here and bound there, of another object than
    `self`, or in a module with a class that is derived from one of somewhere else."""
    everywhere = set().union(*bound.values())
    found: set[str] = set()
    for module, tree in trees.items():
        nodes = list(ast.walk(tree))
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        own = {node.name for node in classes} | set(dir(builtins))
        bases = [base for node in classes for base in node.bases]
        is_derived = any(not (isinstance(base, ast.Name) and base.id in own) for base in bases)
        found |= used[module] if is_derived else used[module] - bound[module]
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        found |= {node.attr for node in attributes if getattr(node.value, "id", "") != "self"}
    return found & everywhere


def _bound(tree: ast.Module) -> set[str]:
    """Names that get a value somewhere, attributes included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias) and node.asname:
            found.add(node.asname)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


def _kept(tree: ast.Module) -> set[str]:
    """Names that must stay: constants, words of texts, what f-strings use (in which Python tells places since
    3.12 only), modules and what comes from outside."""
    found: set[str] = set()
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found.update(re.findall(r"\w+", node.value))
        elif isinstance(node, ast.JoinedStr):
            found |= names_in(node)
        elif isinstance(node, ast.Assign) and _is_const(node.value):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level):
            found.update(*(alias.name.split(".") for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module is None:
            found |= {alias.name for alias in node.names}
    return found


def _is_const(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const"


def _two_words(tree: ast.Module) -> set[str]:
    """Names of two words of its functions, methods and attributes."""
    nodes = list(ast.walk(tree))
    names = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    names |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    return {name for name in names if _TWO_WORDS.fullmatch(name)}


def _keywords(tree: ast.Module) -> set[str]:
    """Names by which a call passes arguments."""
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    """Names and texts."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_name = token.type == tokenize.NAME and not keyword.iskeyword(token.string)
        if is_name or token.type == tokenize.STRING:
            yield token


def _free(taken: set[str]) -> Iterator[str]:
    """A … Z, n … z, AA … z9, AAA …, but for those that are taken. a … m are arguments'."""
    for length in itertools.count(0):
        for first in string.ascii_uppercase + string.ascii_lowercase[13:]:
            for rest in itertools.product(string.ascii_letters + string.digits, repeat=length):
                name = first + "".join(rest)
                if name not in taken and not keyword.iskeyword(name):
                    yield name
