"""Exact questions about a policy's strategies: what is reachable, what to ask, what would change the answer.

Each query first narrows the policy's diagram to the inputs it may vary, which leaves a few dozen nodes, and then walks
those once. Nothing is sampled and nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log2
from typing import NamedTuple, TypeAlias

import msgspec

from trivium.policy.engine.compiled import CompiledInput, Known, Policy
from trivium.policy.engine.diagram import FALSE, TRUE, Cell, Root


Targets: TypeAlias = tuple[tuple[int, int], ...]
"""(position of an input, band it changes to), in document order."""


class OpenQuestion(NamedTuple):
    """An unknown input whose value can matter, and the strategies it is pivotal for.

    It is pivotal for a strategy when some completion leads there, and another answer to this one question, all else
    equal, would lead elsewhere.
    """

    position: int
    could_lead_to: tuple[int, ...]


class Flip(NamedTuple):
    """The changes, smallest in number, that lead to another strategy.

    `by_action` says that a team can make all of them; else the world has to change too.
    """

    strategy: int
    targets: Targets
    by_action: bool


class Unknowns(msgspec.Struct, frozen=True):
    """What the unknown inputs of a cell leave open."""

    reachable: tuple[int, ...]
    questions: tuple[OpenQuestion, ...]


class _Narrowed(msgspec.Struct, frozen=True):
    """A diagram over some inputs of a cell only.

    `nodes` lists (level, children), each after its children and all below `root`; a root is an index into it or,
    negative, a leaf.
    """

    nodes: Sequence[tuple[int, tuple[Root, ...]]]
    root: Root


def unknowns(policy: Policy, cell: Cell, known: Known) -> Unknowns:
    """Return the strategies that completions of the unknown inputs lead to, and the questions worth asking.

    A completion gives every unknown input one of its stated bands. Questions come in the order worth asking: fewest
    expected reachable strategies when each answer is equally likely, then least expected entropy over the completions
    that remain, then document order. An input that no completion depends on is not asked for.
    """
    free = [field.stated if not given else None for field, given in zip(policy.inputs, known, strict=True)]
    narrowed = _narrow(_whole(policy), free, cell)
    if narrowed.root < 0:
        return Unknowns((~narrowed.root,), ())
    histograms = _histograms(policy, narrowed, free)
    reachable = {strategy for per_band in histograms.values() for counts in per_band for strategy in counts}
    ranked = sorted(histograms, key=lambda position: (*_worth(histograms[position]), position))
    pivotal = _pivotal(narrowed, reachable)
    questions = tuple([OpenQuestion(position, tuple(pivotal[position])) for position in ranked])
    return Unknowns(tuple(sorted(reachable)), questions)


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


def _whole(policy: Policy) -> _Narrowed:
    """Return the policy's own diagram, nothing narrowed."""
    if not policy.narrowed:
        nodes = policy.diagrams.nodes(policy.root)
        index = {node: position for position, node in enumerate(nodes)}
        renamed = [
            (policy.diagrams.levels[node], tuple(index.get(child, child) for child in policy.diagrams.children[node]))
            for node in nodes
        ]
        policy.narrowed[()] = _Narrowed(renamed, index.get(policy.root, policy.root))
    whole: _Narrowed = policy.narrowed[()]
    return whole


_KEPT = 4096
"""Most narrowed diagrams kept per policy; there is one per combination of the fixed inputs."""


def _changeable(policy: Policy, cell: Cell) -> _Narrowed:
    """Return the diagram over the inputs that may change, the fixed ones held; kept, for many cells share it."""
    fixed = tuple([cell[level] for level in policy.fixed])
    narrowed = policy.narrowed.get(fixed)
    if narrowed is None or not fixed:
        free = [None if field.spec.changed_by == "fixed" else _bands(field) for field in policy.inputs]
        narrowed = _narrow(_whole(policy), free, cell)
        if fixed and len(policy.narrowed) < _KEPT:
            policy.narrowed[fixed] = narrowed
    return narrowed


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


