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
from trivium.portfolio.lookup import Column, select
from trivium.portfolio.sorting import Ragged, sort_rows
from trivium.wording import rank


def sufficient_reasons(kernel: Kernel, codes: Sequence[Column], decided: Decided) -> Column:
    """Return, per row, the set of inputs that `trivium.policy.sufficient_reason` finds.

    Args:
        kernel: the policy.
        codes: per input the code of every row.
        decided: what the kernel says of them.
    """
    policy, patterns = kernel.policy, list(codes)
    wanted = kernel.settled(decided.strategy)
    rows = np.flatnonzero(decided.reachable != wanted)
    if len(rows):  # elsewhere, nothing that is unknown matters
        for position, column in enumerate(_without_unknown(kernel, codes, rows, wanted.take(rows))):
            patterns[position] = patterns[position].copy()
            patterns[position][rows] = column
    varied = kernel.completion.vary(patterns)
    for position in policy.completion.telling:
        unknown = kernel.unknown[position]
        varied.keep((varied.change(position, unknown) == wanted) & (codes[position] != unknown))
    reason: Column = unknown_inputs(kernel, varied.codes) ^ set_type(policy).type((1 << len(codes)) - 1)
    return reason


def _without_unknown(kernel: Kernel, codes: Sequence[Column], rows: Column, wanted: Column) -> list[Column]:
    """Return the codes of some rows with every unknown input that matters replaced by what is assumed of it."""
    codes = [column.take(rows) for column in codes]
    unknown = [column == code for column, code in zip(codes, kernel.unknown, strict=True)]
    assumed = [np.uint8(field.assumed) for field in kernel.policy.inputs]
    varied = kernel.completion.vary([select(*one) for one in zip(unknown, assumed, codes, strict=True)])
    for position in kernel.policy.completion.telling:
        varied.keep((varied.change(position, kernel.unknown[position]) == wanted) & unknown[position])
    return varied.codes


def unknown_inputs(kernel: Kernel, codes: Sequence[Column]) -> Column:
    """Return, per row, the set of the inputs that are unknown."""
    found = np.zeros(len(codes[0]), set_type(kernel.policy))
    bits = [(column == code).view(np.uint8) for column, code in zip(codes, kernel.unknown, strict=True)]
    for start in range(0, len(bits), 8):  # bytes are quicker than larger numbers
        byte = reduce(np.bitwise_or, [bit << place for place, bit in enumerate(bits[start : start + 8])])
        found |= byte.astype(found.dtype) << start
    return found


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
        found = self.inputs.take(held)
        for table, named in self.tables:
            found |= named.take(held) & fired[table]
        return found


class _Mentions(NamedTuple):
    """One code out of those that a table mentions at once, per entry of `CompiledTable.holding`.

    Attributes:
        keys: what reasons are sorted by, as far as the policy alone says it; the largest number where there is no code.
        codes: the index of the code, and the number of codes where there is none; None where no other table may
            mention one of them too.
        resting: what the code's rule rests on; None where it is the rule that fires.
        named: the inputs that the code's message names, which count where the rule rests on none; None where it
            always does.
        supports: the levers that some codes support, each with all inputs where they do, and none elsewhere.
    """

    keys: Column
    codes: Column | None
    resting: _Resting | None
    named: Column | None
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
        self._keys = np.min_scalar_type((1 << self._bits + 5) - 1)
        tables = [{name for rule in table.rules for name in rule.because} for table in policy.tables]
        self._again = {name for name in self.codes if sum(name in names for names in tables) > 1}
        self._fired = [self._rest([rules[0] if rules else None for rules in one.holding]) for one in kernel.tables]
        self._mentions = [list(self._mention(one.holding)) for one in kernel.tables]
        self._adopting = dict(self._levers(kernel))

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
        supporting: dict[str, Column] = {}
        for table, entries in enumerate(decided.holding):
            held = entries.astype(np.intp)  # once, instead of at every look-up
            resting.append(self._fired[table].of(held, resting))
            here = []
            for mentions in self._mentions[table]:
                keys = mentions.keys.take(held)
                inputs = mentions.resting.of(held, resting) if mentions.resting else resting[table]
                if mentions.named is not None:
                    inputs = select(inputs == 0, mentions.named.take(held), inputs)
                keys |= np.multiply(inputs & reason == 0, kind(16 << self._bits))
                keys |= np.multiply(inputs & unknown != 0, kind(1 << self._bits))
                if mentions.codes is not None:
                    codes = mentions.codes.take(held)
                    for earlier in told:
                        known = (codes == earlier) & (codes < len(self.codes))
                        keys = select(known, kind(np.iinfo(kind).max), keys)
                        inputs = select(known, self._set.type(0), inputs)
                    here.append(codes)
                for lever, where in mentions.supports:
                    supporting[lever] = supporting.get(lever, self._set.type(0)) | inputs & where.take(held)
                columns.append(keys)
            told += here
        return Explained(self._listed(columns, len(reason)), self._adopted(supporting, decided, len(reason)))

    def _adopted(self, supporting: dict[str, Column], decided: Decided, count: int) -> Column:
        """Return the inputs that support a lever, where it is adopted."""
        adopted = np.zeros(count, self._set)
        for lever, inputs in supporting.items():
            if (adopting := self._adopting[lever]) is None:
                adopted |= inputs
            else:
                table, where = adopting
                adopted |= inputs & where.take(decided.holding[table])
        return adopted

    def _listed(self, keys: list[Column], count: int) -> Ragged:
        """Return the codes in their order."""
        if not keys:
            return Ragged(np.zeros(count, np.int32), np.zeros(0, np.uint8))
        counts, values = sort_rows(keys)
        return Ragged(counts, np.take(self._code_of, values & ((1 << self._bits) - 1)))

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
            yield self._compile([told[place] if place < len(told) else None for told in mentioned], holding)

    def _compile(
        self, told: Sequence[tuple[FiredRule, str] | None], holding: Sequence[Sequence[FiredRule]]
    ) -> _Mentions:
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
            keys[entry] = rank(code, document.levers) << self._bits + 1 | self._orders[id(rule), name]
            codes[entry] = self._numbers[name]
            for slot in slots(compile_text(code.message, document.inputs)):
                named[entry] |= self._set.type(1 << self._policy.positions[slot.name])
            if code.effect == "supports":
                supports.setdefault(code.lever, np.zeros(len(told), self._set))[entry] = self._all
        resting = self._rest([mention[0] if mention else None for mention in told])
        rests = resting.inputs[codes < len(self.codes)].all()
        again = any(mention and mention[1] in self._again for mention in told)
        fires = all(mention[0] is rules[0] for mention, rules in zip(told, holding, strict=True) if mention)
        return _Mentions(
            keys,
            codes if again else None,
            None if fires else resting,
            None if rests else named,
            list(supports.items()),
        )

    def _levers(self, kernel: Kernel) -> Iterable[tuple[str, tuple[int, Column] | None]]:
        """Yield, per lever, the table that decides whether it is adopted, and all inputs per entry where it is."""
        for name, lever in self._policy.document.levers.items():
            if lever.table is None:
                yield name, None
                continue
            at = self._policy.positions[lever.table] - len(self._policy.inputs)
            verdicts = map(lever.verdict, kernel.policy.tables[at].outcomes)
            adopting = np.array([self._all if verdict == "adopt" else 0 for verdict in verdicts], self._set)
            yield name, (at, adopting.take(kernel.tables[at].outcomes))
