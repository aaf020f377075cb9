"""Pictures of a policy, as SVG: the graph of its tables, and the diagram; a cell's path stands out in either."""

from __future__ import annotations

from itertools import groupby

import msgspec

from trivium.policy.engine.compiled import CompiledInput, Policy
from trivium.policy.engine.diagram import Cell, Root, leaf_value
from trivium.policy.export.graph import asked, graph
from trivium.policy.export.layout import Line, arrange
from trivium.policy.export.markup import Markup, element
from trivium.policy.export.svg import COLORS, TOP, columns, connection, label, lit, picture, width_of


def draw_tables(policy: Policy, cell: Cell | None = None) -> str:
    """Draw the inputs and the tables that read them, up to the strategy.

    Args:
        policy: what to draw.
        cell: shown in it, with the rules that fired; what the answer did not ask for fades.
    """
    made = graph(policy)
    height = 46.0
    layer = dict(enumerate(made.layer))
    lines = [Line(*read) for read in made.reads]
    placed = arrange({at: (layer[at], height) for at in layer}, lines, 12, 6, lambda line: line.source)
    texts = [_about_input(policy, at, cell) for at in range(len(policy.inputs))]
    texts += [_about_table(policy, at, cell) for at in range(len(policy.tables))]
    widths = [0.0] * (max(made.layer) + 1)
    for at, (name, said, _) in enumerate(texts):
        widths[layer[at]] = max(widths[layer[at]], width_of(name, said) + 28)
    spots = columns(widths, 90)
    path = set() if cell is None else asked(policy, cell)
    asks = {position for read in path for position in read} | {len(texts) - 1}
    parts = [
        connection(line, placed, layer, spots, f"{texts[reader][0]} reads {texts[read][0]}", on=on, arrow=True)
        for line, (read, reader) in zip(lines, made.reads, strict=True)
        for on in [None if cell is None else (read, reader) in path]
    ]
    for at, (name, said, tip) in enumerate(texts):
        left, width = spots.spans[layer[at]]
        top = TOP + placed.middle[at] - height / 2
        kind = "box answer" if at == len(texts) - 1 else "box"
        round_ends = height / 2 if at < len(policy.inputs) else 3
        parts.append(
            element(
                "g",
                element("title", tip),
                element("rect", class_=kind, x=left, y=top, width=width, height=height, rx=round_ends),
                label(name, left + width / 2, top + 20, "name", "middle"),
                label(said, left + width / 2, top + 36, "small", "middle"),
                class_=lit(None if cell is None else at in asks),
            )
        )
    answer = None if cell is None else policy.decide(cell).strategy
    return picture(policy, "what its tables read", spots.right, TOP + placed.extent, parts, answer)


def _about_input(policy: Policy, position: int, cell: Cell | None) -> tuple[str, str, str]:
    """Return an input's name, what is said below it, and what is said of it at length."""
    field = policy.inputs[position]
    bands = [_range(field, band, band) for band in range(len(field.bands))]
    said = f"{len(bands)} bands" if cell is None else bands[cell[position]]
    return field.name, said, "\n".join((field.name, field.spec.question, *bands))


def _about_table(policy: Policy, position: int, cell: Cell | None) -> tuple[str, str, str]:
    table = policy.tables[position]
    rules = [f"{rule.id} \u2192 {table.outcomes[rule.outcome]}" for rule in table.rules]
    count = "1 rule" if len(rules) == 1 else f"{len(rules)} rules"
    said = count if cell is None else rules[policy.decide(cell).fired[position].position]
    return table.name, said, "\n".join((table.name, *rules))


class _Row(msgspec.Struct, frozen=True):
    """The bands of a node that lead to the same child."""

    said: str
    tip: str
    bands: frozenset[int]
    child: Root


ROW = 18.0
MOST_CHARACTERS = 24


