"""Short lists sorted for many rows at once, by a network of comparisons: every row goes through the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from trivium.portfolio.lookup import Column


class Ragged(NamedTuple):
    """A list per row.

    Attributes:
        counts: the length of every list.
        values: their entries, one list after another.
    """

    counts: Column
    values: Column


def sort_rows(columns: list[Column]) -> Ragged:
    """Return the entries of every row in ascending order, without those that are the largest number of their type.

    Args:
        columns: one entry of every row each, all of one unsigned type; they are overwritten.
    """
    most = np.iinfo(columns[0].dtype).max
    counts = np.zeros(len(columns[0]), np.min_scalar_type(len(columns)))
    for column in columns:
        counts += (column != most).view(np.uint8)
    for one, other in comparisons(len(columns)):
        lower = np.minimum(columns[one], columns[other])
        np.maximum(columns[one], columns[other], out=columns[other])
        columns[one] = lower
    ends = np.cumsum(counts, dtype=np.int64)
    begins = ends - counts
    values = np.empty((ends[-1] if len(ends) else 0) + len(columns), columns[0].dtype)
    # What is written beyond the end of a list is overwritten by the next lists, whose places come later.
    for at in reversed(range(counts.max(initial=0))):
        values[at:][begins] = columns[at]
    return Ragged(counts.astype(np.int32), values[: len(values) - len(columns)])


@cache
def comparisons(size: int) -> tuple[tuple[int, int], ...]:
    """Return what to compare, and to swap if it is not in order, to sort a list (Batcher 1968; Knuth 5.2.2 M)."""
    return tuple(_comparisons(size))


def _comparisons(size: int) -> Iterator[tuple[int, int]]:
    half = 1 << max(0, (size - 1).bit_length() - 1)
    step = half
    while step:
        offset, distance, jump = 0, step, half
        while True:
            yield from ((at, at + distance) for at in range(size - distance) if at & step == offset)
            if jump == step:
                break
            offset, distance, jump = step, jump - step, jump >> 1
        step >>= 1
