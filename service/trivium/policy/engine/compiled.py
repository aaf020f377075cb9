"""A policy ready to answer: tables for evaluation and reasons, one diagram for questions about strategies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, TypeAlias

import msgspec

from trivium.policy.engine.completion import complete
from trivium.policy.engine.diagram import Cell, Diagrams, Root, TooLargeError, leaf
from trivium.policy.engine.tables import (
    Condition,
    DecisionList,
    DecisionTable,
    FiredRule,
    Variable,
    compile_list,
    compile_table,
    condition,
)
from trivium.policy.errors import PolicyError, nearest_name
from trivium.policy.language import references
from trivium.policy.language.document import UNMEASURED, Document, Input, Rule
from trivium.policy.language.parser import Parsed, parse


Value: TypeAlias = str | bool | int | float
Known: TypeAlias = tuple[bool, ...]
"""Per input, whether the profile stated it."""

OURS, WORLD = 1, 2
"""Who changes an input: the team by its own action, and for the better; or the world, also by how things turn out."""

Moves: TypeAlias = tuple[tuple[int, int], ...]
"""(band that an input may change to, by whom: `OURS`, `WORLD`, or the sum of both), in the order of bands."""


class CompiledInput(msgspec.Struct, frozen=True, eq=False):
    """One input with its bands by index.

    Attributes:
        name: the profile's field.
        spec: the input as written.
        bands: all bands in order, the starting band first where there is one.
        stated: indexes of the bands a profile can state.
        assumed: index of the band read when the input is unknown.
        values: API value per band; None for the starting band and for bands of numbers.
        cuts: lowest value per stated band, for numbers.
        floors: what a number is rounded down to, by how many cuts it reaches; below the first, to what is in no band.
        numbering: band index by API value, or by cut; that of None, for unknown, is `assumed`.
        weights: how likely each band is, against the others; 0 for the starting band.
        needs: what must hold of other inputs after a team has changed this one for the better.
        asked_when: what must hold of other inputs for the question to make sense.
        moves: what may change it, from each band: where it is not known, and where it is.
    """

    name: str
    spec: Input
    bands: tuple[str, ...]
    stated: tuple[int, ...]
    assumed: int
    values: tuple[str | bool | None, ...]
    cuts: tuple[int | float, ...] | None
    floors: tuple[int | float, ...]
    numbering: Mapping[Any, int]
    weights: tuple[int, ...]
    needs: Condition
    asked_when: Condition
    moves: tuple[tuple[Moves, ...], tuple[Moves, ...]]

    def read(self, value: Any) -> int:
        """Return the band of an API value, or of None for unknown.

        Raises:
            KeyError: no band holds it.
            TypeError: the value has the wrong type.
        """
        return self.numbering[self.floors[bisect_right(self.cuts, value)] if self.cuts and value is not None else value]

    def lowest(self, band: int) -> int | float | None:
        """Return the lowest value of a band of a number; None for the first band, which has no lower limit."""
        offset = band - self.stated[0]
        return self.cuts[offset] if self.cuts and offset > 0 else None

    def limit(self, band: int) -> int | float | None:
        """Return the value at which the next band begins; None for the last."""
        offset = band - self.stated[0] + 1
        return self.cuts[offset] if self.cuts and offset < len(self.cuts) else None


class Decision(msgspec.Struct, frozen=True, eq=False):
    """What a policy says of a cell: the index of the strategy, and per table the rule that fired."""

    strategy: int
    fired: tuple[FiredRule, ...]


class Policy:
    """A compiled policy. Immutable; safe to share between threads.

    Attributes:
        document: the policy as written.
        digest: SHA-256 of the canonical document.
        inputs: the inputs in document order, which is also the diagram's.
        needing: the inputs whose changes need something of other inputs, each with what that is.
        strategies: the possible answers, in document order.
        tables: the decision tables in order; the last one gives the strategy.
        summary: the statements, as a list of rules.
        variables: inputs, then tables: what a condition may name.
        positions: variable name to position.
        diagrams: the space in which `firing` and `root` live.
        firing: per table, the diagram from cells to the row that fires (number of rows: none).
        root: the diagram from cells to the index of the strategy.
        completion: the diagram from patterns of known and unknown inputs to the strategies still reachable.
    """

    def __init__(self, parsed: Parsed, vocabulary: references.Vocabulary | None = None) -> None:
        document = parsed.document
        self.parsed = parsed
        self.document: Document = document
        self.digest = parsed.digest
        variables = [Variable(name, spec.bands) for name, spec in document.inputs.items()]
        positions = {variable.name: position for position, variable in enumerate(variables)}
        later = {name: field.read_as for name, field in (vocabulary or {}).items()}
        self.inputs = tuple(
            _compile_input(name, spec, positions, variables, later.get(name, {}))
            for name, spec in document.inputs.items()
        )
        self._numberings = tuple(field.numbering for field in self.inputs)
        self._cuts = [(at, field.cuts, field.floors) for at, field in enumerate(self.inputs) if field.cuts]
        self.needing = tuple((at, field.needs) for at, field in enumerate(self.inputs) if field.needs)
        self.strategies = tuple(document.strategies)
        tables = []
        for name, written in document.tables.items():
            table = compile_table(name, written, positions, variables)
            tables.append(table)
            positions[name] = len(variables)
            variables.append(Variable(name, table.outcomes))
        self.tables: tuple[DecisionTable, ...] = tuple(tables)
        self.variables = tuple(variables)
        self.positions: Mapping[str, int] = positions
        self.summary = self._compile_summary()
        space = Diagrams([len(field.bands) for field in self.inputs])
        self.firing = tuple(compose((*self.tables, self.summary), space, len(self.inputs), space.among))
        self.root = space.combine(self.strategy_of_row, self.firing[len(self.tables) - 1])
        self.diagrams = space.frozen()
        self.completion = complete(self.diagrams, self.root, [field.stated for field in self.inputs])
        self._answers = tuple(self.strategies.index(label) for label in self.tables[-1].outcomes)

    @property
    def version(self) -> str:
        """The semantic version."""
        return self.document.version

    @property
    def cells(self) -> int:
        """The number of cells: the product of all bands."""
        total = 1
        for field in self.inputs:
            total *= len(field.bands)
        return total

    def strategy_of_row(self, row: int) -> int:
        """Return the strategy that a row of the last table gives; the number of strategies where no row fires."""
        rules = self.tables[-1].rules
        if row == len(rules):
            return len(self.strategies)
        return self.strategies.index(self.tables[-1].outcomes[rules[row].outcome])

    def read(self, values: Sequence[Any]) -> tuple[Cell, Known]:
        """Read API values, in the order of `inputs`, None for unknown, into a cell and what of it was stated.

        Raises:
            KeyError: no band holds a value.
            TypeError: a value has the wrong type.
        """
        return self.cell(values), tuple([value is not None for value in values])

    def rounded(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Round numbers down to their cuts: API values that round alike are read alike."""
        rounded = list(values)
        for position, cuts, floors in self._cuts:
            if (value := rounded[position]) is not None:
                rounded[position] = floors[bisect_right(cuts, value)]
        return tuple(rounded)

    def cell(self, values: Sequence[Any]) -> Cell:
        """Return the cell of API values, in the order of `inputs`, None for unknown."""
        rounded = self.rounded(values)
        return tuple([numbering[value] for numbering, value in zip(self._numberings, rounded, strict=True)])

    def read_profile(self, profile: Mapping[str, Any]) -> tuple[Cell, Known]:
        """Read a mapping of input name to API value.

        Raises:
            ValueError: an unknown input, or a value no band holds; the text says what is allowed.
        """
        for name, value in profile.items():
            position = self.positions.get(name, len(self.inputs))
            if position >= len(self.inputs):
                raise ValueError(f"no input `{name}`{nearest_name(name, [field.name for field in self.inputs])}")
            field = self.inputs[position]
            try:
                field.read(value)
            except (KeyError, TypeError):
                allowed = list(field.spec.api_values.values()) or f"a number from {field.cuts[0]} up"  # type: ignore[index]  # no values means cuts
                raise ValueError(f"`{name}` cannot be {value!r}; allowed: {allowed}") from None
        return self.read([profile.get(field.name) for field in self.inputs])

    def state(self, cell: Cell) -> tuple[list[int], list[tuple[FiredRule, ...]]]:
        """Evaluate all tables: the state of every variable; per table the rule that fires, then those that agree."""
        state = list(cell)
        holding = []
        for table in self.tables:
            held = table.lookup
            for position in table.reads:
                held = held[state[position]]
            holding.append(held)
            state.append(held[0].outcome)
        return state, holding

    def decide(self, cell: Cell) -> Decision:
        """Return the strategy of a cell with the rules behind it."""
        state, holding = self.state(cell)
        return Decision(self._answers[state[-1]], tuple([rules[0] for rules in holding]))

    def describe(self, cell: Mapping[int, int] | Cell) -> dict[str, str]:
        """Name the bands of a cell, or of the part of one given as position to band."""
        bands = cell if isinstance(cell, Mapping) else dict(enumerate(cell))
        return {self.inputs[position].name: self.inputs[position].bands[band] for position, band in bands.items()}

    def _compile_summary(self) -> DecisionList:
        rules = [Rule(id=said.id, then=said.id, when=said.when) for said in self.document.summary]
        return compile_list("summary", rules, self.positions, self.variables)

    def condition(self, when: Mapping[str, str | list[str]]) -> Condition:
        """Compile a condition over this policy's variables."""
        return condition(dict(when), self.positions, self.variables)


