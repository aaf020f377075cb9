"""Decision tables over bands: which rule fires, and what it says.

Evaluation is a walk through nested tuples, one index per input of the table; the rules at the end are the explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from trivium.policy.engine.diagram import TooLargeError
from trivium.policy.language.document import Rule, Table, When


ENTRY_LIMIT = 20_000
"""Most distinct entries a table's lookup may need; shipped tables need at most some thousand."""

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


class DecisionList(msgspec.Struct, frozen=True, eq=False):
    """Compiled rules in order, of which the first whose condition holds fires (Rivest 1987).

    Attributes:
        name: what the list is called.
        outcomes: the possible outcomes, in the order in which the rules first name them.
        rules: the rules.
    """

    name: str
    outcomes: tuple[str, ...]
    rules: tuple[FiredRule, ...]


class DecisionTable(DecisionList, frozen=True, eq=False):
    """A compiled table with hit policy FIRST: a decision list that is looked up.

    Attributes:
        reads: positions of the variables it reads, inputs and earlier tables alike.
        lookup: nested tuples, one level per variable read, that end in a tuple of rules: the first one whose condition
            holds, then those that agree with it; empty where none holds.
    """

    reads: tuple[int, ...]
    lookup: Any


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
        return [things[at] for at in bits(left)]


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


def bits(mask: int) -> Iterator[int]:
    """Yield the places of the bits that are set, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


class _Agreement:
    """Of the rules that hold in a state, the one that fires, then those that would fire without it and agree.

    They end where a rule with another outcome holds. One that holds wherever one before it does is no further reason.
    """

    def __init__(self, rules: Sequence[FiredRule]) -> None:
        self._rules = rules
        conditions = [dict(rule.condition) for rule in rules]
        self._implied_by = [
            sum(1 << other for other in range(row) if _implied(rule, conditions[other]))
            for row, rule in enumerate(rules)
        ]
        self._made: dict[tuple[FiredRule, ...], tuple[FiredRule, ...]] = {}  # one tuple for all that are equal

    def of(self, holding: int) -> tuple[FiredRule, ...]:
        """Return them, given the rows that hold as bits."""
        told, agreeing = 0, list[FiredRule]()
        for row in bits(holding):
            rule = self._rules[row]
            if agreeing and rule.outcome != agreeing[0].outcome:
                break
            if not self._implied_by[row] & told:
                told |= 1 << row
                agreeing.append(rule)
        made = tuple(agreeing)
        return self._made.setdefault(made, made)


def _implied(rule: FiredRule, condition: Mapping[int, frozenset[int]]) -> bool:
    """Say whether a rule holds wherever a condition does."""
    for position, labels in rule.condition:
        if position not in condition or not condition[position] <= labels:
            return False
    return True


def outcomes(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Return the outcomes of rules in the order in which these first name them."""
    return tuple(dict.fromkeys(rule.then for rule in rules))


def compile_list(
    name: str, rules: Sequence[Rule], positions: Mapping[str, int], known: Sequence[Variable]
) -> DecisionList:
    """Compile rules.

    Args:
        name: what the list is called.
        rules: the rules as written.
        positions: variable name to position, for inputs and all earlier tables.
        known: the variables by position.
    """
    labels = outcomes(rules)
    compiled = tuple(
        FiredRule(rule.id, row, labels.index(rule.then), condition(rule.when, positions, known), tuple(rule.because))
        for row, rule in enumerate(rules)
    )
    return DecisionList(name, labels, compiled)


def compile_table(name: str, table: Table, positions: Mapping[str, int], known: Sequence[Variable]) -> DecisionTable:
    """Compile one table; the arguments are those of `compile_list`."""
    compiled = compile_list(name, table.rules, positions, known)
    reads = tuple(positions[read] for read in table.inputs)
    return DecisionTable(name, compiled.outcomes, compiled.rules, reads, _lookup(reads, compiled.rules, known))


def _lookup(reads: tuple[int, ...], rules: tuple[FiredRule, ...], known: Sequence[Variable]) -> Any:
    """Build the nested tuples; equal parts are shared, so a wide table stays small."""
    conditions = [rule.condition for rule in rules]
    possible = [allowing(position, conditions, known) for position in reads]
    agreement = _Agreement(rules)
    work = len(rules) ** 2
    memo: dict[tuple[int, int], Any] = {}

    def build(depth: int, alive: int) -> Any:
        nonlocal work
        key = (depth, alive)
        made = memo.get(key)
        if made is not None:
            return made
        if depth == len(reads):
            made = agreement.of(alive)
            work += alive.bit_count()
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
