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
Verdict = Annotated[Literal["adopt", "not_needed", "later", "blocked"], msgspec.Meta(title="Verdict")]
Effect = Annotated[Literal["supports", "opposes", "blocks", "informs"], msgspec.Meta(title="Effect")]
Phase = Annotated[Literal["now", "next", "later"], msgspec.Meta(title="Phase")]
ChangedBy = Annotated[Literal["action", "circumstance", "fixed"], msgspec.Meta(title="ChangedBy")]
Better = Annotated[Literal["more", "fewer", "none"], msgspec.Meta(title="Better")]
When: TypeAlias = dict[str, str | list[str]]
"""A condition: every named input or table has one of the listed bands or outcomes."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the document: closed, so that a misspelt key is an error and never ignored."""


class Source(_Part, frozen=True):
    """A publication that rules, codes and steps cite."""

    title: Annotated[Text, msgspec.Meta(description="What callers see of it.")]
    year: Annotated[int, msgspec.Meta(ge=1950, le=2100, description="Year of publication.")]
    url: Annotated[Url | None, msgspec.Meta(description="Where to read it.")] = None


class Check(_Part, frozen=True):
    """How a team finds out the value of an input that the answer rests on."""

    action: Annotated[Text, msgspec.Meta(description="What to do.")]
    done_when: Annotated[Text, msgspec.Meta(description="The sign that it is done.")]


class Input(_Part, frozen=True):
    """One input: its ordered bands, what to assume when it is unknown, and who can change it.

    Exactly one of `cuts` (band to its lowest value, ascending) and `values` (bands that are the API values themselves,
    or band to API value) is given. A derived input is computed from the field that `derived_from` names, and counts as
    an independent input in every question.
    """

    question: Annotated[Text, msgspec.Meta(description="What to ask the team when the input is unknown.")]
    when_unknown: Annotated[
        str,
        msgspec.Meta(
            description="The band read when a profile leaves the input out; `unmeasured` adds a starting band."
        ),
    ]
    changed_by: Annotated[
        ChangedBy,
        msgspec.Meta(
            description="Who can change it: a team by `action`, the world (`circumstance`), or nobody (`fixed`)."
        ),
    ]
    check: Annotated[Check, msgspec.Meta(description="How to find out the value.")]
    cuts: Annotated[
        dict[Name, int | float] | None, msgspec.Meta(description="For numbers: band to its lowest value, ascending.")
    ] = None
    values: Annotated[
        list[Name] | dict[Name, str | bool] | None,
        msgspec.Meta(description="For all else: the bands as a list of values, or band to value."),
    ] = None
    phrases: Annotated[
        dict[Name, Text],
        msgspec.Meta(
            description="Per band a clause that is true in it; `{band}` in one is the band's lowest number, `{band-1}` "
            "one less."
        ),
    ] = {}
    unit: Annotated[str, msgspec.Meta(description="What the number counts.")] = ""
    derived_from: Annotated[
        str | None, msgspec.Meta(description="The profile field that the input is computed from.")
    ] = None
    better: Annotated[
        Better,
        msgspec.Meta(
            description="Which way along the bands a team's own change is for the better; for `none`, no change is."
        ),
    ] = "none"
    changing_needs: Annotated[
        When,
        msgspec.Meta(
            description="What must hold of the other inputs after a team has changed this one for the better."
        ),
    ] = {}
    asked_when: Annotated[
        When,
        msgspec.Meta(
            description="What must hold of the other inputs for the question to make sense; where what is stated says "
            "otherwise, it is asked last."
        ),
    ] = {}
    likelihood: Annotated[
        dict[Name, Weight],
        msgspec.Meta(description="Band to a weight; twice the weight is twice as likely. Bands left out weigh 1."),
    ] = {}

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
    """One row of a decision table."""

    id: Annotated[RuleId, msgspec.Meta(description="Its name, unique in the table.")]
    then: Annotated[str, msgspec.Meta(description="The outcome; in the table `strategy`, a strategy.")]
    when: Annotated[
        When, msgspec.Meta(description="The conditions, which must all hold; without any, the rule always holds.")
    ] = {}
    because: Annotated[list[CodeName], msgspec.Meta(description="The codes it gives as reasons.")] = []