def compose(
    tables: Sequence[DecisionList],
    diagrams: Diagrams,
    inputs: int,
    literal: Callable[[int, frozenset[int]], Root],
) -> list[Root]:
    """Compose tables into diagrams from cells to the row that fires.

    Args:
        tables: in order; conditions on positions from `inputs` on read the outcomes of earlier tables.
        diagrams: the space to build in.
        inputs: number of inputs.
        literal: (position of an input, band indexes) to the predicate "the input is in one of them".
    """
    firing: list[Root] = []
    memo: dict[tuple[int, frozenset[int]], Root] = {}

    def term(position: int, labels: frozenset[int]) -> Root:
        key = (position, labels)
        if key not in memo:
            if position < inputs:
                memo[key] = literal(position, labels)
            else:
                memo[key] = outcome_among(diagrams, tables[position - inputs], firing[position - inputs], labels)
        return memo[key]

    for table in tables:
        root = leaf(len(table.rules))
        for rule in reversed(table.rules):
            root = diagrams.choose(diagrams.every(term(*part) for part in rule.condition), leaf(rule.position), root)
        firing.append(root)
    return firing


def outcome_among(diagrams: Diagrams, table: DecisionList, firing: Root, labels: frozenset[int]) -> Root:
    """Return the predicate "the table's outcome is one of these"; false where no row fires."""
    return diagrams.where(firing, [rule.position for rule in table.rules if rule.outcome in labels])


