"""The first open question of every row: the one that `trivium.policy.unknowns` ranks first.

Questions are ranked by the expected number of strategies that an answer leaves, which the completion diagram gives for
all rows at once. Few rows have ties; there the expected entropy decides, worked out on doubles. What doubles cannot
tell, and ties of policies with large diagrams, are left to the engine, which counts exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
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

SURE = 1e-3
"""How far from the middle between two rounded values a value must be, in the last digit, to be sure of its rounding."""

LISTED = 1 << 10
"""Sum of the weights of an input's bands below which all expected numbers are worked out once."""

MOST_NODES = 4096
"""Most nodes of a policy's diagram that entropies are worked out on."""

ROOM = 1 << 19
"""Most doubles of the distributions of all nodes for some rows: 4 MB."""

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
        self._diagram = _Entropies(policy)
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
        rows = np.flatnonzero(np.take(self._kernel.several, decided.reachable))
        if len(rows):
            few = [np.take(column, rows) for column in codes]
            first[rows] = self._first(few, np.take(self._sizes, np.take(decided.reachable, rows)))
        return first

    def _first(self, codes: list[Column], reachable: Column) -> Column:
        """Return the first question of rows that all have one."""
        unknown = [column == code for column, code in zip(codes, self._kernel.unknown, strict=True)]
        worth = np.full((len(codes), len(reachable)), np.inf)
        varied = self._kernel.completion.vary(codes)
        for position in range(len(codes)):
            rows = np.flatnonzero(unknown[position])
            if len(rows):
                worth[position, rows] = self._strategies(varied, position, rows)
        alone = worth == DIGITS  # each of its answers settles the strategy, so nothing else matters
        pointless = len(self._kernel.policy.strategies) * DIGITS
        for position, rows in self._pointless(codes):
            worth[position][rows] += 2 * pointless
        worth[alone] = 0
        least = worth.min(axis=0)
        tied = worth == least
        first: Column = tied.argmax(axis=0).astype(np.uint8)
        doubtful = least > pointless
        # An answer that leaves all strategies open may be one that nothing depends on; only its entropy can tell.
        telling = least < np.rint(reachable * DIGITS)
        rows = np.flatnonzero(((tied.sum(axis=0) > 1) | ~telling) & ~doubtful)
        if self._diagram.fits:
            few = [column[rows] for column in codes], [column[rows] for column in unknown]
            first[rows], sure, telling_more = self._diagram.best(*few, tied[:, rows])
            doubtful[rows] = ~sure | ~(telling[rows] | telling_more)
        else:
            doubtful[rows] = True
        for row in np.flatnonzero(doubtful).tolist():
            first[row] = self._exact(tuple([int(column[row]) for column in codes]))
        return first

    def _strategies(self, varied: Variation, position: int, rows: Column) -> Doubles:
        """Return the expected number of strategies after an answer, in units of the last digit."""
        total = np.zeros(len(rows), np.int64)
        for band, weight in self._weights[position]:
            total += np.take(self._sizes * weight, varied.change(position, band, rows))
        if (expected := self._expected[position]) is not None:
            return np.take(expected, total)
        distinct, places = np.unique(total, return_inverse=True)
        return np.take(_rounded(distinct.tolist(), self._likely[position]), places)

    def _pointless(self, codes: list[Column]) -> Any:
        """Yield the inputs that are not always worth asking for, each with the rows in which it is pointless."""
        for position, field in enumerate(self._kernel.policy.inputs):
            if field.asked_when:
                rows = np.zeros(len(codes[0]), bool)
                for other, bands in field.asked_when:
                    sensible = np.zeros(self._kernel.unknown[other] + 1, bool)
                    sensible[[*bands, self._kernel.unknown[other]]] = True
                    rows |= ~np.take(sensible, codes[other])
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


def _entropy(spread: Doubles, axis: int) -> Doubles:
    """Return the entropy of distributions along an axis, in units of the last digit."""
    spread = np.maximum(spread, np.finfo(float).tiny)
    bits: Doubles = np.sum(spread * np.log2(spread), axis=axis) * -DIGITS
    return bits


