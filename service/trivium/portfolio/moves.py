"""Changes of inputs as arrays: what each one costs, and the least cost of changes that lead to a strategy.

What changes need is tried out in cases, as `trivium.policy.engine.flips` does: for each need, the case that it does not
hold in the cell that changes lead to, and the case that it does. In one more case, the last one, only the world changes
anything, whatever that needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from trivium.policy import Policy
from trivium.policy.engine.compiled import OURS, WORLD
from trivium.policy.engine.diagram import leaf_value
from trivium.policy.engine.tables import Condition
from trivium.portfolio.lookup import Column


OWN, EITHER, FOREIGN = range(3)
"""Kinds of changes: the team's own, where what they need holds; those and the world's; the world's that are not own.

The last one is no search of its own, and stands last, so that `[:FOREIGN]` leaves it out.
"""


class ChangeCosts(NamedTuple):
    """The changes of one input. An *entry* is a case and a code: `case * codes + code`.

    Attributes:
        cell: per code, the band that it stands for.
        steps: per entry and band, how many bands the change to it goes up or down.
        kept: per entry and band, whether it is the one that the code stands for, and may stay.
        allowed: per kind, entry and band, whether there is such a change to it.
    """

    cell: Column
    steps: Column
    kept: Column
    allowed: Column

    def costs(self, change: Any, never: int, kind: Any) -> Column:
        """Return, per kind of change, entry and band, what it costs. To change nothing is free, but no foreign change.

        Args:
            change: the cost of a change.
            never: the cost of what is not allowed.
            kind: the type of a cost.
        """
        kept = self.kept & (np.arange(3) != FOREIGN)[:, None, None]
        return np.where(kept, 0, np.where(self.allowed, change, never)).astype(kind)


class ChangeDiagram(NamedTuple):
    """The diagram of a policy. The first places are those of the strategies; each node comes after its children.

    Inputs that a need names are tested on every path: else what must change there would not be counted.

    Attributes:
        levels: per place, the input that it tests; the number of inputs for strategies.
        children: per place and band, the place that it leads to.
        edges: per node, the places that it leads to, each with the index of the bands that do so in `groups`.
        groups: an input and some of its bands.
        root: the place of the top.
    """

    levels: Column
    children: Column
    edges: list[list[tuple[int, int]]]
    groups: list[tuple[int, tuple[int, ...]]]
    root: int


def needs(policy: Policy) -> list[Condition]:
    """Return what changes of the policy's inputs need, each condition once."""
    return list(dict.fromkeys(condition for _, condition in policy.needing))


def moves(policy: Policy, at: int) -> ChangeCosts:
    """Return the changes of an input."""
    field = policy.inputs[at]
    bands = range(len(field.bands))
    cell = np.array([*bands, field.assumed])
    kept = cell[:, None] == np.arange(len(field.bands))
    own, world = np.zeros_like(kept), np.zeros_like(kept)
    for code, band in enumerate(cell.tolist()):
        for other, kinds in field.moves[code != len(bands)][band]:
            own[code, other], world[code, other] = kinds & OURS, kinds & WORLD
    needed = needs(policy)
    cases = []
    for held in product((False, True), repeat=len(needed)):
        possible = np.ones(len(bands), bool)
        for condition, holds in zip(needed, held, strict=True):
            for other, wanted in condition:
                # That one of several terms does not hold says nothing of each of them.
                if other == at and (holds or len(condition) == 1):
                    possible &= np.isin(bands, list(wanted)) == holds
        legal = own if not field.needs or held[needed.index(field.needs)] else np.zeros_like(own)
        allowed = np.array([legal, legal | world, world & ~legal])
        cases.append((kept & possible, allowed & possible))
    cases.append((kept, np.array([np.zeros_like(world), world, world])))
    steps = np.abs(cell[:, None] - np.arange(len(bands)))
    return ChangeCosts(
        cell,
        np.concatenate([steps] * len(cases)),
        np.concatenate([one for one, _ in cases]),
        np.concatenate([one for _, one in cases], axis=1),
    )


def graph(policy: Policy) -> ChangeDiagram:
    """Return the diagram of a policy."""
    diagram, strategies = policy.diagrams, len(policy.strategies)
    always = sorted({at for condition in needs(policy) for at, _ in condition})
    most = max(diagram.sizes)
    levels = [len(policy.inputs)] * strategies
    children: list[tuple[int, ...]] = [(0,) * most] * strategies
    edges: list[list[tuple[int, int]]] = []
    groups: dict[tuple[int, tuple[int, ...]], int] = {}
    memo: dict[tuple[int, int], int] = {}

    def place(root: int, tested: int) -> int:
        """Return the place of a root, where so many of the inputs in `always` have been tested."""
        key = root, tested
        if key not in memo:
            level = diagram.level(root)
            if tested < len(always) and always[tested] < level:
                level = always[tested]
                below = [place(root, tested + 1)] * diagram.sizes[level]
            elif root < 0:
                return leaf_value(root)
            else:
                after = tested + (tested < len(always) and always[tested] == level)
                below = [place(child, after) for child in diagram.children[root]]
            memo[key] = len(levels)
            levels.append(level)
            children.append((*below, *below[:1] * (most - len(below))))
            leading = {
                child: (level, tuple([band for band, one in enumerate(below) if one == child])) for child in below
            }
            edges.append([(child, groups.setdefault(group, len(groups))) for child, group in leading.items()])
        return memo[key]

    root = place(policy.root, 0)
    del place  # it refers to itself: what it holds would wait for the collector
    return ChangeDiagram(np.array(levels), np.array(children), edges, list(groups), root)


def sweep(
    graph: ChangeDiagram, ends: Column, costs: Sequence[Column], foreign: Sequence[Column] | None, never: int
) -> Column:
    """Return the least cost of changes that lead from each place to a strategy.

    Args:
        graph: the diagram.
        ends: what to return of the strategies.
        costs: per group of bands, the cost of the cheapest.
        foreign: the same for foreign changes; None where they are not told apart. The first axis of `ends` and `costs`
            then has two entries: own changes alone, and changes of either kind of which at least one is foreign.
        never: the cost of what cannot be reached.
    """
    found = np.full((len(graph.levels), *ends.shape[1:]), never, ends.dtype)
    found[: len(ends)] = ends
    tried = np.empty_like(found[0])
    for at, edges in enumerate(graph.edges, len(ends)):
        here = found[at]
        for child, group in edges:
            np.add(found[child], costs[group], out=tried)
            np.minimum(here, tried, out=here)
            if foreign is not None:  # the first foreign one: own changes do the rest
                np.add(found[child][0], foreign[group], out=tried[0])
                np.minimum(here[1], tried[0], out=here[1])
    return found
