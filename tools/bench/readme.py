"""The committed figures on the bench's page, and the picture beside it."""

from __future__ import annotations

from pathlib import Path

from tools.bench import plot
from tools.bench.lines import BY_NAME, VERDICTS, holds, text
from tools.programs import cache

PAGE = cache.REPO / "tools" / "bench" / "README.md"
PICTURE = Path(__file__).resolve().parent / "bench.svg"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"


def write(values: dict[str, float]) -> None:
    """Put these figures where the old ones stand."""
    put_between(PAGE, BEGIN, END, table(values))
    plot.draw(values, PICTURE)


def written() -> str:
    """The table as it stands there."""
    return between(PAGE, BEGIN, END)


def put_between(page: Path, begin: str, end: str, text: str) -> None:
    """Instead of what stands between these two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    page.write_text(before + begin + text + end + after, encoding="utf-8")


def between(page: Path, begin: str, end: str) -> str:
    return page.read_text(encoding="utf-8").split(begin)[1].split(end)[0]


def table(values: dict[str, float]) -> str:
    """In Markdown, a line for each figure."""
    rows = ["| line | what | value | must | aim | unit | |", "|---|---|---:|---:|---:|---|---|"]
    for name, line in BY_NAME.items():
        if name in values:
            figures = (text(values[name]), text(line.must), text(line.aim))
            cells = (f"`{name}`", line.title, *figures, line.unit, VERDICTS[holds(line, values[name])])
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