class Table(_Part, frozen=True):
    """A decision table with hit policy FIRST over inputs and earlier tables."""

    inputs: Annotated[
        list[str], msgspec.Meta(min_length=1, description="What it reads: inputs and tables that stand before it.")
    ]
    rules: Annotated[
        list[Rule], msgspec.Meta(min_length=1, description="Its rows; the first whose conditions hold fires.")
    ]
    outcomes: Annotated[
        list[str], msgspec.Meta(description="All that its rules may say; where given, a misspelt `then` is found.")
    ] = []


class Lever(_Part, frozen=True):
    """What can be pulled: always adopted, or as the outcome of a table says.

    `verdicts` maps outcomes to verdicts where the table's outcomes are not verdicts themselves.
    """

    label: Annotated[Text, msgspec.Meta(description="Its name for people.")]
    always: Annotated[bool, msgspec.Meta(description="Whether it is adopted in any case.")] = False
    table: Annotated[str | None, msgspec.Meta(description="The table whose outcome is its verdict.")] = None
    verdicts: Annotated[dict[str, Verdict] | None, msgspec.Meta(description="Outcome of the table to verdict.")] = None

    def verdict(self, outcome: str) -> str:
        """Return the verdict on the lever, given the outcome of its table."""
        return (self.verdicts or {}).get(outcome, outcome)


class Code(_Part, frozen=True):
    """A rationale code: what a fired rule says about a lever."""

    lever: Annotated[str, msgspec.Meta(description="The lever it speaks of.")]
    effect: Annotated[Effect, msgspec.Meta(description="What it says of the lever.")]
    message: Annotated[Text, msgspec.Meta(description="The reason, for people.")]
    source: Annotated[list[str], msgspec.Meta(min_length=1, description="The sources it rests on.")]
    short: Annotated[
        Text | None,
        msgspec.Meta(
            description="The reason as a clause, for summaries and for the line that says why a lever is not adopted."
        ),
    ] = None
    opens: Annotated[
        Text | None, msgspec.Meta(description="For a code that speaks against a lever: what would open it.")
    ] = None


class Statement(_Part, frozen=True):
    """A sentence of the summary; the first whose condition holds is said."""

    id: Annotated[RuleId, msgspec.Meta(description="Its name.")]
    text: Annotated[Text, msgspec.Meta(description="The sentence.")]
    when: Annotated[When, msgspec.Meta(description="Where it is said.")] = {}


class Step(_Part, frozen=True):
    """Something a team does, with the sign by which it knows that it is done."""

    id: Annotated[RuleId, msgspec.Meta(description="Its name.")]
    phase: Annotated[Phase, msgspec.Meta(description="When to take it.")]
    lever: Annotated[str, msgspec.Meta(description="The lever it belongs to.")]
    action: Annotated[Text, msgspec.Meta(description="What to do.")]
    done_when: Annotated[Text, msgspec.Meta(description="The sign that it is done.")]
    when: Annotated[When, msgspec.Meta(description="Where it is advised.")] = {}
    source: Annotated[list[str], msgspec.Meta(description="The sources it rests on.")] = []


class Recheck(_Part, frozen=True):
    """An event that should re-open the answer."""

    id: Annotated[RuleId, msgspec.Meta(description="Its name.")]
    event: Annotated[Text, msgspec.Meta(description="What happens.")]
    when: Annotated[When, msgspec.Meta(description="Where it matters.")] = {}


class Contradiction(_Part, frozen=True):
    """A combination of stated inputs that is contradictory or easily misread."""

    code: Annotated[CodeName, msgspec.Meta(description="Its name.")]
    message: Annotated[Text, msgspec.Meta(description="What is odd, and what to do about it.")]
    when: Annotated[When, msgspec.Meta(description="The combination of inputs that a profile states.")]


