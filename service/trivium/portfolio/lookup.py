"""A decision diagram as arrays, so that a whole column of rows goes through it at once.

Neighbouring levels are merged into one look-up of mixed radix, as long as it has few enough entries to stay in a
processor's cache. A diagram that would need too many entries is walked node by node instead: slower, but never larger
than the diagram itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray


Column: TypeAlias = NDArray[Any]
"""One small unsigned integer per row."""

MERGED = 1 << 15
"""Most entries of a look-up that merges levels."""

ENTRIES = 1 << 22
"""Most entries of all look-ups of a diagram together: 16 MB."""


class Graph(NamedTuple):
    """A diagram to compile.

    Attributes:
        sizes: per level, the number of codes.
        levels: per node, the level it tests; those that its children test come after it.
        children: per node and code, the index of a node, or a leaf: `-1 - leaf`.
        root: the node or leaf to start from.
    """

    sizes: Sequence[int]
    levels: Sequence[int]
    children: Sequence[Sequence[int]]
    root: int


class Stage(NamedTuple):
    """One look-up.

    Attributes:
        levels: the levels that it merges, each with what a code counts in the index.
        table: what comes next: where the entries of the next node begin or, after the last stage, a leaf.
        index: a type that holds every index.
    """

    levels: tuple[tuple[int, int], ...]
    table: Column
    index: Any

    def mixed(self, columns: Sequence[Column], begins: Any) -> Column:
        """Return the index of every row, from where the entries of its node begin."""
        index = begins
        for level, stride in self.levels:
            term = columns[level] if stride == 1 else np.multiply(columns[level], stride, dtype=self.index)
            index = np.add(index, term, dtype=self.index)
        return index  # type: ignore[no-any-return]  # a stage has levels


class Lookup:
    """A compiled diagram: from one column of codes per level to the leaf of every row.

    Args:
        graph: the diagram.
        entries: most entries of all look-ups together; a diagram that needs more is walked.
    """

    def __init__(self, graph: Graph, entries: int = ENTRIES) -> None:
        self._root = graph.root
        self._stages = _stages(graph, entries)
        self._nodes = None if self._stages is not None else _Nodes(graph)
        self._strides = {
            level: (at, stride) for at, stage in enumerate(self._stages or ()) for level, stride in stage.levels
        }

    def __call__(self, columns: Sequence[Column]) -> Column:
        """Return the leaf of every row.

        Args:
            columns: per level the code of every row, below the level's size; at least one.
        """
        if self._nodes is not None:
            return self._nodes.walk(columns, self._root)
        if not self._stages:
            return np.full(len(columns[0]), -1 - self._root, np.uint8)
        state: Any = 0
        for stage in self._stages:
            state = np.take(stage.table, stage.mixed(columns, state))
        return state  # type: ignore[no-any-return]  # a column, after the first stage

    def vary(self, columns: Sequence[Column]) -> Variation:
        """Look up rows of which single codes are to be changed afterwards."""
        if self._nodes is not None or not self._stages:
            return _Recomputed(self, columns)
        return _Staged(self._stages, self._strides, columns)


class Variation(Protocol):
    """Rows that have been looked up, to be looked up again with single codes changed.

    Attributes:
        leaves: the leaf of every row, as its codes are now.
    """

    leaves: Column

    def change(self, level: int, code: int, rows: Column) -> Column:
        """Return the leaves that some rows would have with another code at a level."""

    def keep(self, rows: Column) -> None:
        """Keep the last change in some of the rows that it was tried for.

        Args:
            rows: per row of the last change, whether to keep it.
        """


class _Staged:
    """Goes on from the look-up that has the changed level; those before it stay as they are."""

    def __init__(self, stages: Sequence[Stage], strides: dict[int, tuple[int, int]], columns: Sequence[Column]) -> None:
        self._stages, self._strides, self._codes = stages, strides, [column.copy() for column in columns]
        self._mixed = [stage.mixed(columns, 0) for stage in stages]
        self._states: list[Column] = [np.zeros(len(columns[0]), np.uint8)]
        for stage, mixed in zip(stages, self._mixed, strict=True):
            index = np.add(mixed, self._states[-1], dtype=stage.index)
            self._states.append(np.take(stage.table, index))
        self.leaves = self._states[-1]
        self._tried: tuple[int, int, Column, list[tuple[Column, Column]]] = (0, 0, self.leaves[:0], [])

    def change(self, level: int, code: int, rows: Column) -> Column:
        """See `Variation`."""
        first, stride = self._strides.get(level, (len(self._stages), 0))
        changed: list[tuple[Column, Column]] = []
        state = np.take(self._states[first], rows)
        for at in range(first, len(self._stages)):
            stage = self._stages[at]
            mixed = np.take(self._mixed[at], rows)
            if at == first:  # unsigned numbers wrap around, so that a lower code counts right
                moved = np.subtract(code, np.take(self._codes[level], rows), dtype=stage.index)
                mixed = np.add(mixed, np.multiply(moved, stride, dtype=stage.index), dtype=stage.index)
            state = np.take(stage.table, np.add(mixed, state, dtype=stage.index))
            changed.append((mixed, state))
        self._tried = level, code, rows, changed
        return state

    def keep(self, rows: Column) -> None:
        """See `Variation`."""
        level, code, tried, changed = self._tried
        kept = tried[rows]
        self._codes[level][kept] = code
        first = len(self._stages) - len(changed)
        for at, (mixed, state) in enumerate(changed, first):
            self._states[at + 1][kept] = state[rows]
            if at == first:
                self._mixed[at][kept] = mixed[rows]


class _Recomputed:
    """Looks everything up again."""

    def __init__(self, lookup: Lookup, columns: Sequence[Column]) -> None:
        self._lookup, self._codes = lookup, [column.copy() for column in columns]
        self.leaves = lookup(columns)
        self._tried: tuple[int, int, Column, Column] = (0, 0, self.leaves[:0], self.leaves[:0])

    def change(self, level: int, code: int, rows: Column) -> Column:
        """See `Variation`."""
        codes = [np.take(column, rows) for column in self._codes]
        codes[level] = np.full(len(rows), code, codes[level].dtype)
        leaves = self._lookup(codes)
        self._tried = level, code, rows, leaves
        return leaves

    def keep(self, rows: Column) -> None:
        """See `Variation`."""
        level, code, tried, leaves = self._tried
        self._codes[level][tried[rows]] = code
        self.leaves[tried[rows]] = leaves[rows]


def _stages(graph: Graph, limit: int) -> list[Stage] | None:
    """Merge levels into look-ups; None where they need too many entries."""
    alive = np.array([graph.root])
    groups: list[tuple[list[int], Column]] = []
    while alive.max() >= 0:
        tested = _tested(graph, alive.tolist())
        group = [tested.pop(0)]
        entries = len(alive) * graph.sizes[group[0]]
        while tested and entries * graph.sizes[tested[0]] <= MERGED:
            group.append(tested.pop(0))
            entries *= graph.sizes[group[-1]]
        limit -= entries
        if limit < 0:
            return None
        reached = alive
        for level in group:
            reached = _children(graph, reached, level)
        alive, reached = np.unique(reached, return_inverse=True)
        groups.append((group, reached.reshape(-1)))
    stages: list[Stage] = []
    begins = -1 - alive  # after the last look-up, all that is left are leaves
    for group, reached in reversed(groups):
        table = begins[reached]
        radix, strides = 1, []
        for level in reversed(group):
            strides.append((level, radix))
            radix *= graph.sizes[level]
        stages.append(Stage(tuple(reversed(strides)), _smallest(table), np.min_scalar_type(max(len(table) - 1, 256))))
        begins = np.arange(len(table) // radix) * radix
    return stages[::-1]


def _children(graph: Graph, roots: Column, level: int) -> Column:
    """Return the roots that each code of a level leads to, as one more dimension."""
    distinct, places = np.unique(roots, return_inverse=True)
    size = graph.sizes[level]
    below = [
        graph.children[root] if root >= 0 and graph.levels[root] == level else (root,) * size
        for root in distinct.tolist()
    ]
    return np.array(below)[places.reshape(roots.shape)]


def _tested(graph: Graph, roots: Iterable[int]) -> list[int]:
    """Return the levels that are tested from some roots on."""
    found, stack = set[int](), [root for root in roots if root >= 0]
    while stack:
        if (node := stack.pop()) not in found:
            found.add(node)
            stack += [child for child in graph.children[node] if child >= 0]
    return sorted({graph.levels[node] for node in found})


def _smallest(table: Column) -> Column:
    return table.astype(np.min_scalar_type(int(table.max(initial=0))))


class _Nodes:
    """The nodes of a diagram one after another."""

    def __init__(self, graph: Graph) -> None:
        self._levels = np.array(graph.levels)
        self._begins = np.cumsum([0, *map(len, graph.children)])
        self._children = np.array([child for children in graph.children for child in children])

    def walk(self, columns: Sequence[Column], root: int) -> Column:
        """Return the leaf of every row."""
        codes = np.stack(columns)
        at = np.full(codes.shape[1], root)
        rows = np.flatnonzero(at >= 0)
        while len(rows):
            node = at[rows]
            at[rows] = self._children[self._begins[node] + codes[self._levels[node], rows]]
            rows = rows[at[rows] >= 0]
        return -1 - at
