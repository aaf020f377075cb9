"""What pictures of a policy are made of: a page with a title and a legend, columns, texts and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trivium.policy.engine.compiled import Policy
from trivium.policy.export.layout import Layout, Line
from trivium.policy.export.markup import HEAD, Markup, element, node


COLORS = ("#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#d55e00")
"""For the strategies, in document order: Okabe and Ito's, which people who see few colors can tell apart too."""

MARGIN, TOP = 24, 96

_STYLE = """
text{font:12px system-ui,"DejaVu Sans",sans-serif;fill:#1b1f24}
.heading{font-size:19px;font-weight:600}.name{font-weight:600}.small{font-size:11px;fill:#57606a}
.paper{fill:#fff}.column{fill:#f3f5f8}.box{fill:#fff;stroke:#8c959f}.answer{stroke-width:2.5}
.line{fill:none;stroke:#8c959f}.arrow{fill:#8c959f}.off{opacity:.25}
.on .box{stroke:#bf3989;stroke-width:2.5}.on .line{stroke:#bf3989;stroke-width:3}.on .arrow{fill:#bf3989}
.on .taken{font-weight:700}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.small{fill:#9198a1}.paper{fill:#0d1117}.column{fill:#151b23}.box{fill:#1c2129;stroke:#6e7681}
.line{stroke:#6e7681}.arrow{fill:#6e7681}
.on .box{stroke:#f778ba}.on .line{stroke:#f778ba}.on .arrow{fill:#f778ba}}
"""
_CHARACTER = 7.2
"""Width of a character, on the safe side."""


class Columns(msgspec.Struct, frozen=True):
    """Where the layers of a layout stand on the page: left edge and width of each, and the page's top for them."""

    spans: tuple[tuple[float, float], ...]
    top: float

    @property
    def right(self) -> float:
        """The right edge of the last."""
        return sum(self.spans[-1]) if self.spans else MARGIN


def columns(widths: Sequence[float], gap: float, top: float = TOP) -> Columns:
    """Put columns beside each other."""
    spans, left = [], float(MARGIN)
    for width in widths:
        spans.append((left, width))
        left += width + gap
    return Columns(tuple(spans), top)


def width_of(*texts: str) -> float:
    """Return the width that the longest of some texts needs."""
    return max(map(len, texts), default=0) * _CHARACTER


def label(said: str, x: float, y: float, kind: str | None = None, anchor: str | None = None) -> Markup:
    """Write a text; `anchor` says which end of it, or its middle, is at x."""
    return element("text", said, x=x, y=y, class_=kind, text_anchor=anchor)


def connection(
    line: Line, placed: Layout, layer: Mapping[int, int], at: Columns, tip: str, *, on: bool | None, arrow: bool = False
) -> Markup:
    """Draw a line from box to box, straight through the columns on its way."""
    start = at.top + placed.middle[line.source] + line.leaves
    left, width = at.spans[layer[line.source]]
    pen = left + width
    path = f"M{pen:.1f} {start:.1f}"
    ways = [*placed.through[line], placed.middle[line.target] + line.arrives]
    for step, way in enumerate(ways, layer[line.source] + 1):
        (left, width), y = at.spans[step], at.top + way
        bend = (left - pen) / 2
        path += f"C{pen + bend:.1f} {start:.1f} {left - bend:.1f} {y:.1f} {left:.1f} {y:.1f}"
        pen, start = left + width, y
        if step < layer[line.target]:
            path += f"H{pen:.1f}"
    head = element("path", class_="arrow", d=f"M{left:.1f} {start:.1f}l-8 -4v8z") if arrow else Markup()
    return element("g", element("title", tip), element("path", class_="line", d=path), head, class_=lit(on))


def lit(on: bool | None) -> str | None:
    """Return the class of what is on a path, off it, or, for None, drawn without any."""
    return None if on is None else "on" if on else "off"


def picture(policy: Policy, shows: str, right: float, bottom: float, parts: Sequence[str], answer: int | None) -> str:
    """Put a page together: title, legend of strategies (the answer, where there is one, stands out), parts."""
    document = policy.document
    legend, x = [], float(MARGIN)
    for index, name in enumerate(document.strategies.values()):
        swatch = element("rect", x=x, y=58, width=14, height=14, rx=3, fill=COLORS[index % len(COLORS)])
        said = label(name, x + 20, 70, "taken")
        legend.append(element("g", swatch, said, class_=lit(None if answer is None else index == answer)))
        x += 44 + width_of(name)
    heading = f"{document.policy} {document.version}: {shows}"
    width, height = max(right, x, width_of(heading) * 1.6) + MARGIN, bottom + MARGIN
    attributes: dict[str, str | float] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "width": round(width),
        "height": round(height),
        "role": "img",
    }
    drawn = node(
        "svg",
        attributes,
        element("title", heading),
        element("desc", document.title),
        element("style", Markup(_STYLE)),
        element("rect", class_="paper", width="100%", height="100%"),
        label(heading, MARGIN, 38, "heading"),
        *legend,
        *parts,
    )
    return f"{HEAD}{drawn}\n"
