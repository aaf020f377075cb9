"""Decision tables over bands: which rule fires, and what it says.

Evaluation is a walk through nested tuples, one index per input of the table; the rules at the end are the explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from trivium.policy.engine.diagram import TooLargeError
from trivium.policy.language.document import Table, When


ENTRY_LIMIT = 20_000
"""Most distinct entries a table's lookup may need; shipped tables need a few dozen."""

WORK_LIMIT = 5_000_000
"""Most comparisons of a rule with a label that building a lookup may take: some seconds."""

T = TypeVar("T")

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
        lookup: nested tuples, one level per variable read, that end in a tuple of rules: the first one whose condition
            holds, then those that agree with it (`agreeing`); empty where none holds.
    """

    name: str
    reads: tuple[int, ...]
    outcomes: tuple[str, ...]
    rules: tuple[FiredRule, ...]
    lookup: Any

    def holding(self, state: Sequence[int]) -> tuple[FiredRule, ...]:
        """Return the rule that fires in a state, then those that agree with it.

        Args:
            state: the bands of the inputs, then the outcomes of the earlier tables.
        """
        entry = self.lookup
        for position in self.reads:
            entry = entry[state[position]]
        return entry  # type: ignore[no-any-return]  # of nested tuples


def condition(when: When, variables: Mapping[str, int], known: Sequence[Variable]) -> Condition:
    """Compile a condition; names and labels have been checked before."""
    terms = []
    for name, labels in when.items():
        position = variables[name]
        wanted = [labels] if isinstance(labels, str) else labels
        terms.append((position, frozenset(known[position].labels.index(label) for label in wanted)))
    return tuple(terms)


class Conditional(Generic[T]):
    """Things that are said where their conditions hold.

    Args:
        things: each with its condition.
        variables: the variables by position.
    """

    def __init__(self, things: Iterable[tuple[Condition, T]], variables: Sequence[Variable]) -> None:
        conditions, self._things = list[Condition](), list[T]()
        for terms, thing in things:
            conditions.append(terms)
            self._things.append(thing)
        named = sorted({position for terms in conditions for position, _ in terms})
        self._all = (1 << len(conditions)) - 1
        self._allowing = [(position, allowing(position, conditions, variables)) for position in named]

    def holding(self, state: Sequence[int]) -> list[T]:
        """Return, in order, the things whose conditions hold in a state."""
        left, things = self._all, self._things
        for position, masks in self._allowing:
            left &= masks[state[position]]
        return [things[at] for at in _bits(left)]


def allowing(position: int, conditions: Sequence[Condition], variables: Sequence[Variable]) -> list[int]:
    """Return, per label of a variable, the conditions that it leaves possible: a bit for each."""
    masks = [(1 << len(conditions)) - 1] * len(variables[position].labels)
    for at, terms in enumerate(conditions):
        for named, labels in terms:
            if named == position:
                for label in range(len(masks)):
                    if label not in labels:
                        masks[label] &= ~(1 << at)
    return masks


def _bits(mask: int) -> Iterator[int]:
    """Yield the places of the bits that are set, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


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
    conditions = [rule.condition for rule in rules]
    possible = [allowing(position, conditions, known) for position in reads]
    agreed: dict[tuple[FiredRule, ...], tuple[FiredRule, ...]] = {}  # one tuple for all that are equal
    work = 0
    memo: dict[tuple[int, int], Any] = {}

    def build(depth: int, alive: int) -> Any:
        nonlocal work
        key = (depth, alive)
        made = memo.get(key)
        if made is not None:
            return made
        if depth == len(reads):
            held = tuple(agreeing(rules[row] for row in _bits(alive)))
            made = agreed.setdefault(held, held)
            work += alive.bit_count() * len(held)
        else:
            if len(memo) > ENTRY_LIMIT:
                raise TooLargeError(f"more than {ENTRY_LIMIT} entries in the lookup of one table")
            masks = possible[depth]
            work += len(masks) * (alive.bit_count() + 1)
            made = tuple([build(depth + 1, alive & mask) for mask in masks])
        if work > WORK_LIMIT:
            raise TooLargeError(f"more than {WORK_LIMIT} comparisons in the lookup of one table")
        memo[key] = made
        return made

    return build(0, (1 << len(rules)) - 1)
