"""A policy compiled to arrays: columns of codes in, decisions out, with the same answers as the engine.

The code of an input is its band, or one more for *unknown*: `len(bands)`. Decision tables read an unknown input as the
band that is assumed; the completion diagram has a child of its own for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from trivium.policy import Policy, members
from trivium.policy.engine.compiled import Known
from trivium.policy.engine.diagram import Cell, leaf_value
from trivium.policy.engine.tables import DecisionTable, FiredRule
from trivium.portfolio.lookup import ENTRIES, Column, Graph, Lookup, gatherer


CHUNK = 1 << 16
"""Rows that are worked on at once, so that their columns stay in a processor's cache."""


STEPS = 4
"""Most comparisons that stand in for a look-up; they are faster."""


class CompiledTable(NamedTuple):
    """A decision table as a look-up.

    Attributes:
        reads: positions of the variables that it reads.
        lookup: from their codes to the index of what holds.
        holding: what can hold at once: the rule that fires, then those that would fire without it and say the same.
        outcomes: per entry of `holding`, the outcome; in ascending order.
        rules: per entry of `holding`, the position of the rule that fires.
    """

    reads: tuple[int, ...]
    lookup: Lookup
    holding: tuple[tuple[FiredRule, ...], ...]
    outcomes: Column
    rules: Column


class Decided(NamedTuple):
    """What a policy says of some rows; all columns are as long.

    Attributes:
        strategy: the index of the strategy.
        holding: per table, the index of what holds in `CompiledTable.holding`.
        reachable: the index of the set of reachable strategies in `Kernel.masks`.
    """

    strategy: Column
    holding: tuple[Column, ...]
    reachable: Column


class Kernel:
    """A policy compiled to arrays. Immutable; safe to share between threads.

    Args:
        policy: a proven policy.
        entries: most entries of the look-ups of one table or diagram; what needs more is walked node by node.

    Attributes:
        policy: the policy.
        unknown: per input, the code of unknown.
        tables: the decision tables.
        masks: the sets of reachable strategies that there are, as bit masks, the smallest first.
        completion: from codes to the index of the set of reachable strategies.
    """

    def __init__(self, policy: Policy, entries: int = ENTRIES) -> None:
        self.policy = policy
        self.unknown = tuple(len(field.bands) for field in policy.inputs)
        self.tables = tuple(self._compile(table, entries) for table in policy.tables)
        graph, self.masks = _completion_graph(policy)
        self.completion = Lookup(graph, entries)
        self._single = sum(mask.bit_count() == 1 for mask in self.masks)
        alone = [1 << strategy for strategy in range(len(policy.strategies))]
        self._alone = np.array([self.masks.index(mask) if mask in self.masks else 0 for mask in alone], np.uint32)
        strategies = [policy.strategies.index(label) for label in policy.tables[-1].outcomes]
        self._strategies = _by_steps(np.array(strategies, np.uint8).take(self.tables[-1].outcomes))
        self._outcomes = [_by_steps(table.outcomes) for table in self.tables[:-1]]
        self._rules = [gatherer(table.rules) for table in self.tables]

    def decide(self, codes: Sequence[Column]) -> Decided:
        """Decide some rows.

        Args:
            codes: per input the code of every row.
        """
        variables = list(codes)
        holding = []
        for table, outcomes in zip(self.tables, [*self._outcomes, self._strategies], strict=True):
            holding.append(table.lookup([variables[position] for position in table.reads]))
            variables.append(outcomes(holding[-1]))
        return Decided(variables[-1], tuple(holding), self.completion(codes))

    def read(self, codes: Sequence[int]) -> tuple[Cell, Known]:
        """Return the codes of one row as the engine has them: the cell, and which inputs are known."""
        known = tuple([code != unknown for code, unknown in zip(codes, self.unknown, strict=True)])
        inputs = self.policy.inputs
        cell = [code if given else one.assumed for code, given, one in zip(codes, known, inputs, strict=True)]
        return tuple(cell), known

    def fired(self, decided: Decided) -> tuple[Column, ...]:
        """Return, per table, the position of the rule that fires in every row."""
        return tuple([rules(held) for rules, held in zip(self._rules, decided.holding, strict=True)])

    def several(self, reachable: Column) -> Column:
        """Return, per row, whether its set of `masks` has more than one strategy."""
        return reachable >= self._single

    def settled(self, strategies: Column) -> Column:
        """Return, per row, the index in `masks` of its strategy alone."""
        return self._alone.take(strategies)

    @cached_property
    def reachable(self) -> tuple[tuple[int, ...], ...]:
        """The strategies of every set in `masks`, in document order."""
        return tuple(map(members, self.masks))

    def _compile(self, table: DecisionTable, entries: int) -> CompiledTable:
        graph, holding = _table_graph(self.policy, table)
        outcomes = np.array([_outcome(rules) for rules in holding], np.uint8)
        rows = np.array([rules[0].position if rules else 0 for rules in holding], np.uint8)
        return CompiledTable(table.reads, Lookup(graph, entries), holding, outcomes, rows)


