"""The build step that shortens names: what it renames and what it leaves."""

from __future__ import annotations

import re

import pytest

from tools.image import firmware
from tools.image.shortnames import ShortNames

REPO = firmware.REPO
MODULES = sorted(path.stem for path in firmware.package_modules().values())
WORD = re.compile(r"\w+")


def _short(source: str, **others: str) -> str:
    """The module `part` of a package, shortened. others: the package's other modules."""
    return ShortNames({"part": source} | others).shorten("part")


def words(text: str) -> set[str]:
    return set(WORD.findall(text))


# Each sets `result`, and has the names that must be gone.
KINDS = {
    "global": ("_total = 3\nresult = _total + 1", "_total"),
    "function": ("def _twice(number):\n    return 2 * number\nresult = _twice(4)", "_twice number"),
    "class": ("class _Part:\n    size = 5\nresult = _Part().size", "_Part"),
    "class that is derived": (
        "class _Part:\n    def _size(self):\n        return 2\nclass Whole(_Part):\n    _more = _Part._size\n"
        "result = Whole()._more() + Whole()._size()", "_Part _size _more",
    ),
    "method and attribute": (
        "class Part:\n    def __init__(self, size):\n        self._size = size\n"
        "    def _read(self):\n        return self._size\nresult = Part(7)._read()", "_size _read size",
    ),
    "nested function": (
        "def _outer(first, second):\n    def _inner(third):\n        return first - third * second\n"
        "    return _inner\nresult = _outer(100, 2)(3)", "_outer _inner first second third",
    ),
    "nested function with an argument of the same name": (
        "def _outer(size):\n    def _inner(size):\n        return size + 1\n    return _inner(2) + size\n"
        "result = _outer(10)", "_outer _inner",
    ),
    "global statement": (
        "_count = 0\ndef _step(by):\n    global _count\n    _count += by\n_step(4)\nresult = _count",
        "_count _step by",
    ),
    "nonlocal statement": (
        "def _outer(size):\n    def _grow(by):\n        nonlocal size\n        size += by\n    _grow(5)\n"
        "    return size\nresult = _outer(1)", "_outer _grow by",
    ),
    "keyword argument": (
        "def _add(first, _by=1, *, _twice=False):\n    return (first + _by) * (2 if _twice else 1)\n"
        "result = _add(1, _by=2, _twice=True)", "_add _by _twice first",
    ),
    "default from the scope around": (
        "size = 4\ndef _read(size=size, *rest, **more):\n    return size, rest, more\n"
        "result = _read(), _read(1, 2, a=3)", "_read",
    ),
    "lambda and comprehension": (
        "_sizes = [3, 1, 2]\ndef _order(sizes):\n    return sorted(sizes, key=lambda size: -size)\n"
        "result = [_size * 2 for _size in _order(_sizes)]", "_sizes _order _size sizes",
    ),
    "argument beside names of the body": (
        "import math as a\ndef _area(radius, scale):\n    b = scale\n    return a.floor(radius) * b\n"
        "result = _area(2.5, 3)", "_area radius scale",
    ),
    "alias": ("from math import floor as _floor\nresult = _floor(1.5)", "_floor"),
    "error": (
        "def _try(text):\n    try:\n        return int(text)\n    except ValueError as error:\n"
        "        return str(error)\nresult = _try('x')", "_try text",
    ),
    "generator": (
        "class _Steps:\n    def __init__(self, limit=3):\n        self._limit = limit\n"
        "    def __iter__(self):\n        yield from range(self._limit)\nresult = list(_Steps(4))",
        "_Steps _limit limit",
    ),
    "behind text that is not ASCII": (
        "_name = 'größer'; _other = 'ü' + _name\ndef _add(text):\n    return 'ü' + text\n"
        "result = _add(_other)", "_name _other _add text",
    ),
}  # fmt: skip


def _works_as_before(source: str) -> str:
    """The source with short names, which leads to the same `result`."""
    short = _short(source)
    before: dict = {}
    after: dict = {}
    exec(source, before)
    exec(short, after)
    assert after["result"] == before["result"]
    return short


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_name_is_shortened_and_works_as_before(kind: str) -> None:
    source, gone = KINDS[kind]
    short = _works_as_before(source)
    assert not words(short) & set(gone.split()), short
    assert short.count("\n") == source.count("\n")


