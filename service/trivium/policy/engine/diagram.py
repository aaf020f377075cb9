"""Reduced ordered multi-valued decision diagrams: build, combine, walk, count.

A *root* is an integer. Leaves are negative: the leaf of value `v` is `~v`. Every other root is the index of a node, a
level (the position of the variable it tests) with one child root per band. Nodes are hash-consed and never test what
does not matter, so two functions are equal exactly when their roots are (Bryant 1986; multi-valued: Kam et al. 1998).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias


Root: TypeAlias = int
Cell: TypeAlias = tuple[int, ...]
"""One band index per variable."""

FALSE: Root = ~0
TRUE: Root = ~1


class TooLargeError(Exception):
    """Building needed more nodes than the limit."""


class Diagrams:
    """A shared space of diagrams over fixed variables.

    Args:
        sizes: number of bands per variable, in diagram order.
        limit: most nodes that may be made before building gives up with `TooLargeError`.
    """

    def __init__(self, sizes: Sequence[int], limit: int = 100_000) -> None:
        self.sizes = tuple(sizes)
        self.levels: list[int] = []
        self.children: list[tuple[Root, ...]] = []
        self._limit = limit
        self._unique: dict[tuple[int, tuple[Root, ...]], Root] = {}

    def node(self, level: int, children: Iterable[Root]) -> Root:
        """Return the one root that tests `level` and goes on with `children`."""
        children = tuple(children)
        first = children[0]
        if children.count(first) == len(children):
            return first
        key = (level, children)
        root = self._unique.get(key)
        if root is None:
            root = len(self.levels)
            if root >= self._limit:
                raise TooLargeError(f"more than {self._limit} nodes")
            self.levels.append(level)
            self.children.append(children)
            self._unique[key] = root
        return root

    def level(self, root: Root) -> int:
        """Return the level a root tests; leaves come after all variables."""
        return self.levels[root] if root >= 0 else len(self.sizes)

    def among(self, level: int, bands: Iterable[int]) -> Root:
        """Return the predicate "the variable is in one of the bands"."""
        wanted = set(bands)
        return self.node(level, (TRUE if band in wanted else FALSE for band in range(self.sizes[level])))

    def cofactor(self, root: Root, level: int, band: int) -> Root:
        """Return the function with one variable held at a band."""

        def hold(root: Root) -> Root:
            at = self.level(root)
            if at > level:
                return root
            if at == level:
                return self.children[root][band]
            if (held := memo.get(root)) is None:
                held = memo[root] = self.node(at, map(hold, self.children[root]))
            return held

        memo: dict[Root, Root] = {}
        return hold(root)

    def combine(self, operation: Callable[..., int], *roots: Root) -> Root:
        """Apply an operation on leaf values pointwise to any number of functions."""

        def apply(roots: tuple[Root, ...]) -> Root:
            if (root := memo.get(roots)) is None:
                level = min(map(self.level, roots))
                if level == len(self.sizes):
                    root = ~operation(*(~leaf for leaf in roots))
                else:
                    root = self.node(level, map(apply, self._step(roots, level)))
                memo[roots] = root
            return root

        memo: dict[tuple[Root, ...], Root] = {}
        return apply(roots)

    def choose(self, condition: Root, then: Root, otherwise: Root) -> Root:
        """Return `then` where the condition is true and `otherwise` elsewhere."""

        def apply(condition: Root, then: Root, otherwise: Root) -> Root:
            if condition == TRUE or then == otherwise:
                return then
            if condition == FALSE:
                return otherwise
            if then == TRUE and otherwise == FALSE:
                return condition
            key = (condition, then, otherwise)
            if (root := memo.get(key)) is None:
                level = min(map(self.level, key))
                root = memo[key] = self.node(level, (apply(*at) for at in self._step(key, level)))
            return root

        memo: dict[tuple[Root, Root, Root], Root] = {}
        return apply(condition, then, otherwise)

    def every(self, conditions: Iterable[Root]) -> Root:
        """Return the conjunction of predicates."""
        result = TRUE
        for condition in conditions:
            result = self.choose(condition, result, FALSE)
        return result

    def _step(self, roots: tuple[Root, ...], level: int) -> Iterator[tuple[Root, ...]]:
        """Per band of a level, the children of the roots that test it, beside the roots that do not."""
        levels, children, size = self.levels, self.children, self.sizes[level]
        columns = [children[root] if root >= 0 and levels[root] == level else (root,) * size for root in roots]
        return zip(*columns, strict=True)

    def value(self, root: Root, cell: Sequence[int]) -> int:
        """Return the leaf value at a cell."""
        levels, children = self.levels, self.children
        while root >= 0:
            root = children[root][cell[levels[root]]]
        return ~root

    def nodes(self, *roots: Root) -> list[Root]:
        """List the inner nodes below some roots, each after all of its children."""
        found: dict[Root, None] = {}
        stack = [(root, False) for root in roots]
        while stack:
            root, expanded = stack.pop()
            if root < 0 or root in found:
                continue
            if expanded:
                found[root] = None
            else:
                stack.append((root, True))
                stack.extend((child, False) for child in self.children[root])
        return list(found)

    def values(self, root: Root) -> set[int]:
        """Return the leaf values that some cell reaches."""
        if root < 0:
            return {~root}
        return {~child for node in self.nodes(root) for child in self.children[node] if child < 0}

    def count(self, root: Root) -> dict[int, int]:
        """Return the exact number of cells per leaf value."""
        below = [1] * (len(self.sizes) + 1)  # cells of the variables from a level on
        for level in reversed(range(len(self.sizes))):
            below[level] = below[level + 1] * self.sizes[level]
        counts: dict[Root, dict[int, int]] = {}

        def of(root: Root) -> dict[int, int]:
            return counts[root] if root >= 0 else {~root: 1}

        for node in self.nodes(root):
            level = self.levels[node]
            total: dict[int, int] = {}
            for child in self.children[node]:
                free = below[level + 1] // below[self.level(child)]
                for value, cells in of(child).items():
                    total[value] = total.get(value, 0) + cells * free
            counts[node] = total
        free = below[0] // below[self.level(root)]
        return {value: cells * free for value, cells in of(root).items()}

    def paths(self, root: Root, value: int) -> Iterator[dict[int, int]]:
        """Yield every path to a leaf value as level to band; levels a path leaves out may have any band."""
        leads = {node for node in self.nodes(root) if value in self.values(node)} | {~value}

        def follow(root: Root, path: dict[int, int]) -> Iterator[dict[int, int]]:
            if root == ~value:
                yield path
            elif root in leads:
                for band, child in enumerate(self.children[root]):
                    yield from follow(child, {**path, self.levels[root]: band})

        yield from follow(root, {})

    def witness(self, root: Root, value: int) -> dict[int, int] | None:
        """Return one path to a leaf value, or None."""
        return next(self.paths(root, value), None)
