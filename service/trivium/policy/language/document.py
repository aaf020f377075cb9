"""What a policy says, as types: the decision tables with all that belongs to them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec


UNMEASURED = "unmeasured"
"""The starting band of an input whose `when_unknown` says so: nothing was measured. No profile can state it."""

STRATEGY = "strategy"
"""The table whose outcome is the policy's answer."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=64)]
RuleId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]*\Z", max_length=64)]
CodeName = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]*\Z", max_length=64)]
Version = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\Z", max_length=64)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=600)]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[!-~]+\Z", max_length=2000)]
Weight = Annotated[int, msgspec.Meta(ge=1, le=1000)]
When: TypeAlias = dict[str, str | list[str]]
"""A condition: every named input or table has one of the listed bands or outcomes."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the document: closed, so that a misspelt key is an error and never ignored."""


class Source(_Part, frozen=True):
    """A publication that rules, codes and steps cite.

    Attributes:
        title: what callers see of it.
        year: year of publication.
        url: where to read it.
    """

    title: Text
    year: Annotated[int, msgspec.Meta(ge=1950, le=2100)]
    url: Url | None = None


class Check(_Part, frozen=True):
    """How a team finds out the value of an input that the answer rests on.

    Attributes:
        action: what to do.
        done_when: the sign that it is done.
    """

    action: Text
    done_when: Text


