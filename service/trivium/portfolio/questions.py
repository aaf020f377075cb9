"""The first open question of every row: the one that `trivium.policy.unknowns` ranks first.

Questions are ranked by the expected number of strategies that an answer leaves, which the completion diagram gives for
all rows at once. Few rows have ties; there the expected entropy decides, worked out on doubles. What doubles cannot
tell, and ties of policies with large diagrams, are left to the engine, which counts exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trivium.policy import Policy, unknowns
from trivium.policy.engine.diagram import leaf_value
from trivium.portfolio.kernel import Decided, Kernel
from trivium.portfolio.lookup import Column, Variation


Doubles = NDArray[np.float64]

DIGITS = 1e9
"""The engine rounds to nine digits, so that what is equal but for rounding ties."""

NEVER = 1e15
"""More than any number of strategies: what an input that is known counts."""

SURE = 1e-3
"""How far from the middle between two rounded values a value must be, in the last digit, to be sure of its rounding."""

LISTED = 1 << 10
"""Sum of the weights of an input's bands below which all expected numbers are worked out once."""

MOST_NODES = 4096
"""Most nodes of a policy's diagram that entropies are worked out on."""

ROOM = 1 << 18
"""Most doubles of the distributions of all nodes for some rows: 2 MB."""

REMEMBERED = 1 << 16
"""Most exact answers to keep."""


class FirstQuestion:
    """Finds the first open question. Safe to share between threads.

    Args:
        kernel: the policy.
    """

    def __init__(self, kernel: Kernel) -> None:
        policy = kernel.policy
        self._kernel = kernel
        self._sizes = np.array([mask.bit_count() for mask in kernel.masks])
        self._spread = _Spread(policy)
        self._weights = [[(band, field.weights[band]) for band in field.stated] for field in policy.inputs]
        self._likely = [sum(weight for _, weight in one) for one in self._weights]
        self._expected = [
            _rounded(range(likely * len(policy.strategies) + 1), likely) if likely < LISTED else None
            for likely in self._likely
        ]
        self._exact = lru_cache(maxsize=REMEMBERED)(self._ask)

    def __call__(self, codes: Sequence[Column], decided: Decided) -> Column:
        """Return the position of the first open question of every row; the number of inputs where none is open.

        Args:
            codes: per input the code of every row.
            decided: what the kernel says of them.
        """
        first = np.full(len(decided.strategy), len(codes), np.uint8)
        rows = np.flatnonzero(self._kernel.several.take(decided.reachable))
        if len(rows):
            few = [column.take(rows) for column in codes]
            first[rows] = self._first(few, np.take(self._sizes, decided.reachable.take(rows)))
        return first

    def _first(self, codes: list[Column], reachable: Column) -> Column:
        """Return the first question of rows that all have one."""
        varied = self._kernel.completion.vary(codes)
        worth = np.full((len(codes), len(reachable)), NEVER)
        for position, (column, unknown) in enumerate(zip(codes, self._kernel.unknown, strict=True)):
            rows = np.flatnonzero(column == unknown)
            worth[position][rows] = self._strategies(varied, position, rows)
        alone = worth == DIGITS  # each of its answers settles the strategy, so nothing else matters
        pointless = len(self._kernel.policy.strategies) * DIGITS
        for position, rows in self._pointless(codes):
            worth[position] += rows * (2 * pointless)
        worth[alone] = 0
        least = worth.min(axis=0)
        tied = worth == least
        first: Column = tied.argmax(axis=0).astype(np.uint8)
        doubtful = least > pointless
        # An answer that leaves all strategies open may be one that nothing depends on; only its entropy can tell.
        telling = least < np.rint(reachable * DIGITS)
        rows = np.flatnonzero(((tied.sum(axis=0) > 1) | ~telling) & ~doubtful)
        if len(rows) and self._spread.fits:
            expected, now = self._entropies(np.array([column[rows] for column in codes]), tied[:, rows])
            doubtful[rows] = _doubtful(expected).any(axis=0) | _doubtful(now)
            expected = np.rint(expected)
            first[rows] = expected.argmin(axis=0)
            doubtful[rows] |= ~telling[rows] & (expected.min(axis=0) >= np.rint(now))
        else:
            doubtful[rows] = True
        for row in np.flatnonzero(doubtful).tolist():
            first[row] = self._exact(tuple([int(column[row]) for column in codes]))
        return first

    def _strategies(self, varied: Variation, position: int, rows: Column) -> Doubles:
        """Return the expected number of strategies after an answer, in units of the last digit."""
        total: Column = np.zeros(len(rows), np.int64)
        weights = [weight for _, weight in self._weights[position]]
        answers = varied.answers(position, self._kernel.policy.inputs[position].stated, rows)
        for weight, leaves in zip(weights, answers, strict=True):
            total += (self._sizes * weight).take(leaves)
        if (expected := self._expected[position]) is not None:
            return expected.take(total)
        distinct, places = np.unique(total, return_inverse=True)
        return np.take(_rounded(distinct.tolist(), self._likely[position]), places)

    def _entropies(self, codes: Column, tied: Column) -> tuple[Doubles, Doubles]:
        """Return the expected entropy after each answer, infinite for inputs that are not tied, and that of now."""
        asked = [(at, rows) for at, some in enumerate(tied) if len(rows := np.flatnonzero(some))]
        answered = [np.arange(tied.shape[1]), *(rows for at, rows in asked for _ in self._weights[at])]
        rows = np.concatenate(answered)
        copies = codes.take(rows, axis=1)
        end = tied.shape[1]
        for at, some in asked:
            for band, _ in self._weights[at]:
                copies[at, end : end + len(some)] = band
                end += len(some)
        found = self._spread.entropies(copies)
        expected = np.full(tied.shape, np.inf)
        end = tied.shape[1]
        for at, some in asked:
            expected[at, some] = 0
            for _, weight in self._weights[at]:
                expected[at, some] += found[end : end + len(some)] * (weight / self._likely[at])
                end += len(some)
        return expected, found[: tied.shape[1]]

    def _pointless(self, codes: list[Column]) -> Any:
        """Yield the inputs that are not always worth asking for, each with the rows in which it is pointless."""
        for position, field in enumerate(self._kernel.policy.inputs):
            if field.asked_when:
                rows = np.zeros(len(codes[0]), bool)
                for other, bands in field.asked_when:
                    sensible = np.zeros(self._kernel.unknown[other] + 1, bool)
                    sensible[[*bands, self._kernel.unknown[other]]] = True
                    rows |= ~sensible.take(codes[other])
                yield position, rows

    def _ask(self, codes: tuple[int, ...]) -> int:
        """Let the engine find the first question of one row."""
        policy = self._kernel.policy
        known = tuple([code != unknown for code, unknown in zip(codes, self._kernel.unknown, strict=True)])
        cell = tuple(
            [code if given else field.assumed for code, given, field in zip(codes, known, policy.inputs, strict=True)]
        )
        return unknowns(policy, cell, known).questions[0].position


