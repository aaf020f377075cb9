"""Exact questions about a policy's strategies: what is reachable, what to ask, what would change the answer.

Each query first narrows the policy's diagram to the inputs it may vary, which leaves a few dozen nodes, and then walks
those once. Nothing is sampled and nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import log2
from typing import NamedTuple, TypeAlias

import msgspec

from trivium.policy.compiled import Known, Policy
from trivium.policy.diagram import Cell, Root


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
    """A diagram over the free inputs of a cell only.

    `nodes` lists (level, children), each after its children; a root is an index into it or, negative, a leaf.
    """

    nodes: list[tuple[int, tuple[Root, ...]]]
    root: Root


def unknowns(policy: Policy, cell: Cell, known: Known) -> Unknowns:
    """Return the strategies that completions of the unknown inputs lead to, and the questions worth asking.

    A completion gives every unknown input one of its stated bands. Questions come in the order worth asking: fewest
    expected reachable strategies when each answer is equally likely, then least expected entropy over the completions
    that remain, then document order. An input that no completion depends on is not asked for.
    """
    free = [field.stated if not given else None for field, given in zip(policy.inputs, known, strict=True)]
    narrowed = _narrow(policy, cell, free)
    if narrowed.root < 0:
        return Unknowns((~narrowed.root,), ())
    histograms = _histograms(policy, narrowed, free)
    reachable = {strategy for per_band in histograms.values() for counts in per_band for strategy in counts}
    ranked = sorted(histograms, key=lambda position: (*_worth(histograms[position]), position))
    pivotal = _pivotal(narrowed)
    questions = tuple(OpenQuestion(position, pivotal[position]) for position in ranked)
    return Unknowns(tuple(sorted(reachable)), questions)


def flips(policy: Policy, cell: Cell) -> tuple[Flip, ...]:
    """Return, per other strategy, every smallest set of changes that leads to it, nearest first.

    Beside the smallest sets of all, the smallest that a team can bring about by itself are listed. Inputs marked
    `fixed` never change. Per set of inputs there is one target: fewest band steps, ties by document order. A starting
    band is left by a change, and is never a target.
    """
    anyway = _smallest_changes(policy, cell, ("action", "circumstance"))
    by_action = _smallest_changes(policy, cell, ("action",))
    found: dict[tuple[int, Targets], Flip] = {}
    for changes in (anyway, by_action):
        for strategy, targets in changes:
            acted = all(policy.inputs[position].spec.changed_by == "action" for position, _ in targets)
            found[strategy, targets] = Flip(strategy, targets, acted)
    return tuple(sorted(found.values(), key=lambda flip: (len(flip.targets), flip.strategy, flip.targets)))


def margin(flips: Sequence[Flip]) -> int | None:
    """Return the smallest number of changed inputs that changes the strategy; None when nothing does."""
    return min((len(flip.targets) for flip in flips), default=None)


def _narrow(policy: Policy, cell: Cell, free: Sequence[tuple[int, ...] | None]) -> _Narrowed:
    """Hold every input without free bands at the cell's band and reduce what is left."""
    levels, children = policy.diagrams.levels, policy.diagrams.children
    nodes: list[tuple[int, tuple[Root, ...]]] = []
    unique: dict[tuple[int, tuple[Root, ...]], Root] = {}
    memo: dict[Root, Root] = {}

    def walk(root: Root) -> Root:
        while root >= 0 and free[levels[root]] is None:
            root = children[root][cell[levels[root]]]
        if root < 0:
            return root
        narrowed = memo.get(root)
        if narrowed is None:
            level = levels[root]
            below = children[root]
            kept = tuple([walk(below[band]) for band in free[level]])  # type: ignore[union-attr]  # free here
            if kept.count(kept[0]) == len(kept):
                narrowed = kept[0]
            else:
                narrowed = unique.setdefault((level, kept), len(nodes))
                if narrowed == len(nodes):
                    nodes.append((level, kept))
            memo[root] = narrowed
        return narrowed

    return _Narrowed(nodes, walk(policy.root))


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

    def edge(level: int, child: Root) -> int:
        """Return the histogram of an edge: the child's, times the free inputs that the edge skips."""
        if child < 0:
            return below[level + 1] << (width * ~child)
        return counts[child] * (below[level + 1] // below[nodes[child][0]])

    for level, children in nodes:
        counts.append(sum([edge(level, child) for child in children]))
    ways = [0] * len(nodes)
    ways[root] = below[0] // below[nodes[root][0]]
    through: dict[int, list[int]] = {}
    for index in range(len(nodes) - 1, -1, -1):
        level, children = nodes[index]
        reach = ways[index]
        per_band = through.setdefault(level, [0] * len(children))
        for band, child in enumerate(children):
            per_band[band] += reach * edge(level, child)
            if child >= 0:
                ways[child] += reach * (below[level + 1] // below[nodes[child][0]])
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


def _pivotal(narrowed: _Narrowed) -> dict[int, tuple[int, ...]]:
    """Return, per input that matters, the strategies on either side of a difference that it makes by itself."""
    nodes = narrowed.nodes
    masks: list[int] = []  # per node, the strategies below it, as bits
    memo: dict[tuple[Root, Root], int] = {}

    def below(root: Root) -> int:
        return masks[root] if root >= 0 else 1 << ~root

    def differing(one: Root, other: Root) -> int:
        """Return the strategies that two functions give where they differ."""
        if one == other:
            return 0
        if not below(one) & below(other):
            return below(one) | below(other)
        key = (one, other) if one < other else (other, one)
        if (found := memo.get(key)) is None:
            levels = [nodes[root][0] if root >= 0 else _LEAF for root in key]
            width = len(nodes[key[levels[1] < levels[0]]][1])
            sides = [
                nodes[root][1] if level == min(levels) else (root,) * width
                for root, level in zip(key, levels, strict=True)
            ]
            found = memo[key] = _union(differing(*pair) for pair in zip(*sides, strict=True))
        return found

    pivotal: dict[int, int] = {}
    for level, children in nodes:
        masks.append(_union(map(below, children)))
        found = pivotal.get(level, 0)
        for one, other in combinations(children, 2):
            if found & masks[-1] == masks[-1]:
                break  # every strategy below is known to be decided by this input already
            found |= differing(one, other)
        pivotal[level] = found
    return {
        level: tuple(strategy for strategy in range(found.bit_length()) if found >> strategy & 1)
        for level, found in pivotal.items()
    }


_LEAF = 1 << 30
"""The level of a leaf: after every input."""


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _smallest_changes(policy: Policy, cell: Cell, changed_by: tuple[str, ...]) -> list[tuple[int, Targets]]:
    """List (strategy, targets) of every smallest set of changes to the inputs that `changed_by` frees.

    One pass up the narrowed diagram. Per node and strategy it keeps the sets of the smallest size only: a smallest set
    at a node is, below each child, a smallest set there. Sets are keyed by their inputs; of two targets for the same
    inputs the one with fewer band steps stays, then the one earlier in document order.
    """
    free = [tuple(range(len(field.bands))) if field.spec.changed_by in changed_by else None for field in policy.inputs]
    narrowed = _narrow(policy, cell, free)
    best: list[dict[int, _Smallest]] = []

    def at(root: Root) -> dict[int, _Smallest]:
        return best[root] if root >= 0 else {~root: _UNCHANGED}

    for level, children in narrowed.nodes:
        now = cell[level]
        found = {strategy: _Smallest(small.size, dict(small.sets)) for strategy, small in at(children[now]).items()}
        for band in policy.inputs[level].stated:
            if band == now:
                continue
            for strategy, small in at(children[band]).items():
                size = small.size + 1
                kept = found.get(strategy)
                if kept is None or size < kept.size:
                    kept = found[strategy] = _Smallest(size, {})
                elif size > kept.size:
                    continue
                for inputs, (steps, targets) in small.sets.items():
                    changed = (steps + abs(band - now), ((level, band), *targets))
                    key = inputs | 1 << level
                    if key not in kept.sets or changed < kept.sets[key]:
                        kept.sets[key] = changed
        best.append(found)
    current = policy.diagrams.value(policy.root, cell)
    return [
        (strategy, targets)
        for strategy, small in at(narrowed.root).items()
        if strategy != current
        for _, targets in small.sets.values()
    ]


class _Smallest(NamedTuple):
    """The smallest sets of changes to a strategy: their size; per set of inputs (a bit mask) steps and targets."""

    size: int
    sets: dict[int, tuple[int, Targets]]


_UNCHANGED = _Smallest(0, {0: (0, ())})