class Input(_Part, frozen=True):
    """One input: its ordered bands, what to assume when it is unknown, and who can change it.

    Exactly one of `cuts` (band to its lowest value, ascending) and `values` (bands that are the API values themselves,
    or band to API value) is given. A derived input is computed from the field that `derived_from` names, and counts as
    an independent input in every question.

    Attributes:
        question: what to ask the team when the input is unknown.
        when_unknown: the band read when a profile leaves the input out; `unmeasured` adds a starting band.
        changed_by: who can change it: a team by `action`, the world (`circumstance`), or nobody (`fixed`).
        check: how to find out the value.
        cuts: for numbers: band to its lowest value, ascending.
        values: for all else: the bands as a list of values, or band to value.
        phrases: per band a clause that is true in it; `{band}` in one is the band's lowest number, `{band-1}` one less.
        unit: what the number counts.
        derived_from: the profile field that the input is computed from.
        better: which way along the bands a team's own change is for the better; for `none`, no change is.
        changing_needs: what must hold of the other inputs after a team has changed this one for the better.
        asked_when: what must hold of the other inputs for the question to make sense; where what is stated says
            otherwise, it is asked last.
        likelihood: band to a weight; twice the weight is twice as likely. Bands left out weigh 1.
    """

    question: Text
    when_unknown: str
    changed_by: Literal["action", "circumstance", "fixed"]
    check: Check
    cuts: dict[Name, int | float] | None = None
    values: list[Name] | dict[Name, str | bool] | None = None
    phrases: dict[Name, Text] = {}
    unit: str = ""
    derived_from: str | None = None
    better: Literal["more", "fewer", "none"] = "none"
    changing_needs: When = {}
    asked_when: When = {}
    likelihood: dict[Name, Weight] = {}

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands in order; the starting band, where there is one, first."""
        stated = tuple(self.cuts if self.cuts is not None else self.values or ())
        return (UNMEASURED, *stated) if self.when_unknown == UNMEASURED else stated

    @property
    def api_values(self) -> dict[str, str | bool]:
        """Band to the value a profile states, for inputs that are not numbers."""
        if isinstance(self.values, dict):
            return self.values
        return {band: band for band in self.values or ()}


class Rule(_Part, frozen=True):
    """One row of a decision table.

    Attributes:
        id: its name, unique in the table.
        then: the outcome; in the table `strategy`, a strategy.
        when: the conditions, which must all hold; without any, the rule always holds.
        because: the codes it gives as reasons.
    """

    id: RuleId
    then: str
    when: When = {}
    because: list[CodeName] = []


class Table(_Part, frozen=True):
    """A decision table with hit policy FIRST over inputs and earlier tables.

    Attributes:
        inputs: what it reads: inputs and tables that stand before it.
        rules: its rows; the first whose conditions hold fires.
        outcomes: all that its rules may say; where given, a misspelt `then` is found.
    """

    inputs: Annotated[list[str], msgspec.Meta(min_length=1)]
    rules: Annotated[list[Rule], msgspec.Meta(min_length=1)]
    outcomes: list[str] = []


class Lever(_Part, frozen=True):
    """What can be pulled: always adopted, or as the outcome of a table says.

    `verdicts` maps outcomes to verdicts where the table's outcomes are not verdicts themselves.

    Attributes:
        label: its name for people.
        always: whether it is adopted in any case.
        table: the table whose outcome is its verdict.
        verdicts: outcome of the table to verdict.
    """

    label: Text
    always: bool = False
    table: str | None = None
    verdicts: dict[str, Literal["adopt", "not_needed", "later", "blocked"]] | None = None


class Code(_Part, frozen=True):
    """A rationale code: what a fired rule says about a lever.

    Attributes:
        lever: the lever it speaks of.
        effect: what it says of the lever.
        message: the reason, for people.
        source: the sources it rests on.
        short: the reason as a clause, for summaries and for the line that says why a lever is not adopted.
        opens: for a code that speaks against a lever: what would open it.
    """

    lever: str
    effect: Literal["supports", "opposes", "blocks", "informs"]
    message: Text
    source: Annotated[list[str], msgspec.Meta(min_length=1)]
    short: Text | None = None
    opens: Text | None = None


class Statement(_Part, frozen=True):
    """A sentence of the summary; the first whose condition holds is said.

    Attributes:
        id: its name.
        text: the sentence.
        when: where it is said.
    """

    id: RuleId
    text: Text
    when: When = {}


class Step(_Part, frozen=True):
    """Something a team does, with the sign by which it knows that it is done.

    Attributes:
        id: its name.
        phase: when to take it.
        lever: the lever it belongs to.
        action: what to do.
        done_when: the sign that it is done.
        when: where it is advised.
        source: the sources it rests on.
    """

    id: RuleId
    phase: Literal["now", "next", "later"]
    lever: str
    action: Text
    done_when: Text
    when: When = {}
    source: list[str] = []


class Recheck(_Part, frozen=True):
    """An event that should re-open the answer.

    Attributes:
        id: its name.
        event: what happens.
        when: where it matters.
    """

    id: RuleId
    event: Text
    when: When = {}


class Contradiction(_Part, frozen=True):
    """A combination of stated inputs that is contradictory or easily misread.

    Attributes:
        code: its name.
        message: what is odd, and what to do about it.
        when: the combination of inputs that a profile states.
    """

    code: CodeName
    message: Text
    when: When


class Promise(_Part, frozen=True, rename={"if_": "if"}):
    """A law the policy keeps in every cell; exactly one of four forms.

    `if` + `then_strategy`; `raising` + `never_leaves` (may carry an `if`); `setting` + `never_enters`;
    `reachable_given`.

    Attributes:
        id: its name.
        if_: where the promise holds.
        then_strategy: the only strategies there.
        raising: the input that goes up by a band, all else equal.
        never_leaves: the strategies that this never leaves.
        setting: one input and the bands it is set to, all else equal.
        never_enters: the strategies that this never enters.
        reachable_given: the inputs that alone can lead to every strategy.
    """

    id: RuleId
    if_: When | None = None
    then_strategy: list[str] | None = None
    raising: str | None = None
    never_leaves: list[str] | None = None
    setting: When | None = None
    never_enters: list[str] | None = None
    reachable_given: list[str] | None = None


class Example(_Part, frozen=True):
    """A profile and what the policy says of it; it may give more codes than `codes`, and none of `without`.

    Attributes:
        id: its name.
        strategy: the strategy it leads to.
        profile: input to value; what is left out is unknown.
        codes: codes that must be among its reasons.
        without: codes that must not be among its reasons.
        outcomes: table to the outcome it must have.
    """

    id: RuleId
    strategy: str
    profile: dict[str, str | bool | int | float] = {}
    codes: list[CodeName] = []
    without: list[CodeName] = []
    outcomes: dict[str, str] = {}


class Document(_Part, frozen=True):
    """A whole policy as written.

    Attributes:
        policy: the name that all versions share.
        version: the semantic version; `policy diff` proves the step it must take.
        title: what it is, in words.
        sources: name to source.
        inputs: profile field to input, in the order in which the diagram asks.
        strategies: the answers it can give, with a label for people.
        levers: name to lever.
        adopts: strategy to the levers it adopts, beside those that always are; where given, proved in every cell.
        tables: name to table, in order; the last is `strategy`.
        codes: name to rationale code.
        summary: the sentences; the first that holds is said.
        steps: what to do.
        recheck: the events that should re-open the answer.
        warnings: combinations of stated inputs that are odd.
        promises: laws, proved over all cells.
        tests: examples, run before the policy is served.
    """

    policy: Name
    version: Version
    title: Text
    sources: dict[str, Source]
    inputs: dict[Name, Input]
    strategies: dict[Name, Text]
    levers: dict[Name, Lever]
    tables: dict[Name, Table]
    codes: dict[CodeName, Code]
    summary: list[Statement]
    steps: list[Step] = []
    recheck: list[Recheck] = []
    warnings: list[Contradiction] = []
    promises: list[Promise] = []
    adopts: dict[Name, list[str]] = {}
    tests: list[Example] = []