class Promise(_Part, frozen=True, rename={"if_": "if"}):
    """A law the policy keeps in every cell; exactly one of four forms.

    `if` + `then_strategy`; `raising` + `never_leaves` (may carry an `if`); `setting` + `never_enters`;
    `reachable_given`.
    """

    id: Annotated[RuleId, msgspec.Meta(description="Its name.")]
    if_: Annotated[When | None, msgspec.Meta(description="Where the promise holds.")] = None
    then_strategy: Annotated[list[str] | None, msgspec.Meta(description="The only strategies there.")] = None
    raising: Annotated[str | None, msgspec.Meta(description="The input that goes up by a band, all else equal.")] = None
    never_leaves: Annotated[list[str] | None, msgspec.Meta(description="The strategies that this never leaves.")] = None
    setting: Annotated[
        When | None, msgspec.Meta(description="One input and the bands it is set to, all else equal.")
    ] = None
    never_enters: Annotated[list[str] | None, msgspec.Meta(description="The strategies that this never enters.")] = None
    reachable_given: Annotated[
        list[str] | None, msgspec.Meta(description="The inputs that alone can lead to every strategy.")
    ] = None


class Example(_Part, frozen=True):
    """A profile and what the policy says of it; it may give more codes than `codes`, and none of `without`."""

    id: Annotated[RuleId, msgspec.Meta(description="Its name.")]
    strategy: Annotated[str, msgspec.Meta(description="The strategy it leads to.")]
    profile: Annotated[
        dict[str, str | bool | int | float], msgspec.Meta(description="Input to value; what is left out is unknown.")
    ] = {}
    codes: Annotated[list[CodeName], msgspec.Meta(description="Codes that must be among its reasons.")] = []
    without: Annotated[list[CodeName], msgspec.Meta(description="Codes that must not be among its reasons.")] = []
    outcomes: Annotated[dict[str, str], msgspec.Meta(description="Table to the outcome it must have.")] = {}


class Document(_Part, frozen=True):
    """A whole policy as written."""

    policy: Annotated[Name, msgspec.Meta(description="The name that all versions share.")]
    version: Annotated[
        Version, msgspec.Meta(description="The semantic version; `policy diff` proves the step it must take.")
    ]
    title: Annotated[Text, msgspec.Meta(description="What it is, in words.")]
    sources: Annotated[dict[str, Source], msgspec.Meta(description="Name to source.")]
    inputs: Annotated[
        dict[Name, Input], msgspec.Meta(description="Profile field to input, in the order in which the diagram asks.")
    ]
    strategies: Annotated[
        dict[Name, Text], msgspec.Meta(description="The answers it can give, with a label for people.")
    ]
    levers: Annotated[dict[Name, Lever], msgspec.Meta(description="Name to lever.")]
    tables: Annotated[dict[Name, Table], msgspec.Meta(description="Name to table, in order; the last is `strategy`.")]
    codes: Annotated[dict[CodeName, Code], msgspec.Meta(description="Name to rationale code.")]
    summary: Annotated[list[Statement], msgspec.Meta(description="The sentences; the first that holds is said.")]
    steps: Annotated[list[Step], msgspec.Meta(description="What to do.")] = []
    recheck: Annotated[list[Recheck], msgspec.Meta(description="The events that should re-open the answer.")] = []
    warnings: Annotated[
        list[Contradiction], msgspec.Meta(description="Combinations of stated inputs that are odd.")
    ] = []
    promises: Annotated[list[Promise], msgspec.Meta(description="Laws, proved over all cells.")] = []
    adopts: Annotated[
        dict[Name, list[str]],
        msgspec.Meta(
            description="Strategy to the levers it adopts, beside those that always are; where given, proved in every "
            "cell."
        ),
    ] = {}
    tests: Annotated[list[Example], msgspec.Meta(description="Examples, run before the policy is served.")] = []
