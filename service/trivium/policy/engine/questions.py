"""What the unknown inputs of a profile leave open, and in which order they are worth asking for.

The completion diagram says in one walk whether anything is open. Where something is, the policy's diagram is narrowed
to the unknown inputs, which leaves a few dozen nodes, and completions are counted on those. Nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import NamedTuple, TypeAlias

import msgspec

from trivium.policy.engine.compiled import Known, Policy
from trivium.policy.engine.completion import UNKNOWN, members
from trivium.policy.engine.diagram import Cell, Root, leaf_value


class Answer(NamedTuple):
    """What an answer to a question leaves open.

    Attributes:
        band: the band that the answer states.
        reachable: the strategies that are still possible then; one alone settles the strategy.
    """

    band: int
    reachable: tuple[int, ...]

    @property
    def settles(self) -> bool:
        """Whether nothing that is still unknown can change the strategy after this answer."""
        return len(self.reachable) == 1


class OpenQuestion(NamedTuple):
    """An unknown input whose value can matter.

    Attributes:
        position: the input.
        answers: per band that a profile can state, in order, what it leaves open.
    """

    position: int
    answers: tuple[Answer, ...]

    @property
    def could_lead_to(self) -> tuple[int, ...]:
        """The strategies that some answer leaves open."""
        return tuple(sorted({strategy for answer in self.answers for strategy in answer.reachable}))


class Unknowns(msgspec.Struct, frozen=True):
    """What the unknown inputs of a cell leave open."""

    reachable: tuple[int, ...]
    questions: tuple[OpenQuestion, ...]

    @property
    def settled(self) -> bool:
        """Whether no answer can change the strategy."""
        return len(self.reachable) == 1


def unknowns(policy: Policy, cell: Cell, known: Known) -> Unknowns:
    """Return the strategies that completions of the unknown inputs lead to, and the questions worth asking.

    A completion gives every unknown input one of its stated bands. An input that no completion depends on is not asked
    for. Questions come in the order worth asking: last those that what is stated makes pointless (`asked_when`); fewest
    expected reachable strategies; then least expected entropy over the completions that remain, both by the likelihood
    of bands; then document order.
    """
    pattern = [band if given else UNKNOWN for band, given in zip(cell, known, strict=True)]
    reachable = members(policy.completion.reachable(pattern))
    if len(reachable) == 1:
        return Unknowns(reachable, ())
    narrowed = _narrow(policy, pattern)
    histograms = _histograms(policy, narrowed, pattern)
    ranked = sorted(
        histograms,
        key=lambda position: (
            _pointless(policy, position, pattern),
            *_worth(
                histograms[position], [policy.inputs[position].weights[at] for at in policy.inputs[position].stated]
            ),
            position,
        ),
    )
    return Unknowns(
        reachable,
        tuple(
            [
                OpenQuestion(
                    position,
                    tuple(
                        [
                            Answer(band, tuple(counts))
                            for band, counts in zip(policy.inputs[position].stated, histograms[position], strict=True)
                        ]
                    ),
                )
                for position in ranked
            ]
        ),
    )


def most_telling(policy: Policy, cell: Cell, known: Known, positions: Sequence[int]) -> list[int]:
    """Return some unknown inputs in the order in which they are worth telling: much like questions, and far quicker.

    It counts the strategies that the answers to each leave open, but not the completions that lead to them: inputs
    that leave as many open come in the order of how telling they are in all cells.
    """
    if len(positions) <= 1:
        return list(positions)
    completion = policy.completion
    pattern = [band if given else UNKNOWN for band, given in zip(cell, known, strict=True)]
    keys = {}
    for position in positions:
        field, expected = policy.inputs[position], 0
        for band in field.stated:
            pattern[position] = band
            expected += field.weights[band] * completion.reachable(pattern).bit_count()
        pattern[position] = UNKNOWN
        likely = sum(field.weights)
        keys[position] = (
            _pointless(policy, position, pattern),
            expected / likely,
            -completion.telling.index(position),
        )
    return sorted(positions, key=keys.__getitem__)


def _pointless(policy: Policy, position: int, pattern: Sequence[int]) -> bool:
    """Say whether what is stated rules out that a question makes sense."""
    for other, bands in policy.inputs[position].asked_when:
        if pattern[other] != UNKNOWN and pattern[other] not in bands:
            return True
    return False


_Nodes: TypeAlias = list[tuple[int, tuple[Root, ...]]]
"""(level, children) per node, each after all of its children, the top last; a child is an index or a leaf."""


def _narrow(policy: Policy, pattern: Sequence[int]) -> _Nodes:
    """Hold every known input at its band, keep the stated bands of the others, and reduce."""
    levels, below = policy.diagrams.levels, policy.diagrams.children
    stated = [field.stated for field in policy.inputs]
    nodes: _Nodes = []
    unique: dict[tuple[int, tuple[Root, ...]], Root] = {}
    memo: dict[Root, Root] = {}

    def walk(root: Root) -> Root:
        while root >= 0:
            level = levels[root]
            band = pattern[level]
            if band < 0:
                break
            root = below[root][band]
        else:
            return root
        narrowed = memo.get(root)
        if narrowed is None:
            children = below[root]
            kept = tuple([walk(children[band]) for band in stated[level]])
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

    walk(policy.root)
    del walk  # it refers to itself: what it holds would wait for the collector, and be cold by then
    return nodes


def _histograms(policy: Policy, nodes: _Nodes, pattern: Sequence[int]) -> dict[int, list[dict[int, int]]]:
    """Count, per input that matters and per stated band of it, the completions that lead to each strategy.

    A completion counts as often as the weights of its bands, multiplied, say; that of the band itself is left out.

    One pass up counts completions below a node, one pass down counts ways to reach it. A histogram is packed into one
    integer with a field per strategy wide enough never to overflow, so that adding and scaling are single operations.
    """
    end = len(pattern)
    weights = [[field.weights[band] for band in field.stated] for field in policy.inputs]
    below = [1] * (end + 1)  # completions of the unknown inputs from a level on
    for level in reversed(range(end)):
        below[level] = below[level + 1] * (sum(weights[level]) if pattern[level] < 0 else 1)
    width = below[0].bit_length() + 1

    counts: list[int] = []
    edges: list[
        list[int]
    ] = []  # per node and band: the child's histogram, times the unknown inputs that the edge skips
    for level, children in nodes:
        rest = below[level + 1]
        row = [
            rest << (width * leaf_value(child)) if child < 0 else counts[child] * (rest // below[nodes[child][0]])
            for child in children
        ]
        edges.append(row)
        counts.append(sum([weight * histogram for weight, histogram in zip(weights[level], row, strict=True)]))
    ways = [0] * len(nodes)
    ways[-1] = below[0] // below[nodes[-1][0]]
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
                ways[child] += reach * weights[level][band] * (rest // below[nodes[child][0]])
    everything = counts[-1] * ways[-1]
    mask = (1 << width) - 1
    histograms = {}
    for level in sorted(through):
        per_band = through[level]
        tested = sum([weight * histogram for weight, histogram in zip(weights[level], per_band, strict=True)])
        skipping = (everything - tested) // sum(weights[level])  # completions on paths that do not test the input
        histograms[level] = [
            {
                strategy: cells
                for strategy in range(len(policy.strategies))
                if (cells := (packed + skipping) >> (width * strategy) & mask)
            }
            for packed in per_band
        ]
    return histograms


def _worth(per_band: Sequence[dict[int, int]], weights: Sequence[int]) -> tuple[float, float]:
    """Return the expected number of reachable strategies, and the expected entropy in bits, after the answer."""
    strategies, entropy = 0, 0.0
    for counts, weight in zip(per_band, weights, strict=True):
        strategies += weight * len(counts)
        if len(counts) > 1:
            total = sum(counts.values())
            entropy -= weight * sum([cells / total * log2(cells / total) for cells in counts.values()])
    likely = sum(weights)
    return round(strategies / likely, 9), round(entropy / likely, 9)