def compile_policy(text: str, file: str = "<policy>", vocabulary: references.Vocabulary | None = None) -> Policy:
    """Parse, check and compile a policy, without proving it.

    Raises:
        PolicyError: with every problem found.
    """
    parsed = parse(text, file)
    return compile_parsed(parsed, vocabulary)


def compile_parsed(parsed: Parsed, vocabulary: references.Vocabulary | None = None) -> Policy:
    """Check and compile a parsed policy, without proving it.

    Raises:
        PolicyError: with every problem found.
    """
    if problems := references.check(parsed, vocabulary):
        raise PolicyError(problems)
    try:
        return Policy(parsed, vocabulary)
    except TooLargeError as error:
        message = f"the policy does not compile into a diagram of a workable size: {error}; use fewer bands or tables"
        raise PolicyError([parsed.problem(("tables",), "too-large", message)]) from None


def _compile_input(
    name: str, spec: Input, positions: Mapping[str, int], known: Sequence[Variable], read_as: Mapping[str, str]
) -> CompiledInput:
    bands = spec.bands
    values = {value: bands.index(band) for band, value in (spec.cuts or spec.api_values).items()}
    offset = int(bands[0] == UNMEASURED)
    assumed = bands.index(spec.when_unknown)
    stated = tuple(range(offset, len(bands)))
    cuts = None if spec.cuts is None else tuple(spec.cuts.values())
    return CompiledInput(
        name,
        spec,
        bands,
        stated,
        assumed,
        values=tuple(spec.api_values.get(band) for band in bands),
        cuts=cuts,
        floors=(-inf, *(cuts or ())),
        numbering={
            None: assumed,
            **{later: values[earlier] for later, earlier in read_as.items() if earlier in values},
            **values,
        },
        weights=tuple(spec.likelihood.get(band, 1) if band != UNMEASURED else 0 for band in bands),
        needs=condition(spec.changing_needs, positions, known),
        asked_when=condition(spec.asked_when, positions, known),
        moves=(
            tuple(_moves(spec, now, stated, known=False) for now in range(len(bands))),
            tuple(_moves(spec, now, stated, known=True) for now in range(len(bands))),
        ),
    )


def _moves(spec: Input, now: int, stated: Sequence[int], *, known: bool) -> Moves:
    """Return what may change an input from a band; a starting band is on no side of the others, so none is better."""
    world = 0 if known and spec.changed_by != "circumstance" else WORLD
    improved = spec.changed_by == "action" and spec.better != "none" and now in stated
    kinds = {
        band: world | (OURS if improved and (band > now) == (spec.better == "more") else 0)
        for band in stated
        if band != now
    }
    return tuple((band, kind) for band, kind in kinds.items() if kind)
