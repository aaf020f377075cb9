"""Decision tables over bands: which rule fires, and what it says.

Evaluation is a walk through nested tuples, one index per input of the table; the rule at the end is the explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from trivium.policy.engine.diagram import TooLargeError
from trivium.policy.language.document import Table, When


ENTRY_LIMIT = 20_000
"""Most distinct entries a table's lookup may need; shipped tables need a few dozen."""

WORK_LIMIT = 5_000_000
"""Most comparisons of a rule with a label that building a lookup may take: some seconds."""

Condition: TypeAlias = tuple[tuple[int, frozenset[int]], ...]
"""(position of a variable, allowed labels), all of which must hold; empty always holds."""


class Variable(msgspec.Struct, frozen=True):
    """An input with its bands, or a decision table with its outcomes."""

    name: str
    labels: tuple[str, ...]


class FiredRule(msgspec.Struct, frozen=True, eq=False):
    """A compiled rule. `position` is its row; `outcome` the index of its outcome in the table."""

    id: str
    position: int
    outcome: int
    condition: Condition
    because: tuple[str, ...]


class DecisionTable(msgspec.Struct, frozen=True, eq=False):
    """A compiled table with hit policy FIRST.

    Attributes:
        name: the table's name.
        reads: positions of the variables it reads, inputs and earlier tables alike.
        outcomes: its possible outcomes, in the order in which its rules first name them.
        rules: its rules in order.
        lookup: nested tuples, one level per variable read, that end in the first rule whose condition holds, or in None
            where none does.
    """

    name: str
    reads: tuple[int, ...]
    outcomes: tuple[str, ...]
    rules: tuple[FiredRule, ...]
    lookup: Any

    def fire(self, state: Sequence[int]) -> FiredRule:
        """Return the rule that fires in a state: the bands of the inputs, then the outcomes of the earlier tables."""
        entry = self.lookup
        for position in self.reads:
            entry = entry[state[position]]
        return entry  # type: ignore[no-any-return]  # a proven table ends in a rule wherever the policy can reach


def condition(when: When, variables: Mapping[str, int], known: Sequence[Variable]) -> Condition:
    """Compile a condition; names and labels have been checked before."""
    terms = []
    for name, labels in when.items():
        position = variables[name]
        wanted = [labels] if isinstance(labels, str) else labels
        terms.append((position, frozenset(known[position].labels.index(label) for label in wanted)))
    return tuple(terms)


def holds(terms: Condition, state: Sequence[int]) -> bool:
    """Say whether a condition holds in a state."""
    for position, labels in terms:  # noqa: SIM110 - `all` takes twice as long
        if state[position] not in labels:
            return False
    return True


def agreeing(holding: Iterable[FiredRule]) -> Iterator[FiredRule]:
    """Yield, of the rules that hold, the one that fires, then those that would fire without it and say the same.

    They end where a rule with another outcome holds. One that holds wherever one before it does is no further reason.
    """
    told: list[Mapping[int, frozenset[int]]] = []
    outcome = None
    for rule in holding:
        if told and rule.outcome != outcome:
            return
        if not any(_implied(rule, condition) for condition in told):
            told.append(dict(rule.condition))
            outcome = rule.outcome
            yield rule


def _implied(rule: FiredRule, condition: Mapping[int, frozenset[int]]) -> bool:
    """Say whether a rule holds wherever a condition does."""
    return all(position in condition and condition[position] <= labels for position, labels in rule.condition)


def outcomes(table: Table) -> tuple[str, ...]:
    """Return a table's outcomes in the order in which its rules first name them."""
    return tuple(dict.fromkeys(rule.then for rule in table.rules))


def compile_table(name: str, table: Table, positions: Mapping[str, int], known: Sequence[Variable]) -> DecisionTable:
    """Compile one table.

    Args:
        name: the table's name.
        table: the table as written.
        positions: variable name to position, for inputs and all earlier tables.
        known: the variables by position.
    """
    labels = outcomes(table)
    rules = tuple(
        FiredRule(rule.id, row, labels.index(rule.then), condition(rule.when, positions, known), tuple(rule.because))
        for row, rule in enumerate(table.rules)
    )
    reads = tuple(positions[read] for read in table.inputs)
    return DecisionTable(name, reads, labels, rules, _lookup(reads, rules, known))


def _lookup(reads: tuple[int, ...], rules: tuple[FiredRule, ...], known: Sequence[Variable]) -> Any:
    """Build the nested tuples; equal parts are shared, so a wide table stays small."""
    every = (1 << len(rules)) - 1  # sets of rules are bit masks
    allowing = {position: [every] * len(known[position].labels) for position in reads}
    for row, rule in enumerate(rules):
        for position, labels in rule.condition:
            for label in range(len(known[position].labels)):
                if label not in labels:
                    allowing[position][label] &= ~(1 << row)
    work = 0
    memo: dict[tuple[int, int], Any] = {}

    def build(depth: int, alive: int) -> Any:
        nonlocal work
        if depth == len(reads):
            return rules[(alive & -alive).bit_length() - 1] if alive else None
        key = (depth, alive)
        made = memo.get(key)
        if made is None:
            if len(memo) > ENTRY_LIMIT:
                raise TooLargeError(f"more than {ENTRY_LIMIT} entries in the lookup of one table")
            masks = allowing[reads[depth]]
            work += len(masks) * (alive.bit_count() + 1)
            if work > WORK_LIMIT:
                raise TooLargeError(f"more than {WORK_LIMIT} comparisons in the lookup of one table")
            made = memo[key] = tuple([build(depth + 1, alive & mask) for mask in masks])
        return made

    return build(0, every)