def _completion_graph(policy: Policy) -> tuple[Graph, list[int]]:
    """Return the completion diagram, and the set of strategies of every leaf."""
    completion = policy.completion
    diagram = completion.diagram
    masks = sorted(diagram.values(completion.root), key=lambda mask: (mask.bit_count(), mask))
    leaves = {mask: -1 - at for at, mask in enumerate(masks)}

    def of(root: int) -> int:
        return root if root >= 0 else leaves[leaf_value(root)]

    children = [tuple(map(of, below)) for below in diagram.children]
    return Graph(diagram.sizes, diagram.levels, children, of(completion.root)), masks


def _table_graph(policy: Policy, table: DecisionTable) -> tuple[Graph, tuple[tuple[FiredRule, ...], ...]]:
    """Return a table as a diagram, and what holds at every leaf.

    A level is a variable that the table reads; the last code of an input is unknown.
    """
    sizes, labels = [], []
    for position in table.reads:
        count = len(policy.variables[position].labels)
        assumed = [policy.inputs[position].assumed] if position < len(policy.inputs) else []
        labels.append([*range(count), *assumed])
        sizes.append(len(labels[-1]))
    levels: list[int] = []
    children: list[tuple[int, ...]] = []
    leaves: dict[tuple[FiredRule, ...], int] = {}
    memo: dict[tuple[int, int], int] = {}

    def build(level: int, entry: tuple[Any, ...]) -> int:
        if level == len(sizes):
            return leaves.setdefault(entry, -1 - len(leaves))
        if (root := memo.get((level, id(entry)))) is None:
            below = tuple([build(level + 1, entry[label]) for label in labels[level]])
            root = below[0]
            if below.count(root) != len(below):
                root = len(levels)
                levels.append(level)
                children.append(below)
            memo[level, id(entry)] = root
        return root

    root = build(0, table.lookup)
    ordered = sorted(leaves, key=_outcome)
    renumbered = {leaves[rules]: -1 - at for at, rules in enumerate(ordered)}

    def of(root: int) -> int:
        return root if root >= 0 else renumbered[root]

    return Graph(sizes, levels, [tuple(map(of, below)) for below in children], of(root)), tuple(ordered)


def _outcome(rules: Sequence[FiredRule]) -> int:
    """Return the outcome where some rules hold; the first one where the policy never gets."""
    return rules[0].outcome if rules else 0


def _by_steps(values: Column) -> Callable[[Column], Column]:
    """Return what gives the number at every place: where they rise from 0 in few steps, a few comparisons."""
    first, *others = np.searchsorted(values, range(1, int(values.max(initial=0)) + 1)).tolist() or [len(values)]
    if (np.diff(values.astype(int)) < 0).any() or len(others) >= STEPS:
        return gatherer(values)

    def count(places: Column) -> Column:
        found: Column = (places >= first).view(np.uint8)
        for step in others:
            found += (places >= step).view(np.uint8)
        return found

    return count