def _rounded(totals: Iterable[int], likely: int) -> Doubles:
    """Return averages as the engine rounds them, in units of the last digit."""
    return np.rint([round(total / likely, 9) * DIGITS for total in totals])


def _doubtful(values: Doubles) -> Column:
    """Say of which values, in units of the last digit, the rounding cannot be told on doubles."""
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.abs(finite - np.floor(finite) - 0.5) < SURE


class _Spread:
    """Works out, on doubles, how likely each strategy is: one pass up the policy's diagram, level by level.

    Bands of an unknown input are as likely as the policy says; inputs that a path skips do not change anything.
    """

    def __init__(self, policy: Policy) -> None:
        diagram, strategies = policy.diagrams, len(policy.strategies)
        nodes = sorted(diagram.nodes(policy.root), key=lambda node: -diagram.levels[node])
        places = {node: strategies + at for at, node in enumerate(nodes)}

        def place(root: int) -> int:
            return places[root] if root >= 0 else leaf_value(root)

        self.fits = len(nodes) <= MOST_NODES
        self._root, self._size, self._strategies = place(policy.root), strategies + len(nodes), strategies
        self._levels = [
            (level, np.array([[place(child) for child in diagram.children[node]] for node in group]).T)
            for level, group in groupby(nodes, lambda node: diagram.levels[node])
        ]
        self._likely = []
        for field in policy.inputs:
            weights = np.array(field.weights, float)
            self._likely.append(np.column_stack([np.eye(len(weights)), weights / weights.sum()]))

    def entropies(self, codes: Column) -> Doubles:
        """Return the entropy of the strategies per row, in units of the last digit.

        Args:
            codes: per input the code of every row.
        """
        found = np.zeros(codes.shape[1])
        step = max(1, ROOM // (self._size * self._strategies))
        for start in range(0, len(found), step):
            spread = np.maximum(self._spread(codes[:, start : start + step]), np.finfo(float).tiny)
            found[start : start + step] = (spread * np.log2(spread)).sum(axis=0) * -DIGITS
        return found

    def _spread(self, codes: Column) -> Doubles:
        """Return how likely each strategy is, per strategy and row."""
        spread = np.zeros((self._size, self._strategies, codes.shape[1]))
        spread[: self._strategies] = np.eye(self._strategies)[:, :, None]
        first = self._strategies
        for level, children in self._levels:
            likely = self._likely[level].take(codes[level], axis=1)
            here = spread[first : first + children.shape[1]]
            for band, below in enumerate(children):
                here += likely[band] * spread[below]
            first += children.shape[1]
        root: Doubles = spread[self._root]
        return root