def _histograms(
    policy: Policy, narrowed: _Narrowed, free: Sequence[tuple[int, ...] | None]
) -> dict[int, list[dict[int, int]]]:
    """Count, per input that matters and per band of it, the completions that lead to each strategy.

    One pass up counts completions below a node, one pass down counts ways to reach it. A histogram is packed into one
    integer with a field per strategy wide enough never to overflow, so that adding and scaling are single operations.
    """
    end = len(free)
    below = [1] * (end + 1)  # completions of the free inputs from a level on
    for level in reversed(range(end)):
        bands = free[level]
        below[level] = below[level + 1] * (len(bands) if bands else 1)
    width = below[0].bit_length() + 1
    nodes, root = narrowed.nodes, narrowed.root

    counts: list[int] = []
    edges: list[list[int]] = []  # per node and band: the child's histogram, times the free inputs that the edge skips
    for level, children in nodes:
        rest = below[level + 1]
        row = [
            rest << (width * ~child) if child < 0 else counts[child] * (rest // below[nodes[child][0]])
            for child in children
        ]
        edges.append(row)
        counts.append(sum(row))
    ways = [0] * len(nodes)
    ways[root] = below[0] // below[nodes[root][0]]
    through: dict[int, list[int]] = {}
    for index in range(len(nodes) - 1, -1, -1):
        level, children = nodes[index]
        reach, rest = ways[index], below[level + 1]
        per_band = through.get(level)
        if per_band is None:
            per_band = through[level] = [0] * len(children)
        for band, child in enumerate(children):
            per_band[band] += reach * edges[index][band]
            if child >= 0:
                ways[child] += reach * (rest // below[nodes[child][0]])
    everything = counts[root] * ways[root]
    mask = (1 << width) - 1
    histograms = {}
    for level in sorted(through):
        per_band = through[level]
        skipping = (everything - sum(per_band)) // len(per_band)  # completions on paths that do not test the input
        histograms[level] = [
            {
                strategy: cells
                for strategy in range(len(policy.strategies))
                if (cells := (packed + skipping) >> (width * strategy) & mask)
            }
            for packed in per_band
        ]
    return histograms


def _worth(per_band: list[dict[int, int]]) -> tuple[float, float]:
    """Return the expected number of reachable strategies, and the expected entropy in bits, after the answer."""
    entropy = 0.0
    for counts in per_band:
        if len(counts) > 1:
            total = sum(counts.values())
            entropy -= sum([cells / total * log2(cells / total) for cells in counts.values()])
    return sum(map(len, per_band)) / len(per_band), round(entropy / len(per_band), 9)


def _pivotal(narrowed: _Narrowed, strategies: Iterable[int]) -> dict[int, list[int]]:
    """Return, per input, the strategies it is pivotal for: whether the answer is that strategy depends on the input."""
    pivotal: dict[int, list[int]] = {}
    for strategy in sorted(strategies):
        for level in _support(narrowed, ~strategy):
            pivotal.setdefault(level, []).append(strategy)
    return pivotal


def _support(narrowed: _Narrowed, leaf: Root) -> set[int]:
    """Return the inputs that "the answer is this leaf" depends on: the levels of that predicate's reduced diagram."""
    reduced: list[Root] = []
    unique: dict[tuple[int, tuple[Root, ...]], Root] = {}
    for level, children in narrowed.nodes:
        below = tuple([reduced[child] if child >= 0 else (TRUE if child == leaf else FALSE) for child in children])
        if below.count(below[0]) == len(below):
            reduced.append(below[0])
        else:
            reduced.append(unique.setdefault((level, below), len(unique)))
    return {level for level, _ in unique}


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
        [(0, {0: (0, ())}) if strategy == leaf else None for strategy in range(count)] for leaf in range(count)
    ]
    best: list[_Smallest] = []
    for level, children in narrowed.nodes:
        now = cell[level]
        stay = children[now]
        found = list(best[stay] if stay >= 0 else leaves[~stay])
        own = [False] * count
        for child, (steps, band) in _nearest(children, now, policy.inputs[level].stated).items():
            for strategy, there in enumerate(best[child] if child >= 0 else leaves[~child]):
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
        for strategy, there in enumerate(best[root] if root >= 0 else leaves[~root])
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
