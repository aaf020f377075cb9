"""Pictures of a policy, as SVG: the graph of its tables, and the diagram; a cell's path stands out in either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from trivium.policy.compiled import CompiledInput, Policy
from trivium.policy.diagram import Cell, Root
from trivium.policy.graph import asked, graph
from trivium.policy.layout import Layout, Line, arrange
from trivium.policy.markup import HEAD, Markup, element, node


COLORS = ("#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito's, which people who do not see all colors can tell apart; for the strategies, in document order."""

STYLE = """
text{font:12px system-ui,"DejaVu Sans",sans-serif;fill:#1b1f24}
.head{font-size:20px;font-weight:600}.name{font-weight:600}.small{font-size:11px;fill:#57606a}
.paper{fill:#fff}.band{fill:#f6f8fa}.box{fill:#fff;stroke:#8c959f}.answer{stroke-width:2.5}
.line{fill:none;stroke:#8c959f}.arrow{fill:#8c959f}
.on .box,.box.on{stroke:#bf3989;stroke-width:2.5}.line.on{stroke:#bf3989;stroke-width:2.5}.arrow.on{fill:#bf3989}
.row.on text{font-weight:700}.off{opacity:.28}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.small{fill:#9198a1}.paper{fill:#0d1117}.band{fill:#151b23}.box{fill:#1c2129;stroke:#6e7681}
.line{stroke:#6e7681}.arrow{fill:#6e7681}
.on .box,.box.on{stroke:#f778ba}.line.on{stroke:#f778ba}.arrow.on{fill:#f778ba}}
"""
MARGIN, TOP, CHARACTER, ROW = 24, 92, 7.0, 18


def draw_tables(policy: Policy, cell: Cell | None = None) -> str:
    """Draw the inputs and the tables that read them, up to the strategy; with a cell, what fired and what was asked."""
    made = graph(policy)
    inputs = len(policy.inputs)
    state, fired = policy.state(cell) if cell is not None else ((), ())
    path = asked(policy, cell) if cell is not None else set()
    boxes: list[tuple[str, str, str]] = []  # name, second line, tooltip
    for position, field in enumerate(policy.inputs):
        said = field.bands[cell[position]] if cell is not None else f"{len(field.bands)} bands"
        tip = f"{field.spec.question}\n" + "\n".join(_labels(field, [band]) for band in range(len(field.bands)))
        boxes.append((field.name, said, tip))
    for index, table in enumerate(policy.tables):
        said = f"{len(table.rules)} rules: {_shortened(', '.join(table.outcomes), 34)}"
        if cell is not None:
            said = f"{fired[index].id} \u2192 {table.outcomes[fired[index].outcome]}"
        rules = "\n".join(f"{rule.id} \u2192 {table.outcomes[rule.outcome]}" for rule in table.rules)
        boxes.append((table.name, said, rules))
    height, last = 46.0, len(boxes) - 1
    lines = [Line(source, target) for source, target in made.reads]
    placed = arrange(
        {position: (layer, height) for position, layer in enumerate(made.layer)}, lines, 12, 6, lambda line: line.source
    )
    columns = _columns([(made.layer[at], _wide(name, said) + 28) for at, (name, said, _) in enumerate(boxes)], 90)
    on = {position for pair in path for position in pair} | ({last} if cell is not None else set())

    def shown(position: int) -> Markup:
        name, said, tip = boxes[position]
        left, wide = columns[made.layer[position]]
        top = TOP + placed.middle[position] - height / 2
        kind = "box answer" if position == last else "box"
        return element(
            "g",
            element("title", f"{name}\n{tip}"),
            element("rect", class_=kind, x=left, y=top, width=wide, height=height, rx=23 if position < inputs else 3),
            _text(name, left + wide / 2, top + 20, "name", anchor="middle"),
            _text(said, left + wide / 2, top + 36, "small", anchor="middle"),
            class_=_lit(position in on, cell),
        )

    arcs = [
        _line(
            _route(line, placed, columns, made.layer),
            f"{boxes[line.target][0]} reads {boxes[line.source][0]}",
            _lit((line.source, line.target) in path, cell),
            arrow=True,
        )
        for line in _lit_last(lines, lambda line: (line.source, line.target) in path)
    ]
    answer = policy.tables[-1].outcomes[state[-1]] if cell is not None else None
    width = sum(columns[max(made.layer)]) + MARGIN
    return _picture(
        policy, "how its tables read the inputs", width, placed.extent, [*arcs, *map(shown, range(len(boxes)))], answer
    )


class _Row(msgspec.Struct, frozen=True):
    """The bands of a node that lead to the same child."""

    label: str
    whole: str
    bands: tuple[int, ...]
    child: Root


def draw_diagram(policy: Policy, cell: Cell | None = None) -> str:
    """Draw the reduced diagram: a card per node, its bands merged by where they lead; with a cell, its path."""
    space = policy.diagrams
    nodes = sorted(space.nodes(policy.root), key=lambda root: (space.levels[root], root))
    levels = {level: column for column, level in enumerate(sorted({space.levels[root] for root in nodes}))}
    rows = {root: _rows(policy, policy.inputs[space.levels[root]], space.children[root]) for root in nodes}
    column = {root: levels[space.levels[root]] for root in nodes}
    lines = {
        (root, index): Line(root, row.child, (index - (len(rows[root]) - 1) / 2) * ROW)
        for root in nodes
        for index, row in enumerate(rows[root])
        if row.child >= 0
    }
    placed = arrange(
        {root: (column[root], len(rows[root]) * ROW + 8.0) for root in nodes},
        list(lines.values()),
        10,
        5,
        lambda line: line.target,
    )
    wide = [
        (at, max([_wide(policy.inputs[level].name), *(_wide(row.label) + 36 for root in nodes
                  if column[root] == at for row in rows[root])]))
        for level, at in levels.items()
    ]  # fmt: skip
    columns = _columns(wide, 70) if nodes else {}
    path = _path(policy, cell)
    low = TOP + 28
    drawn: list[Markup] = []
    for level, at in levels.items():
        left, across = columns[at]
        field = policy.inputs[level]
        if at % 2 == 0:
            drawn.append(
                element("rect", class_="band", x=left - 12, y=TOP - 16, width=across + 24, height=placed.extent + 56)
            )
        heading = _text(field.name, left + across / 2, TOP + 4, "name", anchor="middle")
        drawn.append(element("g", element("title", field.spec.question), heading))
    drawn += [
        _line(
            _route(line, placed, columns, column, low),
            f"{policy.inputs[space.levels[root]].name}: {rows[root][index].whole}",
            _lit((root, index) in path, cell),
        )
        for (root, index), line in _lit_last(list(lines.items()), lambda one: _on(path, one[0], rows))
    ]
    return ""


def _on(path: object, key: object, rows: object) -> bool:
    return False
