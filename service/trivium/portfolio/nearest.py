"""What would change the answer of every row: the first path and the first risk of `trivium.policy.nearest_changes`.

A sweep over the policy's diagram counts how few changes lead to each strategy, for all rows at once, which tells the
nearest one. A second sweep, to that strategy alone, adds up weights instead of counting. A weight says that an input
changes, which one, and by how many bands, in this order of importance: so the least sum is that of the first one of
the smallest sets, and of its nearest targets.

Risks are sets that are no paths. What takes a foreign change is a risk, unless the same inputs lead to the same
strategy by own changes too: the few rows of which that is not ruled out are left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from trivium.policy import Changes, nearest_changes
from trivium.portfolio.kernel import Kernel
from trivium.portfolio.lookup import Column
from trivium.portfolio.moves import EITHER, FOREIGN, OWN, graph, moves, needs, sweep


FEW = 48
"""Rows up to which the engine is quicker, one by one."""

MOST_CASES = 9
"""Most cases that are tried out for all rows; the engine tries only those that a row can come to."""

MOST_NODES = 4096
"""Most nodes of a diagram for which this is quicker than the engine."""

ROOM = 1 << 24
"""Bytes that a sweep may need, about: more rows are worked on in parts."""

REMEMBERED = 1 << 16
"""Most answers of the engine to keep."""

FAR = 100
"""What no number of changes reaches; twice as much fits in a byte."""

NEVER = 1 << 61
"""What no sum of weights reaches; twice as much fits in 64 bits."""

Answer: TypeAlias = tuple[Changes | None, Changes | None]
"""The first path and the first risk."""


class Nearest(NamedTuple):
    """What would change the answer of every row.

    Attributes:
        changes: the changes that there are; None is one of them.
        path: per row, the place in `changes` of the first thing that the team can do.
        risk: per row, the place in `changes` of the first thing that overturns the answer.
    """

    changes: list[Changes | None]
    path: Column
    risk: Column

    def margin(self) -> tuple[Column, Column]:
        """Return, per row, the smaller number of changes of the two; and where there are neither."""
        sizes = np.array([len(one.targets) if one else FAR for one in self.changes], np.int8)
        margin = np.minimum(sizes.take(self.path), sizes.take(self.risk))
        return margin, margin == FAR


class _Jobs(NamedTuple):
    """Sets of changes to find: for which rows, in which case, to which strategy, by which kind of changes."""

    rows: Column
    cases: Column
    strategies: Column
    kinds: Column


class NearestChanges:
    """Finds what would change answers. Safe to share between threads.

    Args:
        kernel: the policy.

    Attributes:
        fits: whether this finds it, other than for a few rows; otherwise all is left to the engine.
    """

    def __init__(self, kernel: Kernel) -> None:
        policy = kernel.policy
        self._kernel = kernel
        self._exact = lru_cache(maxsize=REMEMBERED)(self._ask)
        self._strategies, self._inputs = len(policy.strategies), len(policy.inputs)
        self._cases = 2 ** len(needs(policy)) + 1
        self._step_bits = sum([len(field.bands) - 1 for field in policy.inputs]).bit_length()
        change = 1 << self._inputs + self._step_bits
        self.fits = (
            self._cases <= MOST_CASES
            and self._inputs < FAR
            and self._inputs * change < NEVER
            and len(policy.diagrams.nodes(policy.root)) <= MOST_NODES
        )
        if self.fits:
            self._graph = graph(policy)
            self._moves = [moves(policy, at) for at in range(self._inputs)]
            self._counts = self._grouped([one.costs(1, FAR, np.uint8) for one in self._moves])
            self._weights: list[Column] = []
            for at, one in enumerate(self._moves):
                earlier = 1 << self._step_bits + self._inputs - 1 - at  # of two sets as large, the sum of one is less
                costs = one.costs(change - earlier + one.steps, NEVER, np.int64)[:FOREIGN]
                self._weights.append(costs.reshape(-1, costs.shape[-1]))
            self._sums = self._grouped(self._weights)

    def __call__(self, codes: Sequence[Column], strategies: Column) -> Nearest:
        """Return what would change the answer of every row.

        Args:
            codes: per input the code of every row.
            strategies: the strategy of every row.
        """
        count = len(strategies)
        if count <= FEW or not self.fits:
            answers = list(self._one_by_one(codes))
            changes = [*(path for path, _ in answers), *(risk for _, risk in answers)]
            return Nearest(changes, np.arange(count), np.arange(count) + count)
        size = max(FEW, ROOM // (2 * self._strategies * self._cases * len(self._graph.levels)))
        parts = -(-count // size)
        ends = [at * count // parts for at in range(parts + 1)]
        rows = [slice(begin, end) for begin, end in pairwise(ends)]
        return _joined([self._search([column[part] for column in codes], strategies[part]) for part in rows])

    def _ask(self, codes: tuple[int, ...]) -> Answer:
        """Let the engine find what would change the answer of one row."""
        return nearest_changes(self._kernel.policy, *self._kernel.read(codes))

    def _one_by_one(self, codes: Sequence[Column]) -> Iterator[Answer]:
        return map(self._exact, zip(*[column.tolist() for column in codes], strict=True))

    def _grouped(self, costs: Sequence[Column]) -> list[Column]:
        """Return, per group of bands, what the cheapest of them costs."""
        return [costs[at][..., list(bands)].min(axis=-1) for at, bands in self._graph.groups]

    def _search(self, codes: Sequence[Column], strategies: Column) -> Nearest:
        """Find what would change the answer of some rows."""
        own, foreign, alone = self._fewest(codes, strategies)
        paths, risks = own.min(axis=1), foreign.min(axis=1)
        path = paths.argmin(axis=0)
        size = _of(paths, path)
        ours = (_of(own, path) == size) & (size < FAR)
        # Where own changes lead to a strategy by fewer, the smallest sets that do are all paths. What is left is sets
        # of changes of the world alone, if they take more.
        sizes = np.where(risks <= paths, risks, np.where(alone > paths, alone, FAR))
        risk = sizes.argmin(axis=0)
        size, paths_there, risks_there = _of(sizes, risk), _of(paths, risk), _of(risks, risk)
        by_world = risks_there > paths_there
        tied = (risks_there == paths_there) & (size < FAR)
        theirs = np.concatenate([(_of(foreign, risk) == size) & ~by_world, by_world[None]])
        theirs &= ~tied & (size < FAR)
        found = self._sets(codes, _jobs(ours, path, OWN), _jobs(theirs, risk, EITHER))
        left = np.flatnonzero(tied)
        exact = [one for _, one in self._one_by_one([column[left] for column in codes])]
        found.risk[left] = np.arange(len(left)) + len(found.changes)
        return found._replace(changes=found.changes + exact)

    def _fewest(self, codes: Sequence[Column], strategies: Column) -> tuple[Column, Column, Column]:
        """Count the fewest changes to other strategies.

        Returns:
            Per strategy, case and row, the fewest own changes, and the fewest of either kind with a foreign one. Per
            strategy and row, the fewest changes of the world alone.
        """
        count = len(strategies)
        entries = [
            (np.arange(self._cases)[:, None] * len(one.cell) + column).reshape(-1)
            for one, column in zip(self._moves, codes, strict=True)
        ]
        costs = [
            few.take(entries[at], axis=1)[:, None]
            for (at, _), few in zip(self._graph.groups, self._counts, strict=True)
        ]
        ends = np.full((self._strategies, 2, self._strategies, self._cases * count), FAR, np.uint8)
        each = np.arange(self._strategies)
        ends[each, 0, each] = 0
        swept = sweep(self._graph, ends, [one[:FOREIGN] for one in costs], [one[FOREIGN] for one in costs], FAR)
        own, foreign = swept[self._graph.root].copy().reshape(2, self._strategies, self._cases, count)
        for fewest in (own, foreign):
            fewest[strategies, :, np.arange(count)] = FAR
        return own[:, :-1], foreign[:, :-1], foreign[:, -1]

    def _sets(self, codes: Sequence[Column], paths: _Jobs, risks: _Jobs) -> Nearest:
        """Find the first sets of changes and their nearest targets."""
        count = len(codes[0])
        jobs = _Jobs(*map(np.concatenate, zip(paths, risks, strict=True)))
        entries = [
            (jobs.kinds * self._cases + jobs.cases) * len(one.cell) + column.take(jobs.rows)
            for one, column in zip(self._moves, codes, strict=True)
        ]
        costs = [few.take(entries[at]) for (at, _), few in zip(self._graph.groups, self._sums, strict=True)]
        ends = np.where(np.arange(self._strategies)[:, None] == jobs.strategies, 0, NEVER)
        sums = sweep(self._graph, ends, costs, None, NEVER)
        whole = sums[self._graph.root]
        wanted = jobs.kinds * count + jobs.rows
        least = np.full(2 * count, NEVER)
        np.minimum.at(least, wanted, whole)
        best = np.flatnonzero(whole == least[wanted])  # of the cases of a row
        bands = self._bands(sums, best, [column[best] for column in entries])
        return _listed(np.column_stack([jobs.strategies[best].astype(np.uint8), bands]), wanted[best], count)

    def _bands(self, sums: Column, columns: Column, entries: list[Column]) -> Column:
        """Walk down the diagram as the least sum does, to the lowest bands where there are several ways.

        Args:
            sums: per place, the sums of all sets.
            columns: which sets to walk to.
            entries: per input, the entry of each of these.

        Returns:
            Per set and input, one more than the band that it changes to; 0 where it does not change.
        """
        every = np.arange(len(columns))
        places = np.full(len(columns), self._graph.root)
        sets = -(sums[self._graph.root, columns] >> self._step_bits)
        found = np.zeros((len(columns), self._inputs), np.uint8)
        for at, (one, weights) in enumerate(zip(self._moves, self._weights, strict=True)):
            here = every[self._graph.levels[places] == at]
            changed = sets[here] >> self._inputs - 1 - at & 1 == 1
            kept, here = here[~changed], here[changed]
            places[kept] = self._graph.children[places[kept], one.cell[entries[at][kept] % len(one.cell)]]
            for band in range(weights.shape[-1]):
                below = self._graph.children[places[here], band]
                whole = sums[below, columns[here]] + weights[entries[at][here], band]
                least = whole == sums[places[here], columns[here]]
                places[here[least]], found[here[least], at] = below[least], band + 1
                here = here[~least]
        return found


def _jobs(mask: Column, strategies: Column, kind: int) -> _Jobs:
    """Return what to find, given per case and row whether to."""
    cases, rows = np.nonzero(mask)
    return _Jobs(rows, cases, strategies[rows], np.full(len(rows), kind))


def _of(values: Column, strategies: Column) -> Column:
    """Return, of values per strategy, what else, and row, those of one strategy per row."""
    at = strategies.reshape((1,) * (values.ndim - 1) + (-1,))
    found: Column = np.take_along_axis(values, at, axis=0)[0]
    return found


def _listed(ways: Column, wanted: Column, count: int) -> Nearest:
    """List distinct changes, and take the lowest bands of each row's.

    Args:
        ways: the strategy, then the bands.
        wanted: the row of each way; that of a risk is behind those of all paths.
        count: the number of rows.
    """
    texts, places = np.unique(ways.view(f"S{ways.shape[1]}")[:, 0], return_inverse=True)
    changes: list[Changes | None] = [
        Changes(text[0], tuple([(at, band - 1) for at, band in enumerate(text[1:]) if band])) for text in texts.tolist()
    ]
    lowest = np.full(2 * count, len(changes))
    np.minimum.at(lowest, wanted, places)
    return Nearest([*changes, None], lowest[:count], lowest[count:])


def _joined(parts: Sequence[Nearest]) -> Nearest:
    """Return what would change the answers of all rows of some parts."""
    changes: list[Changes | None] = []
    paths, risks = [], []
    for part in parts:
        paths.append(part.path + len(changes))
        risks.append(part.risk + len(changes))
        changes += part.changes
    return Nearest(changes, np.concatenate(paths), np.concatenate(risks))
