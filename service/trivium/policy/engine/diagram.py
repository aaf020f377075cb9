"""Reduced ordered multi-valued decision diagrams: build, combine, walk, count.

A *root* is an integer. Leaves are negative; every other root is the index of a node, a level (the position of the
variable it tests) with one child root per band, each of a lower number. Nodes are hash-consed and never test what does
not matter, so two functions are equal exactly when their roots are (Bryant 1986; multi-valued: Kam et al. 1998).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple, TypeAlias


Root: TypeAlias = int
Cell: TypeAlias = tuple[int, ...]
"""One band index per variable."""


def leaf(value: int) -> Root:
    """Return the root of the function that has one value everywhere.

    Leaves count down from -2: CPython hashes -1 like -2, and children that hash alike make building slow.
    """
    return -2 - value


def leaf_value(root: Root) -> int:
    """Return the value of a leaf."""
    return -2 - root


FALSE: Root = leaf(0)
TRUE: Root = leaf(1)


class TooLargeError(Exception):
    """Building needed more memory or more work than the limits allow."""


class Limits(NamedTuple):
    """What building may need before it gives up.

    Attributes:
        nodes: nodes made.
        edges: children of all nodes together, which is what the memory goes to.
        steps: children looked at by all operations together, which is what the time goes to.
    """

    nodes: int = 100_000
    edges: int = 500_000
    steps: int = 5_000_000


LIMITS = Limits()
"""What a policy may need; those that are shipped need a few thousand nodes."""


class Diagram:
    """A space of diagrams to read.

    Attributes:
        sizes: number of bands per variable, in diagram order.
        levels: per node, the variable it tests.
        children: per node, one child per band of that variable.
    """

    def __init__(
        self, sizes: Sequence[int], levels: Sequence[int] = (), children: Sequence[tuple[Root, ...]] = ()
    ) -> None:
        self.sizes = tuple(sizes)
        self.levels: Sequence[int] = tuple(levels)
        self.children: Sequence[tuple[Root, ...]] = tuple(children)

    def level(self, root: Root) -> int:
        """Return the level a root tests; leaves come after all variables."""
        return self.levels[root] if root >= 0 else len(self.sizes)

    def value(self, root: Root, cell: Sequence[int]) -> int:
        """Return the leaf value at a cell."""
        levels, children = self.levels, self.children
        while root >= 0:
            root = children[root][cell[levels[root]]]
        return leaf_value(root)

    def nodes(self, *roots: Root) -> list[Root]:
        """List the inner nodes below some roots, each after all of its children, which have lower numbers."""
        found = {root for root in roots if root >= 0}
        waiting = list(found)
        while waiting:
            for child in self.children[waiting.pop()]:
                if child >= 0 and child not in found:
                    found.add(child)
                    waiting.append(child)
        return sorted(found)

    def values(self, root: Root) -> set[int]:
        """Return the leaf values that some cell reaches."""
        if root < 0:
            return {leaf_value(root)}
        return {leaf_value(child) for node in self.nodes(root) for child in self.children[node] if child < 0}

    def count(self, root: Root) -> dict[int, int]:
        """Return the exact number of cells per leaf value."""
        below = [1] * (len(self.sizes) + 1)  # cells of the variables from a level on
        for level in reversed(range(len(self.sizes))):
            below[level] = below[level + 1] * self.sizes[level]
        counts: dict[Root, dict[int, int]] = {}

        def of(root: Root) -> dict[int, int]:
            return counts[root] if root >= 0 else {leaf_value(root): 1}

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
        leads = {leaf(value)}
        for node in self.nodes(root):  # each after its children
            if not leads.isdisjoint(self.children[node]):
                leads.add(node)

        def follow(root: Root, path: dict[int, int]) -> Iterator[dict[int, int]]:
            if root == leaf(value):
                yield path
            elif root in leads:
                for band, child in enumerate(self.children[root]):
                    yield from follow(child, {**path, self.levels[root]: band})

        yield from follow(root, {})

    def witness(self, root: Root, value: int) -> dict[int, int] | None:
        """Return one path to a leaf value, or None."""
        return next(self.paths(root, value), None)

    def renumbered(self, root: Root) -> tuple[Diagram, Root]:
        """Return a diagram of its own, with the nodes below a root only, each after all of its children."""
        nodes = self.nodes(root)
        index = {node: position for position, node in enumerate(nodes)}
        children = [tuple([index.get(child, child) for child in self.children[node]]) for node in nodes]
        return Diagram(self.sizes, [self.levels[node] for node in nodes], children), index.get(root, root)


class Diagrams(Diagram):
    """A space of diagrams to build in.

    Args:
        sizes: number of bands per variable, in diagram order.
        limits: what may be needed before building gives up with `TooLargeError`.
        onto: what was built before; its roots keep their meaning.
    """

    levels: list[int]
    children: list[tuple[Root, ...]]

    def __init__(self, sizes: Sequence[int], limits: Limits = LIMITS, onto: Diagram | None = None) -> None:
        super().__init__(sizes)
        self.levels = list(onto.levels) if onto else []
        self.children = list(onto.children) if onto else []
        self._unique: list[dict[tuple[Root, ...], Root]] = [{} for _ in self.sizes]
        for root, (level, children) in enumerate(zip(self.levels, self.children, strict=True)):
            self._unique[level][children] = root
        self._limits = limits
        self._edges, self._steps_left = 0, limits.steps
        self._held: dict[tuple[int, int], dict[Root, Root]] = {}
        self._where: dict[tuple[Root, frozenset[int]], Root] = {}

    def frozen(self) -> Diagram:
        """Return what was built, to read."""
        return Diagram(self.sizes, self.levels, self.children)

    def node(self, level: int, children: Iterable[Root]) -> Root:
        """Return the one root that tests `level` and goes on with `children`."""
        children = tuple(children)
        first, count = children[0], len(children)
        self._steps_left -= count
        if self._steps_left < 0:
            raise TooLargeError(f"more than {self._limits.steps} steps of building")
        if children.count(first) == count:
            return first
        root = self._unique[level].get(children)
        return self._added(level, children) if root is None else root

    def _added(self, level: int, children: tuple[Root, ...]) -> Root:
        root = self._unique[level][children] = len(self.levels)
        self._edges += len(children)
        if root >= self._limits.nodes:
            raise TooLargeError(f"more than {self._limits.nodes} nodes")
        if self._edges > self._limits.edges:
            raise TooLargeError(f"more than {self._limits.edges} edges")
        self.levels.append(level)
        self.children.append(children)
        return root

    def among(self, level: int, bands: Iterable[int]) -> Root:
        """Return the predicate "the variable is in one of the bands"."""
        wanted = set(bands)
        return self.node(level, (TRUE if band in wanted else FALSE for band in range(self.sizes[level])))

    def cofactor(self, root: Root, level: int, band: int) -> Root:
        """Return the function with one variable held at a band."""
        levels, children = self.levels, self.children

        def hold(root: Root) -> Root:
            if root < 0 or (at := levels[root]) > level:
                return root
            if at == level:
                return children[root][band]
            if (held := memo.get(root)) is None:
                held = memo[root] = self.node(at, map(hold, children[root]))
            return held

        memo = self._held.setdefault((level, band), {})
        held = hold(root)
        del hold  # as in `choose`
        return held

    def where(self, root: Root, values: Collection[int]) -> Root:
        """Return the predicate "the function has one of the values"."""
        key = (root, frozenset(values))
        if (made := self._where.get(key)) is None:
            made = self._where[key] = self._relabel(lambda value: int(value in values), root)
        return made

    def negated(self, condition: Root) -> Root:
        """Return the predicate that holds where another one does not."""
        return self.where(condition, (0,))

    def combine(self, operation: Callable[..., int], *roots: Root) -> Root:
        """Apply an operation on leaf values pointwise to any number of functions."""

        def apply(roots: tuple[Root, ...]) -> Root:
            if (root := memo.get(roots)) is None:
                level = min(map(self.level, roots))
                if level == len(self.sizes):
                    root = leaf(operation(*map(leaf_value, roots)))
                else:
                    root = self.node(level, map(apply, zip(*self.step(roots, level), strict=True)))
                memo[roots] = root
            return root

        memo: dict[tuple[Root, ...], Root] = {}
        combined = apply(roots) if len(roots) > 1 else self._relabel(operation, *roots)
        del apply  # as in `choose`
        return combined

    def _relabel(self, operation: Callable[..., int], root: Root) -> Root:
        """Apply an operation on the leaf values of one function."""
        levels, children, memo = self.levels, self.children, dict[Root, Root]()

        def apply(root: Root) -> Root:
            made = memo.get(root)
            if made is None:
                if root < 0:
                    made = leaf(operation(leaf_value(root)))
                else:
                    made = self.node(levels[root], map(apply, children[root]))
                memo[root] = made
            return made

        relabeled = apply(root)
        del apply  # as in `choose`
        return relabeled

    def choose(self, condition: Root, then: Root, otherwise: Root) -> Root:
        """Return `then` where the condition is true and `otherwise` elsewhere."""

        def apply(condition: Root, then: Root, otherwise: Root) -> Root:
            if condition == TRUE or then == otherwise:
                return then
            if condition == otherwise:  # which is false where it is taken
                otherwise = FALSE
                if then == FALSE:
                    return FALSE
            if condition == FALSE:
                return otherwise
            if then == TRUE and otherwise == FALSE:
                return condition
            key = (condition, then, otherwise)
            if (root := memo.get(key)) is None:
                level = levels[condition]
                if then >= 0 and levels[then] < level:
                    level = levels[then]
                if otherwise >= 0 and levels[otherwise] < level:
                    level = levels[otherwise]
                # As `step` has it, without a call: policies are composed and proved by this.
                root = memo[key] = self.node(
                    level,
                    map(
                        apply,
                        children[condition] if levels[condition] == level else repeat(condition),
                        children[then] if then >= 0 and levels[then] == level else repeat(then),
                        children[otherwise] if otherwise >= 0 and levels[otherwise] == level else repeat(otherwise),
                    ),
                )
            return root

        levels, children, memo = self.levels, self.children, dict[tuple[Root, Root, Root], Root]()
        chosen = apply(condition, then, otherwise)
        del apply  # it refers to itself: what it holds would wait for the collector
        return chosen

    def every(self, conditions: Iterable[Root]) -> Root:
        """Return the conjunction of predicates."""
        result = TRUE
        for condition in conditions:
            result = self.choose(condition, result, FALSE)
        return result

    def exists(self, predicate: Root, levels: frozenset[int]) -> Root:
        """Return where a predicate is true for some bands of some variables; it no longer tests these."""

        def apply(root: Root) -> Root:
            if root < 0:
                return root
            if (made := memo.get(root)) is None:
                level = self.levels[root]
                children = list(map(apply, *self.step((root,), level)))
                if level in levels:
                    made = FALSE
                    for child in dict.fromkeys(children):
                        made = self.choose(made, TRUE, child)
                else:
                    made = self.node(level, children)
                memo[root] = made
            return made

        memo: dict[Root, Root] = {}
        return apply(predicate)

    def step(self, roots: tuple[Root, ...], level: int) -> list[Iterable[Root]]:
        """Per root, what it goes on with in each band of a level: its children, or itself where it does not test it."""
        levels, children, size = self.levels, self.children, self.sizes[level]
        return [children[root] if root >= 0 and levels[root] == level else (root,) * size for root in roots]

    def pairs(self, one: Root, other: Root) -> tuple[int, Iterator[tuple[Root, Root]]]:
        """Return the first level that either of two roots tests, and what both go on with in each band of it."""
        levels, children = self.levels, self.children
        if other < 0 or (one >= 0 and levels[one] < levels[other]):
            return levels[one], zip(children[one], repeat(other), strict=False)
        if one < 0 or levels[other] < levels[one]:
            return levels[other], zip(repeat(one), children[other], strict=False)
        return levels[one], zip(children[one], children[other], strict=True)
