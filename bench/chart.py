"""Charts: horizontal bars as SVG that reads well on a light page and on a dark one."""

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, LINE, TOP = 860, 330, 110, 24, 56

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 11px; fill: #57606a }
.ours { fill: #0969da } .other { fill: #8c959f } .short { fill: #cf222e } .mark { stroke: #24292f }
.whisker { stroke: #24292f; stroke-opacity: .55 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #8d96a0 } .mark, .whisker { stroke: #e6edf3 }
  .ours { fill: #4493f8 } .other { fill: #6e7681 } .short { fill: #f85149 }
}
"""


class Bar(NamedTuple):
    """One bar: its value with the quartiles, and what is written at its end."""

    label: str
    value: float
    low: float
    high: float
    text: str
    kind: str = "other"
    """Its colour: ours, other, short (of what was wanted)."""


def bars(title: str, note: str, shown: Sequence[Bar], mark: float | None = None) -> str:
    """Draw bars on a logarithmic scale, with a line at `mark`."""
    positive = [value for bar in shown for value in (bar.value, bar.low, bar.high) if value > 0]
    ends = [*positive, *([mark] if mark else [])] or [1.0]
    low, high = math.log10(min(ends)) - 0.3, math.log10(max(ends)) + 0.05

    def x(value: float) -> float:
        share = (math.log10(max(value, 10**low)) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    height = TOP + LINE * len(shown) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
        f'<text class="small" x="8" y="38">{escape(note)}</text>',
    ]
    for number, bar in enumerate(shown):
        parts += _bar(bar, TOP + number * LINE, x(bar.value), x(bar.low), x(bar.high))
    if mark:
        at, end = f"{x(mark):.1f}", height - 8
        parts.append(f'<line class="mark" x1="{at}" x2="{at}" y1="{TOP - 8}" y2="{end}"/>')
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Bar, top: float, end: float, low: float, high: float) -> list[str]:
    middle, wide, after = top + LINE / 2, max(1.0, end - LEFT), max(end, high) + 6
    return [
        f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{LEFT}" y="{top + 4}" width="{wide:.1f}" height="16"/>',
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text class="small" x="{after:.1f}" y="{middle + 4}">{escape(bar.text)}</text>',
    ]
