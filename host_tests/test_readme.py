"""The pages against the code: tables of configuration keys and error codes, tests that are named, links."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from device import config_table, errors
from device.texts_en import TEXTS as ENGLISH
from device.texts_zh import TEXTS as CHINESE
from tools.__main__ import COMMANDS

REPO = Path(__file__).resolve().parent.parent
README = (REPO / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (REPO / "device" / "CONFIGURATION.md").read_text(encoding="utf-8")
TOOLS = (REPO / "tools" / "README.md").read_text(encoding="utf-8")
FOLDERS = ("", "device", "tools", "host_tests")
PAGES = sorted(path for folder in FOLDERS for path in (REPO / folder).glob("**/*.md" if folder else "*.md"))


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its two head lines."""
    section = CONFIGURATION.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def documented_defaults() -> dict[str, object]:
    table = {}
    for key, default, *_ in rows("Configuration"):
        text = default.strip("`")
        table[key.strip("`")] = None if text == "required" else json.loads(text)
    return table


def codes_of_module() -> set[int]:
    return {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}


def test_every_key_is_documented_with_its_default():
    defaults = {key: default for key, (default, *_) in config_table.KEYS.items()}
    assert documented_defaults() == json.loads(json.dumps(defaults))  # a tuple is a list there


def test_every_code_is_documented_with_its_text():
    table = {int(code.replace("−", "-")): text for code, text, _ in rows("Errors")}
    assert table == {code: ENGLISH[code] for code in codes_of_module()}


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_every_code_has_a_text_of_at_most_20_characters(texts):
    assert set(texts) == codes_of_module()
    assert all(0 < len(text) <= 20 for text in texts.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_every_test_that_is_named_exists_and_every_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"host_tests/[\w/]+\.py", text))
    assert [name for name in named if not (REPO / name).is_file()] == []
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_readme_or_the_page_of_its_room():
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    }
    assert len(PAGES) > 15
    assert [page for page in PAGES if page != REPO / "README.md" and page not in linked] == []


def test_the_readme_is_short():
    """Who wants to know more finds the page in its table."""
    assert len(README.splitlines()) <= 150


def test_every_command_is_named():
    for command in COMMANDS:
        assert re.search(rf"python3 -m tools {command}\b|`{command}\b", README + TOOLS), command


def test_every_command_stands_in_the_table_of_the_tools():
    table = TOOLS.split("| command |")[1].split("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(named) == sorted(COMMANDS)

