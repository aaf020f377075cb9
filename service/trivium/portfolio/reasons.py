"""Why every row has its strategy: the inputs that alone settle it, and the rationale codes in the advisor's order.

A set of inputs is a bit mask: bit `n` is set where input `n` is among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from trivium.policy import Policy
from trivium.policy.engine.tables import FiredRule
from trivium.policy.language.texts import compile_text, slots
from trivium.portfolio.kernel import Decided, Kernel
from trivium.portfolio.lookup import Column
from trivium.portfolio.sorting import Ragged, sort_rows


EFFECTS = ("supports", "informs", "opposes", "blocks")
"""The order in which reasons are told."""


def sufficient_reasons(kernel: Kernel, codes: Sequence[Column]) -> Column:
    """Return, per row, the set of inputs that `trivium.policy.sufficient_reason` finds.

    Args:
        kernel: the policy.
        codes: per input the code of every row.
    """
    policy = kernel.policy
    unknown = [column == code for column, code in zip(codes, kernel.unknown, strict=True)]
    cells = [
        np.where(rows, np.uint8(field.assumed), column)
        for rows, column, field in zip(unknown, codes, policy.inputs, strict=True)
    ]
    varied = kernel.completion.vary(cells)
    wanted = varied.leaves.copy()
    reason = np.full(len(wanted), (1 << len(codes)) - 1, set_type(policy))
    for stated in (False, True):
        for position in policy.completion.telling:
            rows = np.flatnonzero(unknown[position] != stated)
            if len(rows):
                free = varied.change(position, kernel.unknown[position], rows) == np.take(wanted, rows)
                varied.keep(free)
                reason[rows[free]] ^= reason.dtype.type(1 << position)
    return reason


def unknown_inputs(kernel: Kernel, codes: Sequence[Column]) -> Column:
    """Return, per row, the set of the inputs that are unknown."""
    kind = set_type(kernel.policy)
    bits = (
        np.multiply(column == code, kind.type(1 << position))
        for position, (column, code) in enumerate(zip(codes, kernel.unknown, strict=True))
    )
    return reduce(np.bitwise_or, bits)


def set_type(policy: Policy) -> Any:
    """Return the smallest type that holds every set of inputs."""
    return np.min_scalar_type((1 << len(policy.inputs)) - 1)


def listed(reason: Column, unknown: Column, supporting: Column, inputs: int) -> Ragged:
    """List the inputs of every set: stated ones first, and of them those that support an adopted lever."""
    columns = []
    for position in range(inputs):
        bit = reason.dtype.type(1 << position)
        order = ((unknown & bit != 0) * np.uint16(2) + (supporting & bit == 0)) << np.uint16(8)
        columns.append(np.where(reason & bit != 0, order | np.uint16(position), np.iinfo(np.uint16).max))
    counts, values = sort_rows(columns)
    return Ragged(counts, (values & 255).astype(np.uint8))


class _Resting(NamedTuple):
    """What rules rest on, per entry of `CompiledTable.holding`.

    Attributes:
        inputs: the inputs that the rule's condition names.
        tables: the tables that some condition names, each with all inputs where it does, and none elsewhere.
    """

    inputs: Column
    tables: list[tuple[int, Column]]

    def of(self, held: Column, fired: Sequence[Column]) -> Column:
        """Return the inputs that the rule of every row rests on, given what the rules of earlier tables rest on."""
        found = np.take(self.inputs, held)
        for table, named in self.tables:
            found |= np.take(named, held) & fired[table]
        return found


class _Mentions(NamedTuple):
    """One code out of those that a table mentions at once, per entry of `CompiledTable.holding`.

    Attributes:
        keys: what reasons are sorted by, as far as the policy alone says it; the largest number where there is no code.
        codes: the index of the code; the number of codes where there is none.
        resting: what the code's rule rests on.
        named: the inputs that the code's message names.
        supports: the levers that some codes support, each with all inputs where they do, and none elsewhere.
    """

    keys: Column
    codes: Column
    resting: _Resting
    named: Column
    supports: list[tuple[str, Column]]


class Explained(NamedTuple):
    """The reasons of some rows.

    Attributes:
        codes: the indexes of the rationale codes.
        supporting: the set of inputs that support an adopted lever.
    """

    codes: Ragged
    supporting: Column


class Rationale:
    """Finds the reasons. Immutable; safe to share between threads.

    Args:
        kernel: the policy.

    Attributes:
        codes: the names of all codes.
    """

    def __init__(self, kernel: Kernel) -> None:
        policy = kernel.policy
        self._policy = policy
        self._set = set_type(policy)
        self._all = self._set.type((1 << len(policy.inputs)) - 1)
        self.codes = tuple(policy.document.codes)
        self._numbers = {name: number for number, name in enumerate(self.codes)}
        mentioned = [(rule, name) for table in policy.tables for rule in table.rules for name in rule.because]
        self._orders = {(id(rule), name): order for order, (rule, name) in reversed(list(enumerate(mentioned)))}
        self._code_of = np.array([self._numbers[name] for _, name in mentioned], np.min_scalar_type(len(self.codes)))
        self._bits = len(mentioned).bit_length()
        self._keys = np.min_scalar_type((1 << self._bits + 4) - 1)
        tables = [{name for rule in table.rules for name in rule.because} for table in policy.tables]
        self._again = {name for at, names in enumerate(tables) for name in names if any(name in e for e in tables[:at])}
        self._fired = [self._rest([rules[0] if rules else None for rules in one.holding]) for one in kernel.tables]
        self._mentions = [list(self._mention(one.holding)) for one in kernel.tables]
        self._adopting = dict(self._adopted(kernel))

    def explain(self, decided: Decided, reason: Column, unknown: Column) -> Explained:
        """Explain some rows.

        Args:
            decided: what the kernel says of them.
            reason: their sufficient reasons.
            unknown: the inputs that they leave unknown.
        """
        kind = self._keys.type
        resting: list[Column] = []
        columns: list[Column] = []
        told: list[Column] = []
        supporting = np.zeros(len(reason), self._set)
        for table, held in enumerate(decided.holding):
            resting.append(self._fired[table].of(held, resting))
            here = []
            for mentions in self._mentions[table]:
                keys = np.take(mentions.keys, held)
                inputs = mentions.resting.of(held, resting)
                inputs = np.where(inputs == 0, np.take(mentions.named, held), inputs)
                keys |= np.multiply(inputs & reason == 0, kind(8 << self._bits))
                keys |= np.multiply(inputs & unknown != 0, kind(1 << self._bits))
                if self._again:
                    codes = np.take(mentions.codes, held)
                    for earlier in told:
                        known = (codes == earlier) & (codes < len(self.codes))
                        keys[known] = np.iinfo(kind).max
                        inputs[known] = 0
                    here.append(codes)
                for lever, where in mentions.supports:
                    found = inputs & np.take(where, held)
                    if (adopting := self._adopting[lever]) is not None:
                        found &= np.take(adopting[1], decided.holding[adopting[0]])
                    supporting |= found
                columns.append(keys)
            told += here
        if not columns:
            return Explained(Ragged(np.zeros(len(reason), np.int32), np.zeros(0, np.uint8)), supporting)
        counts, values = sort_rows(columns)
        return Explained(Ragged(counts, np.take(self._code_of, values & ((1 << self._bits) - 1))), supporting)

    def _rest(self, rules: Sequence[FiredRule | None]) -> _Resting:
        """Compile what some rules rest on."""
        count = len(self._policy.inputs)
        inputs = np.zeros(len(rules), self._set)
        tables: dict[int, Column] = {}
        for entry, rule in enumerate(rules):
            for position, _ in rule.condition if rule else ():
                if position < count:
                    inputs[entry] |= self._set.type(1 << position)
                else:
                    tables.setdefault(position - count, np.zeros(len(rules), self._set))[entry] = self._all
        return _Resting(inputs, list(tables.items()))

    def _mention(self, holding: Sequence[Sequence[FiredRule]]) -> Iterator[_Mentions]:
        """Compile the first code of every entry, then the second, and so on; a code that is told again is left out."""
        mentioned: list[list[tuple[FiredRule, str]]] = []
        for rules in holding:
            first: dict[str, FiredRule] = {}
            for rule in rules:
                for name in rule.because:
                    first.setdefault(name, rule)
            mentioned.append([(rule, name) for name, rule in first.items()])
        for place in range(max(map(len, mentioned), default=0)):
            yield self._compile([told[place] if place < len(told) else None for told in mentioned])

    def _compile(self, told: Sequence[tuple[FiredRule, str] | None]) -> _Mentions:
        document = self._policy.document
        keys = np.full(len(told), np.iinfo(self._keys).max, self._keys)
        codes = np.full(len(told), len(self.codes), self._code_of.dtype)
        named = np.zeros(len(told), self._set)
        supports: dict[str, Column] = {}
        for entry, mention in enumerate(told):
            if mention is None:
                continue
            rule, name = mention
            code = document.codes[name]
            keys[entry] = EFFECTS.index(code.effect) << self._bits + 1 | self._orders[id(rule), name]
            codes[entry] = self._numbers[name]
            for slot in slots(compile_text(code.message, document.inputs)):
                named[entry] |= self._set.type(1 << self._policy.positions[slot.name])
            if code.effect == "supports":
                supports.setdefault(code.lever, np.zeros(len(told), self._set))[entry] = self._all
        rules = [mention[0] if mention else None for mention in told]
        return _Mentions(keys, codes, self._rest(rules), named, list(supports.items()))

    def _adopted(self, kernel: Kernel) -> Iterable[tuple[str, tuple[int, Column] | None]]:
        """Yield, per lever, the table that decides whether it is adopted, and all inputs per entry where it is."""
        for name, lever in self._policy.document.levers.items():
            if lever.table is None:
                yield name, None
                continue
            at = self._policy.positions[lever.table] - len(self._policy.inputs)
            labels = kernel.policy.tables[at].outcomes
            verdicts = [(lever.verdicts or {}).get(label, label) for label in labels]
            adopting = np.array([self._all if verdict == "adopt" else 0 for verdict in verdicts], self._set)
            yield name, (at, np.take(adopting, kernel.tables[at].outcomes))
