"""What a policy's examples exercise of its cells: exact counts, by the path that each decision takes."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from trivium.policy.engine.compiled import Policy, compose
from trivium.policy.engine.diagram import FALSE, TRUE, Cell, Diagrams, Limits, Root, TooLargeError


LIMITS = Limits(nodes=500_000, edges=2_500_000, steps=20_000_000)
"""What counting paths may need: shipped policies need some ten thousand nodes. Larger ones are not counted."""

Path: TypeAlias = frozenset[tuple[int, int]]
"""The row that fires, for each table that is asked."""


class PathCoverage(msgspec.Struct, frozen=True):
    """How many decision paths the examples take, and how many cells those stand for.

    A path is the rules that fired in the table `strategy`, in the tables which that rule or one above it asks for, and
    so on back to the inputs. What fired in a table nobody asked makes no difference.

    Attributes:
        covered: paths that some example takes.
        total: paths that some cell takes.
        cells: cells that take a covered path.
        all_cells: all cells.
    """

    covered: int
    total: int
    cells: int
    all_cells: int


def path_coverage(policy: Policy) -> PathCoverage | None:
    """Count the decision paths, and the cells they stand for; None where that needs more than `LIMITS`.

    Raises:
        ValueError: an example's profile states what no band holds.
    """
    try:
        paths = _Paths(policy)
        total = paths.count()
        taken = {paths.taken(policy.read_profile(example.profile)[0]) for example in policy.document.tests}
        return PathCoverage(len(taken), total, sum(map(paths.cells, taken)), policy.cells)
    except TooLargeError:
        return None


class _Paths:
    """The decision paths of a policy.

    They are counted without a list of them, from the last table back to the first: per row of a table, the cells in
    which it fires are split by the tables it asks. Cells that differ only in inputs that no earlier table depends on go
    on alike, so these inputs are left out on the way, and what is left is counted once.
    """

    def __init__(self, policy: Policy) -> None:
        inputs = len(policy.inputs)
        self._policy = policy
        self._space = Diagrams(policy.diagrams.sizes, LIMITS)
        firing = compose(policy.tables, self._space, inputs, self._space.among)
        self._asks: list[list[frozenset[int]]] = []
        """Per table and row, the earlier tables that the row or one above it asks."""
        self._fires: list[list[Root]] = []
        """Per table and row, the predicate that it fires."""
        self._idle: list[frozenset[int]] = []
        """Per table, the inputs that neither it nor any table before it depends on."""
        idle = frozenset(range(inputs))
        for table, root in zip(policy.tables, firing, strict=True):
            asked: frozenset[int] = frozenset()
            asks, fires = [], []
            for row, rule in enumerate(table.rules):
                asked |= {position - inputs for position, _ in rule.condition if position >= inputs}
                asks.append(asked)
                fires.append(self._space.where(root, (row,)))
            idle -= {self._space.levels[node] for node in self._space.nodes(root)}
            self._asks.append(asks)
            self._fires.append(fires)
            self._idle.append(idle)

    def count(self) -> int:
        """Return how many paths some cell takes."""
        last = len(self._fires) - 1
        return self._count(frozenset([last]), TRUE, {})

    def _count(self, asked: frozenset[int], cells: Root, counted: dict[tuple[frozenset[int], Root], int]) -> int:
        """Return how many paths through the tables that are asked, and those that they ask, some of the cells take."""
        if not asked:
            return 1
        table = max(asked)  # all that ask for it have been asked before
        cells = self._space.exists(cells, self._idle[table])
        key = (asked, cells)
        if (number := counted.get(key)) is None:
            number = 0
            for asks, fires in zip(self._asks[table], self._fires[table], strict=True):
                some = self._space.choose(cells, fires, FALSE)
                if some != FALSE:
                    number += self._count((asked - {table}) | asks, some, counted)
            counted[key] = number
        return number

    def taken(self, cell: Cell) -> Path:
        """Return the path that a cell takes."""
        fired = self._policy.decide(cell).fired
        asked, path = {len(fired) - 1}, set()
        while asked:
            table = max(asked)
            row = fired[table].position
            path.add((table, row))
            asked = (asked - {table}) | self._asks[table][row]
        return frozenset(path)

    def cells(self, path: Path) -> int:
        """Return how many cells take a path."""
        return self._space.count(self._space.every(self._fires[table][row] for table, row in sorted(path)))[1]
