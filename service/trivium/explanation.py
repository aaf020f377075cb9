"""What there is to say of one cell: strategy, reasons, steps, what would change the answer, and what to ask.

Strategy, reasons and questions come from the engine, words from the policy: what a text says about an input is the
phrase of the band it is in, marked where that band is assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from trivium import recommendation as shown
from trivium.economics import Economics
from trivium.pages import joined
from trivium.policy import Changes, OpenQuestion, PathsAndRisks, Policy, paths_and_risks, sufficient_reason, unknowns
from trivium.policy.engine.bands import number_range
from trivium.policy.engine.compiled import Known
from trivium.policy.engine.diagram import Cell
from trivium.policy.engine.flips import LISTED
from trivium.policy.engine.questions import Unknowns, most_telling
from trivium.policy.engine.tables import FiredRule, bits
from trivium.policy.language import texts
from trivium.policy.language.document import UNMEASURED
from trivium.policy.language.texts import Slot, Text
from trivium.profile import DERIVED, PAYBACK
from trivium.recommendation import (
    Basis,
    Caution,
    Flip,
    LeverVerdict,
    PlannedStep,
    PolicyReference,
    Reason,
    Recommendation,
)
from trivium.wording import Kind, Wording


ASSUMED = " (assumed)"
"""What follows a phrase that rests on an assumption."""

MOST_CLAUSES = 3
"""Most clauses that a sentence lists."""

Why: TypeAlias = Literal["action", "circumstance", "assumption"]


class Facts(NamedTuple):
    """What a recommendation shows of a profile beyond its cell; a renderer may put marks in their place."""

    numbers: dict[str, Any]
    decision_id: Any
    id: Any
    ignored: Any
    economics: Economics | None
    cautions: tuple[Caution, ...]


class Mention(msgspec.Struct, frozen=True, gc=False):
    """A rationale code that a rule gives.

    Attributes:
        code: the code.
        table: the name of the rule's table.
        rule: the rule.
        inputs: what it rests on, as bits: what the rule's condition names, and of a table that it names, what that
            one's fired rule rests on; where that is nothing, what the message says.
        decisive: whether it rests on an input that decides.
        assumed: whether it rests on an assumption.
        order: what mentions are sorted by: decisive ones first, then by rank, then those that rest on no assumption.
    """

    code: str
    table: str
    rule: FiredRule
    inputs: int
    decisive: bool
    assumed: bool
    order: int


_order = attrgetter("order")


class Explanation:
    """One cell, and which of its inputs are stated: works out each part of the recommendation.

    Args:
        policy: what decides.
        wording: what it says.
        cell: the band of every input.
        known: which of them are stated.
        facts: what else to show of the profile.
        listed: most paths, and most risks, to list per strategy; the others are counted.

    Attributes:
        codes: the rationale codes, in their order.
    """

    def __init__(
        self, policy: Policy, wording: Wording, cell: Cell, known: Known, facts: Facts, listed: int = LISTED
    ) -> None:
        self.policy = policy
        self.wording = wording
        self.cell = cell
        self.known = known
        self.facts = facts
        self.listed = listed
        self.state, self.holding = policy.state(cell)
        self.because = sufficient_reason(policy, cell, known)
        self.basis: list[Basis] = ["stated" if given else "assumed" for given in known]
        self.mentions = self._mentions()
        self.codes = tuple([mention.code for mention in self.mentions])
        self.verdicts = {name: self._verdict(name) for name in policy.document.levers}
        self.why: dict[tuple[str, Kind], list[str]] = {}

    @property
    def strategy(self) -> str:
        """The strategy of the cell."""
        return self.policy.tables[-1].outcomes[self.state[-1]]

    @property
    def status(self) -> shown.Status:
        """Whether an answer to an open question can change the strategy: so it is where the reason is assumed."""
        return "settled" if all(self.known[position] for position in self.because) else "provisional"

    @cached_property
    def reasons(self) -> list[Reason]:
        """The reasons: decisive ones first, then what supports, then what opposes."""
        return list(map(self._reason, self.mentions))

    @cached_property
    def open(self) -> Unknowns:
        """What the unknown inputs leave open; worked out when it is asked for, for the brief view does not show it."""
        return unknowns(self.policy, self.cell, self.known)

    @cached_property
    def changes(self) -> PathsAndRisks:
        """What would change the answer; worked out when it is asked for, like what is open."""
        return paths_and_risks(self.policy, self.cell, self.known, self.listed)

    @property
    def first_question(self) -> shown.Question | None:
        """The question that is worth asking first; None where nothing is open."""
        return self._question(self.open.questions[0]) if self.open.questions else None

    def brief(self, reference: PolicyReference) -> shown.BriefRecommendation:
        """Return the brief view of the recommendation, without working out the rest.

        Args:
            reference: the policy that decided.
        """
        known, inputs, because = self.known, self.policy.inputs, self._telling_first()
        return shown.BriefRecommendation(
            self.strategy,
            self.status,
            self._summary(),
            shown.Because(
                [inputs[at].name for at in because if known[at]], [inputs[at].name for at in because if not known[at]]
            ),
            reference.named(),
            self.facts.decision_id,
            self.facts.id,
        )

    def recommendation(self, reference: PolicyReference, cautions: Sequence[Caution]) -> Recommendation:
        """Put the recommendation together.

        Args:
            reference: the policy that decided.
            cautions: what to say of the policy itself.
        """
        policy, wording, facts = self.policy, self.wording, self.facts
        sources = dict.fromkeys(source for reason in self.reasons for source in reason.sources)
        return Recommendation(
            strategy=self.strategy,
            status=self.status,
            summary=self._summary(),
            because=[self._premise(position) for position in self._telling_first()],
            levers={name: self._lever(name) for name in policy.document.levers},
            rationale=self.reasons,
            steps=self._plan(),
            paths=self._paths(),
            risks=self._risks(),
            margin=self.changes.margin,
            questions=[self._question(asked) for asked in self.open.questions],
            reachable=self._named(self.open.reachable),
            assumptions=[
                shown.Assumption(field.name, field.bands[field.assumed], self._phrase(position, field.assumed))
                for position, field in enumerate(policy.inputs)
                if not self.known[position]
            ],
            economics=facts.economics,
            recheck_when=list(map(self._fill, wording.rechecks.holding(self.state))),
            policy=reference,
            decision_id=facts.decision_id,
            id=facts.id,
            warnings=[
                *cautions,
                *facts.cautions,
                *(
                    Caution(code, self._fill(message))
                    for positions, code, message in wording.warnings.holding(self.state)
                    if all(self.known[position] for position in positions)
                ),
            ],
            ignored_inputs=facts.ignored,
            sources=[wording.citations[source] for source in sources],
            labels=wording.labels,
            more=shown.More(paths=self.changes.more_paths, risks=self.changes.more_risks),
        )

    # Words

    def _fill(self, text: Text, *, clause: bool = False) -> str:
        return texts.fill(text, self._say, clause=clause)

    def _say(self, slot: Slot) -> str:
        """Return the phrase of an input's band, marked where it is assumed; or why a verdict is as it is."""
        if slot.kind == "why":
            return joined(self._why(slot.name, "short")) or self._first_message(slot.name)
        position = self.policy.positions[slot.name]
        said = self._phrase(position, self.cell[position])
        return said if self.known[position] or self._unmeasured(position) else said + ASSUMED

    def _phrase(self, position: int, band: int) -> str:
        economics = self.facts.economics
        if economics is not None and band == self.cell[position] and self.policy.inputs[position].name == PAYBACK:
            return economics.says
        return self.wording.phrases[position][band]

    def _unmeasured(self, position: int) -> bool:
        """Say whether nothing is assumed of an input, for its phrase says that nothing is known."""
        return self.policy.inputs[position].bands[self.cell[position]] == UNMEASURED

    def _summary(self) -> str:
        """Say the statement that holds, then the money, then the decisive assumptions that it has not named."""
        statement = self.wording.statements.holding(self.state)[0]
        parts = [] if any(self.known) else ["Nothing is known about this use case yet."]
        parts.append(self._fill(statement))
        economics = self.facts.economics
        if economics is not None and economics.says.lower() not in parts[-1].lower():
            parts.append(f"{texts.capitalized(economics.says)}.")
        said = " ".join(parts).lower()
        assumed = [position for position in self.because if not self.known[position]]
        left = [position for position in assumed if self._phrase(position, self.cell[position]).lower() not in said]
        # That the payback is not known counts as one of them.
        most = MOST_CLAUSES if economics is None or economics.payback else MOST_CLAUSES - 1
        left = most_telling(self.policy, self.cell, self.known, left)[:most]
        if clauses := [f"that {self._phrase(at, self.cell[at])}" for at in left if not self._unmeasured(at)]:
            parts.append(f"This assumes {joined(clauses)}.")
        if clauses := [self._phrase(at, self.cell[at]) for at in left if self._unmeasured(at)]:
            parts.append(f"{texts.capitalized(joined(clauses))}.")
        return " ".join(parts)

    # What the answer rests on

    def _telling_first(self) -> list[int]:
        """Return the sufficient reason: stated inputs first, and of them those that support an adopted lever."""
        supporting, codes = 0, self.policy.document.codes
        for mention in self.mentions:
            if codes[mention.code].effect == "supports" and self.verdicts[codes[mention.code].lever] == "adopt":
                supporting |= mention.inputs
        return sorted(self.because, key=lambda at: (not self.known[at], not supporting >> at & 1))

    def _premise(self, position: int) -> shown.Premise:
        name = self.policy.inputs[position].name
        says = self._phrase(position, self.cell[position])
        if name in DERIVED and self.known[position]:
            says += f" (computed from {', '.join(f'`{one}`' for one in DERIVED[name])})"
        return shown.Premise(name, self._value(position), self.basis[position], says)

    def _value(self, position: int) -> Any:
        """Return the value given, else the one assumed; None for a number that is not known, and where nothing is."""
        field = self.policy.inputs[position]
        if field.cuts is None:
            return field.values[self.cell[position]]
        return self.facts.numbers.get(field.name) if self.known[position] else None

    def _mentions(self) -> list[Mention]:
        """List what the rules that hold mention: decisive codes first, then what supports, then what opposes."""
        decisive = sum([1 << position for position in self.because])
        unknown = sum([1 << position for position, given in enumerate(self.known) if not given])
        codes, named = self.wording.codes, self.wording.named
        found: dict[str, Mention] = {}
        resting: list[int] = []  # per table, the inputs that its fired rule rests on
        for table, rules in zip(self.policy.tables, self.holding, strict=True):
            for rule in rules:
                inputs, tables = named(rule)
                for read in tables:
                    inputs |= resting[read]
                if rule is rules[0]:
                    resting.append(inputs)
                for name in rule.because:
                    if name not in found:
                        said = codes[name]
                        rests_on = inputs or said.inputs
                        decides, assumed = rests_on & decisive != 0, rests_on & unknown != 0
                        order = (not decides) << 4 | said.rank << 1 | assumed
                        found[name] = Mention(name, table.name, rule, rests_on, decides, assumed, order)
        return sorted(found.values(), key=_order)

    def _reason(self, mention: Mention) -> Reason:
        code = self.policy.document.codes[mention.code]
        inputs = self.policy.inputs
        return Reason(
            code=mention.code,
            lever=code.lever,
            effect=code.effect,
            message=self._fill(self.wording.codes[mention.code].message),
            decisive=mention.decisive,
            basis="assumed" if mention.assumed else "stated",
            rule=f"{mention.table}/{mention.rule.id}",
            inputs={inputs[at].name: self.basis[at] for at in bits(mention.inputs)},
            sources=code.source,
        )

    # Levers

    def _verdict(self, name: str) -> Any:
        lever = self.policy.document.levers[name]
        if lever.table is None:
            return "adopt"
        position = self.policy.positions[lever.table]
        return lever.verdict(self.policy.variables[position].labels[self.state[position]])

    def _lever(self, name: str) -> LeverVerdict:
        codes = [code for code in self.codes if self.policy.document.codes[code].lever == name]
        if self.verdicts[name] == "adopt":
            return LeverVerdict("adopt", codes, None, None)
        why_not = f"{texts.capitalized(self._say(Slot('why', name)))}."
        opens = self._why(name, "opens")
        if self.verdicts[name] == "not_needed":
            opens = opens[:1]
        return LeverVerdict(self.verdicts[name], codes, why_not, " ".join(opens) or None)

    def _mentioned(self, lever: str, *effects: str) -> Iterator[str]:
        """Yield the codes that are mentioned for a lever, or against it."""
        codes = self.policy.document.codes
        return (name for name in self.codes if codes[name].lever == lever and codes[name].effect in effects)

    def _first_message(self, lever: str) -> str:
        """Return the first message for or against a lever as a clause, for policies without `short` texts."""
        effects = ("supports",) if self.verdicts[lever] == "adopt" else ("opposes", "blocks")
        found = next(self._mentioned(lever, *effects), None)
        message = self._fill(self.wording.codes[found].message) if found else "the rules of the policy say so"
        return (message[:1].lower() + message[1:]).removesuffix(".")

    def _why(self, lever: str, kind: Kind) -> list[str]:
        """Return what decides the verdict on a lever, in words.

        An adopted lever is supported by reasons; else the rules of its table say what stands against it, and where such
        a rule says nothing itself, those of the tables that it reads.
        """
        if (lever, kind) in self.why:
            return self.why[lever, kind]
        table = self.policy.document.levers[lever].table
        if self.verdicts[lever] == "adopt" or table is None:
            names = self._mentioned(lever, "supports")
            found = [text for name in names if (text := getattr(self.wording.codes[name], kind)) is not None]
        else:
            found = list(self._against(lever, self.policy.positions[table], kind))
        said = [self._fill(text, clause=kind == "short") for text in found]
        few = MOST_CLAUSES if self.verdicts[lever] in {"adopt", "later", "blocked"} else MOST_CLAUSES - 1
        self.why[lever, kind] = list(dict.fromkeys(said))[:few]
        return self.why[lever, kind]

    def _against(self, lever: str, position: int, kind: Kind) -> Iterator[Text]:
        count = len(self.cell)
        table = self.policy.tables[position - count]
        for rule in self.holding[position - count]:
            said = self.wording.against(rule, lever, kind)
            yield from said
            if not said:
                for below in [at for at, _ in rule.condition] or table.reads:
                    if below >= count:
                        yield from self._against(lever, below, kind)

    # What to do, what would change the answer, and what to ask

    def _plan(self) -> list[PlannedStep]:
        """List the steps by phase; an answer that rests on an assumption starts with checking it.

        Where a step is to do just that, it comes first; else the check that belongs to the input is put there.
        """
        plan = [
            PlannedStep(step.phase, step.lever, self._fill(action), self._fill(done_when))
            for step, action, done_when in self.wording.steps.holding(self.state)
        ]
        if not self.open.settled:
            action, done_when = map(self._fill, self.wording.checks[self.open.questions[0].position])
            same = next((step for step in plan if step.action == action), None)
            first = same or PlannedStep("now", None, action, done_when)
            plan = [first, *(step for step in plan if step is not same)]
        return sorted(plan, key=lambda step: ("now", "next", "later").index(step.phase))

    def _question(self, asked: OpenQuestion) -> shown.Question:
        field = self.policy.inputs[asked.position]
        return shown.Question(
            field.spec.derived_from or field.name,
            self._fill(self.wording.questions[asked.position]),
            [
                shown.QuestionAnswer(
                    self.wording.phrases[asked.position][answer.band],
                    number_range(field, answer.band) if field.cuts is not None else field.values[answer.band],  # type: ignore[arg-type]  # stated
                    self._named(answer.reachable),
                    answer.settles,
                )
                for answer in asked.answers
            ],
        )

    def _paths(self) -> list[Flip]:
        return [self._flip(changes, "action") for changes in self.changes.paths]

    def _risks(self) -> list[Flip]:
        """Return what would overturn the answer; a set in which anything is assumed is told as a wrong assumption."""
        return [
            self._flip(
                changes,
                "circumstance" if all(self.known[position] for position, _ in changes.targets) else "assumption",
            )
            for changes in self.changes.risks
        ]

    def _flip(self, changes: Changes, why: Why) -> Flip:
        changed = [self._change(position, band) for position, band in changes.targets]
        return Flip(self.policy.strategies[changes.strategy], changed, why)

    def _change(self, position: int, band: int) -> shown.Change:
        field = self.policy.inputs[position]
        return shown.Change(
            field.spec.derived_from or field.name,
            self._value(position),
            number_range(field, band) if field.cuts is not None else field.values[band],  # type: ignore[arg-type]  # stated
            self._phrase(position, band),
        )

    def _named(self, strategies: Sequence[int]) -> list[str]:
        return [self.policy.strategies[strategy] for strategy in strategies]
