"""The entropy of the strategies that are left open, now and as expected after an answer, for many rows on doubles.

One pass up the policy's diagram gives how likely each strategy is below every node, one pass down how likely the node
is. Bands of an unknown input are as likely as the policy says; inputs that a path skips do not change anything.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from trivium.policy import Policy
from trivium.policy.engine.diagram import leaf_value
from trivium.portfolio.lookup import Column
from trivium.portfolio.values import Doubles


MOST_NODES = 4096
"""Most nodes of a diagram for which this is quicker than asking the engine row by row."""

ROOM = 1 << 19
"""Most doubles of a pass: 4 MB."""


class _Level(NamedTuple):
    """The nodes that test one input.

    Attributes:
        input: the input.
        first: the place of the first node; the others follow.
        children: per band and node, the place of the child.
    """

    input: int
    first: int
    children: Column


class Entropy:
    """Works out entropies by one policy. Immutable; safe to share between threads.

    Attributes:
        fits: whether the policy's diagram is small enough.
    """

    def __init__(self, policy: Policy) -> None:
        diagram, self._strategies = policy.diagrams, len(policy.strategies)
        nodes = sorted(diagram.nodes(policy.root), key=lambda node: -diagram.levels[node])
        self.fits = len(nodes) <= MOST_NODES
        places = {node: self._strategies + at for at, node in enumerate(nodes)}  # behind the leaves

        def place(root: int) -> int:
            return places[root] if root >= 0 else leaf_value(root)

        self._root, self._size = place(policy.root), self._strategies + len(nodes)
        self._levels: list[_Level] = []
        for level, group in groupby(nodes, lambda node: diagram.levels[node]):
            members = list(group)
            children = np.array([[place(child) for child in diagram.children[node]] for node in members])
            self._levels.append(_Level(level, places[members[0]], children.T))
        self._stated = [list(field.stated) for field in policy.inputs]
        self._likely = []
        for field in policy.inputs:
            weights = np.array(field.weights, float)
            self._likely.append(np.column_stack([np.eye(len(weights)), weights / weights.sum()]))

    def expected(self, codes: Column, asked: Column) -> tuple[Doubles, Doubles]:
        """Return the expected entropy after the answer to each question, and the entropy of now, both in bits.

        Args:
            codes: per input and row the code; that after all bands is unknown.
            asked: per input and row, whether to work it out; elsewhere it is infinite.
        """
        expected, now = np.full(codes.shape, np.inf), np.zeros(codes.shape[1])
        step = max(1, ROOM // (self._size * self._strategies))
        for start in range(0, len(now), step):
            rows = slice(start, start + step)
            expected[:, rows], now[rows] = self._pass(codes[:, rows], asked[:, rows])
        return expected, now

    def _pass(self, codes: Column, asked: Column) -> tuple[Doubles, Doubles]:
        count = codes.shape[1]
        likely = [shares.take(column, axis=1) for shares, column in zip(self._likely, codes, strict=True)]
        spread = np.zeros((self._size, self._strategies, count))
        spread[: self._strategies] = np.eye(self._strategies)[:, :, None]
        for level in self._levels:
            here = spread[level.first : level.first + level.children.shape[1]]
            for share, below in zip(likely[level.input], level.children, strict=True):
                here += share * spread[below]
        reach = np.zeros((self._size, count))
        reach[self._root] = 1
        expected = np.full(codes.shape, np.inf)
        for level in reversed(self._levels):
            ways = reach[level.first : level.first + level.children.shape[1]]
            for share, below in zip(likely[level.input], level.children, strict=True):
                for child, reached in zip(below.tolist(), ways * share, strict=True):
                    reach[child] += reached
            if asked[level.input].any():
                stated = self._stated[level.input]
                shares = likely[level.input][stated]
                through = np.array([np.einsum("nr,nsr->sr", ways, spread[level.children[band]]) for band in stated])
                beside = spread[self._root] - (shares[:, None] * through).sum(axis=0)  # of paths that skip the input
                expected[level.input] = (shares * _bits(through + beside, axis=1)).sum(axis=0)
        expected[~asked] = np.inf
        return expected, _bits(spread[self._root], axis=0)


def _bits(spread: Doubles, axis: int) -> Doubles:
    """Return the entropy of distributions along an axis."""
    spread = np.maximum(spread, np.finfo(float).tiny)
    bits: Doubles = -(spread * np.log2(spread)).sum(axis=axis)
    return bits
