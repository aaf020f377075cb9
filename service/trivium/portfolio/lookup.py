"""A decision diagram as arrays, so that a whole column of rows goes through it at once.

Neighbouring levels are merged into one look-up of mixed radix, as long as it has few enough entries to stay in a
processor's cache. A diagram that would need too many entries is walked node by node instead: slower, but never larger
than the diagram itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray


Column: TypeAlias = NDArray[Any]
"""One small unsigned integer per row."""

MERGED = 1 << 15
"""Most entries of a look-up that merges levels; an index of them has two bytes."""

ENTRIES = 1 << 22
"""Most entries of all look-ups of a diagram together: 16 MB."""

BYTES = 1 << 8
"""Most entries of a look-up that translates bytes."""


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
        parts: the levels that it merges, as many together as a byte can hold: how many codes these have together,
            and each with its size.
        take: what comes next: where the entries of the next node begin or, after the last stage, a leaf.
        index: a type that holds every index.
    """

    parts: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    take: Callable[[Column], Column]
    index: Any

    def mixed(self, columns: Sequence[Column]) -> Column:
        """Return the index of every row, from where the entries of its node begin; bytes are mixed first."""
        parts = [
            (_mixed([(columns[level], size) for level, size in levels], np.uint8), radix)
            for radix, levels in self.parts
        ]
        return _mixed(parts, np.uint16)

    def next(self, mixed: Column, begins: Column | None) -> Column:
        """Return what comes next, where entries begin somewhere else than at the first."""
        return self.take(mixed if begins is None else np.add(mixed, begins, dtype=self.index))


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
        self._strides: dict[int, tuple[int, int]] = {}
        for at, stage in enumerate(self._stages or ()):
            stride = 1
            for level, size in reversed([one for _, levels in stage.parts for one in levels]):
                self._strides[level] = at, stride
                stride *= size

    def __call__(self, columns: Sequence[Column]) -> Column:
        """Return the leaf of every row.

        Args:
            columns: per level the code of every row, below the level's size; at least one.
        """
        if self._nodes is not None:
            return self._nodes.walk(columns, self._root)
        if not self._stages:
            return np.full(len(columns[0]), -1 - self._root, np.uint8)
        state = None
        for stage in self._stages:
            state = stage.next(stage.mixed(columns), state)
        return state  # type: ignore[return-value]  # a column, after the first stage

    def vary(self, columns: Sequence[Column]) -> Variation:
        """Look up rows of which single codes are to be changed afterwards."""
        if self._nodes is not None or not self._stages:
            return _Recomputed(self, columns)
        return _Staged(self._stages, self._strides, columns)


class Variation(Protocol):
    """Rows that have been looked up, to be looked up again with one code changed.

    Attributes:
        codes: the codes of every row, as they are now.
        leaves: their leaves.
    """

    codes: list[Column]
    leaves: Column

    def answers(self, level: int, codes: Iterable[int], rows: Column) -> Iterator[Column]:
        """Yield the leaves that some rows would have with each of some codes at a level."""

    def change(self, level: int, code: int) -> Column:
        """Return the leaf that every row would have with another code at a level."""

    def keep(self, rows: Column) -> None:
        """Keep the last change in some rows: per row, whether to."""


class _Staged:
    """Goes on from the look-up that has the changed level; those before it stay as they are."""

    def __init__(self, stages: Sequence[Stage], strides: dict[int, tuple[int, int]], columns: Sequence[Column]) -> None:
        self.codes = [column.copy() for column in columns]
        self._stages, self._strides = stages, strides
        self._mixed = [stage.mixed(columns).astype(stage.index) for stage in stages]
        self._states: list[Column] = [np.zeros(len(columns[0]), np.uint8)]
        for stage, mixed in zip(stages, self._mixed, strict=True):
            self._states.append(stage.next(mixed, self._states[-1]))
        self.leaves = self._states[-1]
        self._tried: tuple[int, int, Any, list[Column]] = (0, 0, 0, [])

    def answers(self, level: int, codes: Iterable[int], rows: Column) -> Iterator[Column]:
        """See `Variation`."""
        first, stride = self._strides.get(level, (len(self._stages), 0))
        begins = self._states[first].take(rows)
        mixed = [self._mixed[at].take(rows) for at in range(first, len(self._stages))]
        if mixed:
            kind = self._stages[first].index
            mixed[0] += begins  # and less what the present code counts: unsigned numbers wrap around
            mixed[0] -= np.multiply(self.codes[level].take(rows), stride, dtype=kind)
        for code in codes:
            state = begins
            for at, index in enumerate(mixed):
                stage = self._stages[first + at]
                moved = stage.index.type(code * stride) if at == 0 else state
                state = stage.take(np.add(index, moved, dtype=stage.index))
            yield state

    def change(self, level: int, code: int) -> Column:
        """See `Variation`."""
        first, stride = self._strides.get(level, (len(self._stages), 0))
        states, moved = [self._states[first]], None
        for at in range(first, len(self._stages)):
            stage = self._stages[at]
            index = np.add(self._mixed[at], states[-1], dtype=stage.index)
            if moved is None:  # unsigned numbers wrap around, so that a lower code moves back
                moved = np.subtract(code, self.codes[level], dtype=stage.index)
                moved = np.multiply(moved, stride, out=moved)
                index += moved
            states.append(stage.take(index))
        self._tried = level, code, moved, states
        return states[-1]

    def keep(self, rows: Column) -> None:
        """See `Variation`."""
        level, code, moved, states = self._tried
        masks = _Masks(rows)
        if moved is not None:
            first, _ = self._strides[level]
            self._mixed[first] += moved & masks[moved.dtype]
            for at, state in enumerate(states[1:], first + 1):
                self._states[at] ^= (self._states[at] ^ state) & masks[state.dtype]
        self.codes[level] ^= (self.codes[level] ^ np.uint8(code)) & masks[self.codes[level].dtype]