def draw_diagram(policy: Policy, cell: Cell | None = None) -> str:
    """Draw the reduced diagram: a card per node with a row per child, a row that leads to a strategy in its color.

    Args:
        policy: what to draw.
        cell: its path stands out; all else fades.
    """
    space = policy.diagrams
    nodes = sorted(space.nodes(policy.root), key=lambda root: (space.levels[root], root))
    levels = sorted({space.levels[root] for root in nodes})
    layer = {root: levels.index(space.levels[root]) for root in nodes}
    rows = {root: _rows(policy.inputs[space.levels[root]], space.children[root]) for root in nodes}
    lines = {
        (root, row): Line(root, row.child, (index - (len(rows[root]) - 1) / 2) * ROW)
        for root in nodes
        for index, row in enumerate(rows[root])
        if row.child >= 0
    }
    boxes = {root: (layer[root], len(rows[root]) * ROW + 6) for root in nodes}
    placed = arrange(boxes, list(lines.values()), 10, 6, lambda line: line.target)
    widths = [width_of(policy.inputs[level].name) for level in levels]
    for root in nodes:
        widths[layer[root]] = max(widths[layer[root]], width_of(*(row.said for row in rows[root])) + 34)
    spots = columns(widths, 64, TOP + 30)
    bottom = spots.top + placed.extent
    parts: list[Markup] = []
    for number, level in enumerate(levels):
        left, width = spots.spans[number]
        if number % 2 == 0:
            parts.append(
                element("rect", class_="column", x=left - 10, y=TOP - 8, width=width + 20, height=bottom - TOP + 18)
            )
        parts.append(
            element(
                "g",
                element("title", policy.inputs[level].spec.question),
                label(policy.inputs[level].name, left + width / 2, TOP + 10, "name", "middle"),
            )
        )
    path = set() if cell is None else _path(policy, cell)
    taken = {(root, row) for root in path for row in rows[root] if cell and cell[space.levels[root]] in row.bands}
    for key in sorted(lines, key=taken.__contains__):  # the path is drawn last, above all else
        tip = f"{policy.inputs[space.levels[key[0]]].name}: {key[1].tip}"
        on = None if cell is None else key in taken
        parts.append(connection(lines[key], placed, layer, spots, tip, on=on))
    for root in nodes:
        left, width = spots.spans[layer[root]]
        top = spots.top + placed.middle[root] - boxes[root][1] / 2
        card = [element("rect", class_="box", x=left, y=top, width=width, height=boxes[root][1], rx=4)]
        for index, row in enumerate(rows[root]):
            card.append(_drawn(policy, row, left, width, top + 3 + index * ROW, taken=(root, row) in taken))
        parts.append(element("g", *card, class_=lit(None if cell is None else root in path)))
    answer = None if cell is None else policy.diagrams.value(policy.root, cell)
    shows = f"its {len(nodes)} nodes for {policy.cells:,} cells"
    return picture(policy, shows, spots.right, bottom, parts, answer)


def _drawn(policy: Policy, row: _Row, left: float, width: float, top: float, *, taken: bool) -> Markup:
    """Draw a row of a card; one that leads to a strategy is tinted, with a swatch at the end."""
    parts = []
    tip = row.tip
    if row.child < 0:
        tint = COLORS[leaf_value(row.child) % len(COLORS)]
        tip = f"{row.tip} \u2192 {policy.document.strategies[policy.strategies[leaf_value(row.child)]]}"
        parts += [
            element("rect", x=left + 3, y=top, width=width - 6, height=ROW - 1, fill=tint, fill_opacity=0.2),
            element("rect", x=left + width - 18, y=top + 2.5, width=12, height=12, rx=3, fill=tint),
        ]
    said = label(row.said, left + 8, top + 13, "taken" if taken else None)
    return element("g", element("title", tip), *parts, said)


def _path(policy: Policy, cell: Cell) -> set[Root]:
    space = policy.diagrams
    found, root = set(), policy.root
    while root >= 0:
        found.add(root)
        root = space.children[root][cell[space.levels[root]]]
    return found


def _rows(field: CompiledInput, children: tuple[Root, ...]) -> list[_Row]:
    """Merge the bands of a node by child, in the order of their first bands."""
    bands: dict[Root, list[int]] = {}
    for band, child in enumerate(children):
        bands.setdefault(child, []).append(band)
    most = max(bands.values(), key=len)
    rows = []
    for child, some in bands.items():
        whole = _some(field, some)
        said = whole if len(whole) <= MOST_CHARACTERS else f"{whole[: MOST_CHARACTERS - 1]}\u2026"
        if said != whole and some is most:
            said = "otherwise"
        rows.append(_Row(said, whole, frozenset(some), child))
    return rows


def _some(field: CompiledInput, bands: list[int]) -> str:
    """Name some bands; neighboring ones of a number as one range."""
    if field.cuts is None:
        return ", ".join(field.bands[band] for band in bands)
    runs = [[band for _, band in run] for _, run in groupby(enumerate(bands), lambda one: one[1] - one[0])]
    parts = []
    for run in runs:
        if run[0] not in field.stated:
            parts.append(field.bands[run.pop(0)])
        if run:
            parts.append(_range(field, run[0], run[-1]))
    return ", ".join(parts)


def _range(field: CompiledInput, first: int, last: int) -> str:
    """Write the range of neighboring bands of a number; for all else the name of the band."""
    if field.cuts is None or first not in field.stated:
        return field.bands[first]
    at_least, below = field.lowest(first), field.limit(last)
    if at_least is None:
        return "any" if below is None else f"< {below:,}"
    return f"\u2265 {at_least:,}" if below is None else f"{at_least:,} to < {below:,}"
