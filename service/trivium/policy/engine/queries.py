"""What would change a policy's answer: the smallest sets of changed inputs, exactly.

Each query first narrows the policy's diagram to the inputs it may vary, which leaves a few dozen nodes, and then walks
those once. Nothing is sampled and nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from trivium.policy.engine.compiled import CompiledInput, Policy
from trivium.policy.engine.diagram import Cell, Root, leaf_value


Targets: TypeAlias = tuple[tuple[int, int], ...]
"""(position of an input, band it changes to), in document order."""


class Flip(NamedTuple):
    """The changes, smallest in number, that lead to another strategy.

    `by_action` says that a team can make all of them; else the world has to change too.
    """

    strategy: int
    targets: Targets
    by_action: bool


class _Narrowed(msgspec.Struct, frozen=True):
    """A diagram over some inputs of a cell only.

    `nodes` lists (level, children), each after its children and all below `root`; a root is an index into it or,
    negative, a leaf.
    """

    nodes: Sequence[tuple[int, tuple[Root, ...]]]
    root: Root


def flips(policy: Policy, cell: Cell) -> tuple[Flip, ...]:
    """Return, per other strategy, every smallest set of changes that leads to it, nearest first.

    Beside the smallest sets of all, the smallest that a team can bring about by itself are listed. Inputs marked
    `fixed` never change. Per set of inputs there is one target: fewest band steps, ties by document order. A starting
    band is left by a change, and is never a target.
    """
    changeable = _changeable(policy, cell)
    actionable = _narrow(
        changeable, [_bands(field) if field.spec.changed_by == "action" else None for field in policy.inputs], cell
    )
    found: dict[tuple[int, Targets], Flip] = {}
    for narrowed in (changeable, actionable):
        for strategy, targets in _smallest_changes(policy, cell, narrowed):
            acted = all(policy.inputs[position].spec.changed_by == "action" for position, _ in targets)
            found[strategy, targets] = Flip(strategy, targets, acted)
    return tuple(sorted(found.values(), key=lambda flip: (len(flip.targets), flip.strategy, flip.targets)))


def margin(flips: Sequence[Flip]) -> int | None:
    """Return the smallest number of changed inputs that changes the strategy; None when nothing does."""
    return min((len(flip.targets) for flip in flips), default=None)


@lru_cache(maxsize=64)
def _whole(policy: Policy) -> _Narrowed:
    """Return the policy's own diagram, nothing narrowed."""
    return _Narrowed(list(zip(policy.diagrams.levels, policy.diagrams.children, strict=True)), policy.root)


def _changeable(policy: Policy, cell: Cell) -> _Narrowed:
    """Return the diagram over the inputs that may change, the fixed ones held."""
    free = [None if field.spec.changed_by == "fixed" else _bands(field) for field in policy.inputs]
    return _narrow(_whole(policy), free, cell)


def _bands(field: CompiledInput) -> range:
    return range(len(field.bands))


def _narrow(diagram: _Narrowed, free: Sequence[Sequence[int] | None], cell: Cell) -> _Narrowed:
    """Hold every input without free bands at the cell's band, keep the free bands of the others, and reduce."""
    nodes: list[tuple[int, tuple[Root, ...]]] = []
    unique: dict[tuple[int, tuple[Root, ...]], Root] = {}
    memo: dict[Root, Root] = {}
    old = diagram.nodes

    def walk(root: Root) -> Root:
        while root >= 0:
            level, below = old[root]
            bands = free[level]
            if bands is not None:
                break
            root = below[cell[level]]
        else:
            return root
        narrowed = memo.get(root)
        if narrowed is None:
            kept = tuple([walk(below[band]) for band in bands])
            if kept.count(kept[0]) == len(kept):
                narrowed = kept[0]
            else:
                key = (level, kept)
                narrowed = unique.get(key)
                if narrowed is None:
                    narrowed = unique[key] = len(nodes)
                    nodes.append(key)
            memo[root] = narrowed
        return narrowed

    return _Narrowed(nodes, walk(diagram.root))


_Sets: TypeAlias = dict[int, tuple[int, Targets]]
"""Sets of changes of one size: a bit mask of their inputs to band steps and targets."""

_Smallest: TypeAlias = list[tuple[int, _Sets] | None]
"""Per strategy the size and the sets of the smallest changes that lead there; None where nothing does."""


def _smallest_changes(policy: Policy, cell: Cell, narrowed: _Narrowed) -> list[tuple[int, Targets]]:
    """List (strategy, targets) of every smallest set of changes to the inputs of a narrowed diagram.

    One pass up the diagram. Per node and strategy it keeps the sets of the smallest size only: a smallest set at a node
    is, below each child, a smallest set there. Sets are keyed by their inputs; of two targets for the same inputs the
    one with fewer band steps stays, then the one earlier in document order.
    """
    count = len(policy.strategies)
    leaves: list[_Smallest] = [
        [(0, {0: (0, ())}) if strategy == answer else None for strategy in range(count)] for answer in range(count)
    ]
    best: list[_Smallest] = []
    for level, children in narrowed.nodes:
        now = cell[level]
        stay = children[now]
        found = list(best[stay] if stay >= 0 else leaves[leaf_value(stay)])
        own = [False] * count
        for child, (steps, band) in _nearest(children, now, policy.inputs[level].stated).items():
            for strategy, there in enumerate(best[child] if child >= 0 else leaves[leaf_value(child)]):
                if there is None:
                    continue
                size = there[0] + 1
                here = found[strategy]
                if here is not None and size > here[0]:
                    continue
                sets: _Sets = {
                    mask | 1 << level: (more + steps, ((level, band), *targets))
                    for mask, (more, targets) in there[1].items()
                }
                if here is None or size < here[0]:
                    found[strategy] = (size, sets)
                else:
                    kept = here[1] if own[strategy] else dict(here[1])  # not in place: children are shared
                    for mask, changed in sets.items():
                        if mask not in kept or changed < kept[mask]:
                            kept[mask] = changed
                    found[strategy] = (size, kept)
                own[strategy] = True
        best.append(found)
    root = narrowed.root
    current = policy.diagrams.value(policy.root, cell)
    return [
        (strategy, targets)
        for strategy, there in enumerate(best[root] if root >= 0 else leaves[leaf_value(root)])
        if there is not None and strategy != current
        for _, targets in there[1].values()
    ]


def _nearest(children: tuple[Root, ...], now: int, stated: Sequence[int]) -> dict[Root, tuple[int, int]]:
    """Return, per child that a change leads to, the steps to the nearest band that does, and that band."""
    nearest: dict[Root, tuple[int, int]] = {}
    for band in stated:
        child = children[band]
        if child != children[now]:
            reached = (abs(band - now), band)
            if child not in nearest or reached < nearest[child]:
                nearest[child] = reached
    return nearest