class _Recomputed:
    """Looks everything up again."""

    def __init__(self, lookup: Lookup, columns: Sequence[Column]) -> None:
        self.codes = [column.copy() for column in columns]
        self.leaves = lookup(columns)
        self._lookup = lookup
        self._tried: tuple[int, int, Column] = (0, 0, self.leaves)

    def answers(self, level: int, codes: Iterable[int], rows: Column) -> Iterator[Column]:
        """See `Variation`."""
        columns = [column.take(rows) for column in self.codes]
        for code in codes:
            columns[level] = np.full(len(rows), code, np.uint8)
            yield self._lookup(columns)

    def change(self, level: int, code: int) -> Column:
        """See `Variation`."""
        codes = self.codes.copy()
        codes[level] = np.full_like(codes[level], code)
        leaves = self._lookup(codes)
        self._tried = level, code, leaves
        return leaves

    def keep(self, rows: Column) -> None:
        """See `Variation`."""
        level, code, leaves = self._tried
        self.codes[level] = select(rows, np.uint8(code), self.codes[level])
        self.leaves = np.where(rows, leaves, self.leaves)


def select(rows: Column, one: Any, other: Any) -> Column:
    """Return one unsigned number in some rows, and the other elsewhere: `np.where` without its branches.

    Args:
        rows: per row, whether to take the first.
        one: the numbers there.
        other: the numbers elsewhere, of the same type.
    """
    return ((one ^ other) & _Masks(rows)[np.result_type(one, other)]) ^ other  # type: ignore[no-any-return]  # a column


def gatherer(values: Column) -> Callable[[Column], Column]:
    """Return what gives the number at every place; translating bytes is twice as fast as taking numbers.

    Args:
        values: the numbers; of bytes, the last one is beyond them too.
    """
    if len(values) > BYTES or values.dtype != np.uint8:
        return values.take
    table = values.tobytes().ljust(BYTES, values[-1:].tobytes())
    return lambda places: np.frombuffer(bytearray(places.astype(np.uint8, copy=False)).translate(table), np.uint8)


class _Masks(dict[Any, Column]):
    """By type of number, all bits where a row is meant, and none elsewhere."""

    def __init__(self, rows: Column) -> None:
        super().__init__()
        self._rows = rows.view(np.uint8)

    def __missing__(self, kind: Any) -> Column:
        self[kind] = mask = np.negative(self._rows.astype(kind, copy=False))
        return mask  # type: ignore[no-any-return]  # a column


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
        radix = prod([graph.sizes[level] for level in group])
        stages.append(Stage(_parts(graph, group), gatherer(_smallest(table)), np.min_scalar_type(len(table) - 1)))
        begins = np.arange(len(table) // radix) * radix
    return stages[::-1]


def _parts(graph: Graph, levels: Iterable[int]) -> tuple[tuple[int, tuple[tuple[int, int], ...]], ...]:
    """Return the parts of a stage that merges some levels."""
    parts: list[list[tuple[int, int]]] = [[]]
    for level in levels:
        size = graph.sizes[level]
        if size * prod([one for _, one in parts[-1]]) > BYTES:
            parts.append([])
        parts[-1].append((level, size))
    return tuple([(prod([size for _, size in part]), tuple(part)) for part in parts])


def _mixed(digits: Sequence[tuple[Column, int]], kind: Any) -> Column:
    """Return numbers of mixed radix: of each digit, the first ones count most, the column and its size."""
    (number, _), *others = digits
    for digit, size in others:
        number = np.multiply(number, size, dtype=kind)
        np.add(number, digit, out=number)
    return number


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
