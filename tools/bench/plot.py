"""The bench as a picture: one bar a line that has a must, as a share of it. Plain SVG."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from tools.bench.lines import BY_NAME, Line, text
from tools.cli import wholefile

WIDTH, ROW, LEFT, TOP = 900, 26, 420, 56
LONGEST = WIDTH - LEFT - 130  # pixels of a bar
FONT = "font-family='sans-serif' font-size='12'"
HALO = "stroke='white' stroke-width='4' paint-order='stroke'"  # text stands free of the lines behind it
GOOD, MISSED = "#2b8a57", "#c2503a"


def draw(values: dict[str, float], path: Path) -> None:
    """Write the picture. Lines with a must of 0 have no share and are left out."""
    chosen = [BY_NAME[name] for name in BY_NAME if name in values and BY_NAME[name].must]
    shares = [values[line.name] / line.must for line in chosen if line.must]
    scale = LONGEST / max([2, *shares])  # pixels for 100 % of a must
    rows = [_row(line, values[line.name], TOP + index * ROW, scale) for index, line in enumerate(chosen)]
    texts = [_figure(line, values[line.name], TOP + index * ROW, scale) for index, line in enumerate(chosen)]
    height = TOP + len(chosen) * ROW + 20
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"viewBox='0 0 {WIDTH} {height}'>"
    )
    body = [_background(height), _title(scale), *rows, _must_line(height, scale), *texts]
    wholefile.write(path, "\n".join([head, *body, "</svg>", ""]).encode())


def _background(height: int) -> str:
    return f"<rect width='{WIDTH}' height='{height}' fill='white'/>"


def _title(scale: float) -> str:
    return (
        _text(10, 22, "Measured, as a share of what must be reached (less is better)", "font-weight='bold'")
        + _text(LEFT + scale, 44, "must", "text-anchor='middle'")
    )


def _must_line(height: int, scale: float) -> str:
    x = round(LEFT + scale, 1)
    return f"<line x1='{x}' y1='50' x2='{x}' y2='{height - 14}' stroke='#333' stroke-dasharray='4 3'/>"


def _row(line: Line, value: float, y: int, scale: float) -> str:
    assert line.must
    share = value / line.must
    length = share * scale
    colour = GOOD if share <= 1 else MISSED
    parts = [
        _text(LEFT - 8, y + 14, line.title, "text-anchor='end'"),
        f"<rect x='{LEFT}' y='{y + 3}' width='{length:.1f}' height='15' fill='{colour}'/>",
    ]
    if line.aim:
        x = LEFT + line.aim / line.must * scale
        place = f"x1='{x:.1f}' y1='{y + 1}' x2='{x:.1f}' y2='{y + 20}'"
        parts.append(f"<line {place} stroke='#ddd' stroke-width='2'/>")
    return "".join(parts)


def _figure(line: Line, value: float, y: int, scale: float) -> str:
    assert line.must
    return _text(LEFT + value / line.must * scale + 6, y + 15, f"{text(value)} {line.unit}", HALO)


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y}' {FONT} {more}>{escape(text)}</text>"
