"""The build step that writes the package's numbers where they are read."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from device import errors
from tools.image import firmware, inlining

REPO = firmware.REPO
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in firmware.package_modules().values()}
CODES = "LOST = -5\nSUM = 2 * 3\nBIG = const(9)\nTWICE = 1\nTWICE = 2\nTEXT = 'x'\nlower = 4\n"


@pytest.fixture(scope="module")
def inlined() -> dict[str, str]:
    return inlining.inline(SOURCES)


def _part(reader: str, **others: str) -> str:
    return inlining.inline({"part": reader, "codes": CODES} | others)["part"]


def test_a_number_stands_where_it_is_read() -> None:
    source = "from . import codes\nü = 'ü', codes.LOST; y = codes.BIG - codes.LOST  # codes.LOST\n"
    assert _part(source) == "from . import codes\nü = 'ü', -5; y = 9 - -5  # codes.LOST\n"


@pytest.mark.parametrize(
    "reader",
    [
        "from . import codes\ncodes.LOST = 1\n",
        "from . import codes\nx = codes.SUM, codes.TWICE, codes.TEXT, codes.lower, codes.MISSING\n",
        "import codes\nx = codes.LOST\n",
        "from .codes import LOST\nx = LOST\n",
        "from . import board\nx = board.LOST\n",
        'x = "codes.LOST"\n',
        "from . import codes\ndef read(codes):\n    return codes.LOST\n",
    ],
)
def test_everything_else_stays(reader: str) -> None:
    assert _part(reader, board="LOST = 4\n") == reader


def test_numbers_that_nobody_reads_go_from_their_module_and_lines_stay() -> None:
    errors_text = "FLASH = -1\nTIMEOUT = -2\nNO_MEM = -3\nx = NO_MEM\n"
    assert inlining.inline({"errors": errors_text})["errors"] == "FLASH = -1\npass\nNO_MEM = -3\nx = NO_MEM\n"


class _Numbers(ast.NodeTransformer):
    """What module.NAME is once the module is imported; without the module's own numbers."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        module = ast.unparse(node.value)
        if module in SOURCES and module != "board" and node.attr.isupper():
            value = getattr(importlib.import_module(f"device.{module}"), node.attr)
            if re.search(rf"^{node.attr} = (const\()?-?[0-9_]+\)? *(#.*)?$", SOURCES[module], re.MULTILINE):
                return ast.parse(str(value), mode="eval").body
        self.generic_visit(node)
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        node.body = [each for each in node.body if not isinstance(each, ast.Assign | ast.Pass)]
        self.generic_visit(node)
        return node


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_the_package_does_what_it_did(module: str, inlined: dict[str, str]) -> None:
    found, expected = ast.parse(inlined[module]), _Numbers().visit(ast.parse(SOURCES[module]))
    found.body = [each for each in found.body if not isinstance(each, ast.Assign | ast.Pass)]
    assert ast.dump(found) == ast.dump(expected)
    assert inlined[module].count("\n") == SOURCES[module].count("\n")


def test_no_code_is_read_by_its_name(inlined: dict[str, str]) -> None:
    codes = [name for name in vars(errors) if name.isupper()]
    assert len(codes) > 20
    assert not [name for name in codes if any(f"errors.{name}" in text for text in inlined.values())]


def test_what_boards_modules_and_the_hosts_scripts_read_stays() -> None:
    read = set()
    for path in (*REPO.glob("device/ports/**/*.py"), *REPO.glob("tools/[br]*/onboard/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("errors."):
                read |= {node.attr} - {"OtaError"}
    assert read == set(inlining.ON_BOARD["errors"].split())
