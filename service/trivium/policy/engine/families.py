"""Families of sets of inputs as zero-suppressed diagrams: united, subtracted, counted and listed without listing all.

A family is an integer: `NONE` has no set, `BASE` the empty set only, and every other one is the index of a node: an
input, the family of the sets without it, and that of the sets with it, less the input (Minato 1993).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias


Family: TypeAlias = int

NONE: Family = 0
BASE: Family = 1


class Families:
    """A space of families that share their nodes."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, Family, Family]] = [(1 << 30, NONE, NONE)] * 2  # the two ends, below all inputs
        self._counts = [0, 1]
        self._unique: dict[tuple[int, Family, Family], Family] = {}
        self._unions: dict[tuple[Family, Family], Family] = {}
        self._differences: dict[tuple[Family, Family], Family] = {}

    def node(self, level: int, without: Family, having: Family) -> Family:
        """Return the sets of `without`, and those of `having` with an input added that comes before all of theirs."""
        if having == NONE:
            return without
        key = (level, without, having)
        if (family := self._unique.get(key)) is None:
            family = self._unique[key] = len(self._nodes)
            self._nodes.append(key)
            self._counts.append(self._counts[without] + self._counts[having])
        return family

    def union(self, one: Family, other: Family) -> Family:
        """Return the sets that are in either family."""
        if other in (one, NONE):
            return one
        if one == NONE:
            return other
        key = (one, other) if one < other else (other, one)
        if (family := self._unions.get(key)) is None:
            level, (lows, highs) = self._split(*key)
            family = self._unions[key] = self.node(level, self.union(*lows), self.union(*highs))
        return family

    def difference(self, one: Family, other: Family) -> Family:
        """Return the sets of one family that are not in the other."""
        if one == other:
            return NONE
        if NONE in {one, other}:
            return one
        key = (one, other)
        if (family := self._differences.get(key)) is None:
            level, (lows, highs) = self._split(*key)
            family = self._differences[key] = self.node(level, self.difference(*lows), self.difference(*highs))
        return family

    def _split(self, one: Family, other: Family) -> tuple[int, tuple[tuple[Family, Family], tuple[Family, Family]]]:
        """Return the first input of two families, and both without it and with it."""
        level = min(self._nodes[one][0], self._nodes[other][0])
        parts = [
            self._nodes[family][1:] if self._nodes[family][0] == level else (family, NONE) for family in (one, other)
        ]
        return level, ((parts[0][0], parts[1][0]), (parts[0][1], parts[1][1]))

    def adding(self, family: Family, level: int) -> Family:
        """Return the sets of a family, none of which has an input, with it."""
        if family == NONE:
            return NONE
        first, without, having = self._nodes[family]
        if first > level:
            return self.node(level, NONE, family)
        return self.node(first, self.adding(without, level), self.adding(having, level))

    def count(self, family: Family) -> int:
        """Return the exact number of sets."""
        return self._counts[family]

    def sets(self, family: Family) -> Iterator[tuple[int, ...]]:
        """Yield the sets in document order of their inputs."""
        if family == BASE:
            yield ()
        elif family != NONE:
            level, without, having = self._nodes[family]
            for rest in self.sets(having):
                yield (level, *rest)
            yield from self.sets(without)
