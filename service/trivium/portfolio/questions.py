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

from trivium.policy import unknowns
from trivium.portfolio.entropy import Entropy
from trivium.portfolio.kernel import Decided, Kernel
from trivium.portfolio.lookup import Column, Variation
from trivium.portfolio.values import Doubles


DIGITS = 1e9
"""The engine rounds to nine digits, so that what is equal but for rounding ties."""

NEVER = 1e15
"""More than any number of strategies: what an input that is known counts."""

SURE = 1e-3
"""How far from the middle between two rounded values a value must be, in the last digit, to be sure of its rounding."""

LISTED = 1 << 10
"""Sum of the weights of an input's bands below which all expected numbers are worked out once."""

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
        self._entropy = Entropy(policy)
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
        rows = np.flatnonzero(self._kernel.several(decided.reachable))
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
        if len(rows) and self._entropy.fits:
            few = np.array([column.take(rows) for column in codes])
            expected, now = (bits * DIGITS for bits in self._entropy.expected(few, tied[:, rows]))
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
        return unknowns(self._kernel.policy, *self._kernel.read(codes)).questions[0].position


def _rounded(totals: Iterable[int], likely: int) -> Doubles:
    """Return averages as the engine rounds them, in units of the last digit."""
    return np.rint([round(total / likely, 9) * DIGITS for total in totals])


def _doubtful(values: Doubles) -> Column:
    """Say of which values, in units of the last digit, the rounding cannot be told on doubles."""
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.abs(finite - np.floor(finite) - 0.5) < SURE