class _Entropies:
    """Works out, on doubles, how evenly an answer leaves the strategies spread.

    One pass up the policy's diagram gives, per node, how likely each strategy is below it; one pass down how likely the
    node is. Bands are as likely as the policy says, and inputs that a path skips do not change anything.
    """

    def __init__(self, policy: Policy) -> None:
        diagram = policy.diagrams
        self._policy = policy
        self._nodes = diagram.nodes(policy.root)
        self.fits = len(self._nodes) <= MOST_NODES
        self._chunk = max(1, ROOM // (max(1, len(self._nodes)) * len(policy.strategies)))

    def best(self, codes: list[Column], unknown: list[Column], tied: Column) -> tuple[Column, Column, Column]:
        """Return what to ask on a tie.

        Args:
            codes: per input the code of every row.
            unknown: per input whether it is unknown.
            tied: per input and row, whether it is among those to compare.

        Returns:
            Per row, the tied input with the least expected entropy; whether doubles can tell; and whether the entropy
            is less than without an answer.
        """
        count = len(codes[0])
        best, sure, telling = np.zeros(count, np.uint8), np.zeros(count, bool), np.zeros(count, bool)
        for start in range(0, count, self._chunk):
            rows = slice(start, start + self._chunk)
            expected, now = self._entropies([one[rows] for one in codes], [one[rows] for one in unknown], tied[:, rows])
            sure[rows] = ~(_doubtful(expected).any(axis=0) | _doubtful(now))
            expected = np.rint(expected)
            best[rows] = expected.argmin(axis=0)
            telling[rows] = expected.min(axis=0) < np.rint(now)
        return best, sure, telling

    def _entropies(self, codes: list[Column], unknown: list[Column], tied: Column) -> tuple[Doubles, Doubles]:
        """Return the expected entropy per input and row, infinite where it is not tied, and that of now, per row.

        Both are in units of the last digit.
        """
        policy, diagram = self._policy, self._policy.diagrams
        count, strategies = len(codes[0]), len(policy.strategies)
        likely = [self._likely(at, codes[at], unknown[at]) for at in range(len(codes))]
        certain = np.eye(strategies)[:, :, None]
        spread: dict[int, Doubles] = {}

        def below(root: int) -> Doubles:
            return spread[root] if root >= 0 else certain[leaf_value(root)]

        for node in self._nodes:
            weights = likely[diagram.levels[node]]
            total = np.zeros((strategies, count))
            for band, child in enumerate(diagram.children[node]):
                total += weights[band] * below(child)
            spread[node] = total
        reach = {node: np.zeros(count) for node in self._nodes}
        reach[policy.root] = np.ones(count)
        through = {
            at: np.zeros((len(policy.inputs[at].stated), strategies, count))
            for at in np.flatnonzero(tied.any(axis=1)).tolist()
        }
        for node in reversed(self._nodes):
            level, here = diagram.levels[node], reach.pop(node)
            for band, child in enumerate(diagram.children[node]):
                if child >= 0:
                    reach[child] += here * likely[level][band]
            if level in through:
                for at, band in enumerate(policy.inputs[level].stated):
                    through[level][at] += here * below(diagram.children[node][band])
        entropies = np.full(tied.shape, np.inf)
        for at, tested in through.items():
            shares = likely[at][list(policy.inputs[at].stated)]
            spreads = tested + below(policy.root) - (shares[:, None] * tested).sum(axis=0)  # with what does not test it
            entropies[at] = (shares * _entropy(spreads, axis=1)).sum(axis=0)
        entropies[~tied] = np.inf
        return entropies, _entropy(below(policy.root), axis=0)

    def _likely(self, position: int, codes: Column, unknown: Column) -> Doubles:
        """Return, per band and row, how likely the band is: certain where it is known."""
        weights = np.array(self._policy.inputs[position].weights, float)
        likely: Doubles = (codes == np.arange(len(weights))[:, None]).astype(float)
        likely[:, unknown] = (weights / weights.sum())[:, None]
        return likely
