"""The completion diagram: which strategies are reachable, for any pattern of known and unknown inputs, in one walk.

It is the policy's diagram with one more band per input, *unknown*, whose child is the union over the bands that a
profile can state. Its leaves are sets of strategies, as bit masks. So it is a finite function like the policy itself,
and what the policy says of every completion of a profile is read off it as quickly as what it says of one cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import TypeAlias

import msgspec

from trivium.policy.engine.diagram import Diagram, Diagrams, Root, leaf, leaf_value


UNKNOWN = -1
"""The band of an input that is unknown. Its child stands after those of all other bands, hence the number."""

Mask: TypeAlias = int
"""A set of strategies: bit `n` is set where strategy `n` is among them."""


class Completion(msgspec.Struct, frozen=True, eq=False):
    """The completion diagram of a policy.

    Attributes:
        diagram: where its nodes are.
        root: from patterns (per input a band, or `UNKNOWN`) to masks of strategies.
        telling: the inputs from the least to the most telling: by the number of cells of stated bands in which another
            band of that input alone would change the strategy, then the later in document order first.
    """

    diagram: Diagram
    root: Root
    telling: tuple[int, ...]

    def reachable(self, pattern: Sequence[int]) -> Mask:
        """Return the strategies that the completions of a pattern lead to.

        Args:
            pattern: per input its band, or `UNKNOWN`, which stands for every band that a profile can state.
        """
        root, levels, children = self.root, self.diagram.levels, self.diagram.children
        while root >= 0:
            root = children[root][pattern[levels[root]]]
        return leaf_value(root)


def members(mask: Mask) -> tuple[int, ...]:
    """Return the strategies of a mask, in document order."""
    return tuple([strategy for strategy in range(mask.bit_length()) if mask >> strategy & 1])


def complete(diagram: Diagram, root: Root, stated: Sequence[Sequence[int]]) -> Completion:
    """Build the completion diagram of a policy's diagram.

    Args:
        diagram: where the policy's nodes are.
        root: from cells to the index of the strategy.
        stated: per input, the bands that a profile can state.

    Raises:
        TooLargeError: it needs more than the limits allow.
    """
    space = Diagrams([size + 1 for size in diagram.sizes])
    unions: dict[tuple[Root, Root], Root] = {}

    def union(one: Root, other: Root) -> Root:
        if one < 0 and other < 0:
            made = leaf(leaf_value(one) | leaf_value(other))
        else:
            united = []
            level, pairs = space.pairs(one, other)
            for pair in pairs:
                low, high = pair
                if low == high:
                    united.append(low)
                    continue
                if low > high:
                    pair = high, low  # noqa: PLW2901 - their order does not matter
                known = unions.get(pair)
                united.append(union(*pair) if known is None else known)
            made = space.node(level, united)
        unions[one, other] = made
        return made

    completed: dict[Root, Root] = {}

    def of(root: Root) -> Root:
        return completed[root] if root >= 0 else leaf(1 << leaf_value(root))

    for node in diagram.nodes(root):
        level = diagram.levels[node]
        children = [of(child) for child in diagram.children[node]]
        unknown = reduce(union, dict.fromkeys(children[band] for band in stated[level]))
        completed[node] = space.node(level, (*children, unknown))
    del union  # it refers to itself: what it holds would wait for the collector
    whole, top = space.renumbered(of(root))
    pivotal = _pivotal_cells(whole, top, stated)
    return Completion(whole, top, tuple(sorted(range(len(stated)), key=lambda level: (pivotal[level], -level))))


def _pivotal_cells(diagram: Diagram, root: Root, stated: Sequence[Sequence[int]]) -> list[int]:
    """Count, per input, the cells of stated bands in which another band of it would change the strategy.

    Such a cell is one with more than one strategy reachable when the input is unknown and all others are as they are.
    """
    levels, children = diagram.levels, diagram.children
    cells = prod(map(len, stated))
    nodes = diagram.nodes(root)
    # Per root, the cells that have several strategies there, among all cells: a share of them that stays an integer.
    several = {leaf(mask): cells * (mask.bit_count() > 1) for mask in diagram.values(root)}
    for node in nodes:
        bands, below = stated[levels[node]], children[node]
        several[node] = sum([several[below[band]] for band in bands]) // len(bands)
    passing = dict.fromkeys(several, 0)  # the cells whose walk comes by
    passing[root] = cells
    pivotal = [0] * len(stated)
    for node in reversed(nodes):
        level, below = levels[node], children[node]
        pivotal[level] += passing[node] * several[below[UNKNOWN]] // cells
        each = passing[node] // len(stated[level])
        for band in stated[level]:
            passing[below[band]] += each
    return pivotal