# Names that must stay, with a source that works only if they do.
STAYING = {
    "constant": ("const = int\n_LIMIT = const(5)\nresult = _LIMIT", "_LIMIT"),
    "text for getattr()": (
        "class Part:\n    def __init__(self):\n        self._size = 3\nresult = getattr(Part(), '_size')",
        "_size",
    ),
    "f-string": (
        "class Part:\n    _size = 3\n    def told(self, unit):\n        return f'{self._size:>5} {unit}'\n"
        "result = Part().told('kg')", "_size unit",
    ),
    "somebody else's": ("import sys\nresult = sys._getframe().f_lineno", "_getframe"),
    "somebody else's module": (
        "try:\n    import _thread\nexcept ImportError:\n    _thread = None\nresult = _thread.get_ident()",
        "_thread",
    ),
    "dunder": ("class Part:\n    def __len__(self):\n        return 2\nresult = len(Part())", "__len__"),
    "argument with a default": ("def read(path, size=3):\n    return size\nresult = read(1, size=2)", "size"),
    "argument of a call that names it": ("def read(path):\n    return path\nresult = read(path=2)", "path"),
    "public": ("class Part:\n    def read(self):\n        return 2\nresult = Part().read()", "Part read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STAYING)
def test_what_must_stay_stays(kind: str) -> None:
    source, names = STAYING[kind]
    short = _works_as_before(source)
    assert set(names.split()) <= words(short), short


def test_docstrings_and_comments_keep_no_name() -> None:
    short = _short('"""Of _size."""\n_size = 3  # _size\n')
    assert short == '"""Of _size."""\nA = 3  # _size\n'


def test_modules_use_the_same_letters_again() -> None:
    names = ShortNames({"part": "_first = 1\n", "other": "_second = 2\n"})
    assert names.shorten("part") == "A = 1\n" and names.shorten("other") == "A = 2\n"


PART = "class Part:\n    def __init__(self):\n        self._size = self._top = 1\n_size = 2\n"


@pytest.mark.parametrize(
    "other",
    [
        "from .part import _size\n_more = _size\n",
        "from . import part\n_more = 2\npart._size = 1\n",
        "_more = 2\ndef read(it):\n    return it._size\n",
    ],
)
def test_what_two_modules_mean_has_one_name_of_its_own(other: str) -> None:
    names = ShortNames({"part": PART, "other": other}).short
    assert names["part"]["_size"] == names["other"]["_size"]
    assert names["part"]["_top"] == names["other"]["_more"] != names["part"]["_size"]


@pytest.mark.parametrize("base", ["from .part import Part as Base", "from . import part\nBase = part.Part"])
def test_an_attribute_of_a_derived_class_is_none_of_its_base(base: str) -> None:
    other = f"{base}\nclass Whole(Base):\n    def read(self):\n        self._more = self._size\n"
    names = ShortNames({"part": PART, "other": other}).short
    assert names["part"]["_size"] == names["other"]["_size"]
    assert len({*names["part"].values(), names["other"]["_more"]}) == 3


def test_no_short_name_is_one_that_the_package_uses() -> None:
    short = _short("A = C = 1\n_size = 2\n", other="def read(B):\n    return B.D, 'E'\n")
    assert short == "A = C = 1\nF = 2\n"


# Functions of phases


CALLER = """
from . import phases
def act():
    from . import part
    part.read(1)
    return phases.call("part", "write", "read"), phases.steps("part", "wait")
"""
PHASE = """
def read(size):
    return size
def write(text):
    read = len(text)
    return read
def wait():
    yield read(2)
def shown():
    return write
"""


def test_functions_that_the_package_calls_are_short_everywhere() -> None:
    names = ShortNames({"part": PHASE, "caller": CALLER})
    assert set(names.functions["part"]) == {"read", "write", "wait"}  # nobody calls shown()
    read, write, wait = (names.functions["part"][name] for name in ("read", "write", "wait"))
    part, caller = names.shorten("part"), names.shorten("caller")
    assert f"def {read}(a)" in part and f"yield {read}(2)" in part and f"return {write}\n" in part
    assert "    read = len(a)\n    return read\n" in part, "a local name of that name is another one"
    assert f'phases.call("part", "{write}", "read"), phases.steps("part", "{wait}")' in caller
    assert f"part.{read}(1)" in caller


TWO = """
class Part:
    def __init__(self):
        self.read_back = self.is_busy = 1
def read_all(it):
    pass
"""
OTHER = """
def see(it, at_once=3):
    read_size = it.read_back + it.is_busy + it.last_word
    return read_size
"""


def test_names_of_two_words_are_the_same_in_all_modules() -> None:
    names = ShortNames({"part": TWO, "other": OTHER})
    short = names.short["part"]["read_back"]
    assert f"read_size = a.{short} + a.is_busy + a.last_word" in names.shorten("other")
    assert f"self.{short} = self.is_busy" in names.shorten("part")
    assert "read_all" not in names.shorten("part") and "at_once" in names.shorten("other")


@pytest.mark.parametrize(
    "text", ["x = 'read_back'", "import read_back", "f'{it.read_back}'", "from . import read_back"]
)
def test_names_of_two_words_that_something_else_says_stay(text: str) -> None:
    assert "self.read_back" in ShortNames({"part": TWO, "other": text}).shorten("part")


def test_functions_that_others_call_keep_their_names() -> None:
    by_name = ShortNames({"part": PHASE, "caller": CALLER, "other": "from .part import read\nread(1)"})
    assert "read" not in by_name.functions["part"]
    anywhere = ShortNames({"part": PHASE, "caller": CALLER + 'phases.call("x" + y, "write")'})
    assert "write" not in anywhere.functions["part"]
    opened = ShortNames({"agent": PHASE, "caller": CALLER.replace('"part"', '"agent"')})
    assert not opened.functions["agent"]
    entry = ShortNames({"state": PHASE.replace("write", "load"), "caller": CALLER.replace("part", "state")})
    assert "load" not in entry.functions["state"] and "read" in entry.functions["state"]
