"""Profile and policy in, recommendation out: pure, without I/O, caching or JSON.

Strategy, reasons and questions come from the engine, words from the policy: what a text says about an input is the
phrase of the band it is in, marked where that band is assumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import msgspec

from trivium.economics import Economics, assess, price_digest, unknown_models
from trivium.policy import Served, flips, sufficient_reason, unknowns
from trivium.policy.engine.compiled import CompiledInput, Known
from trivium.policy.engine.diagram import Cell
from trivium.policy.engine.tables import Condition, FiredRule, holds
from trivium.policy.language import texts
from trivium.policy.language.document import UNMEASURED
from trivium.policy.language.texts import Slot, Text
from trivium.prices import nearest_models
from trivium.profile import DERIVED, FIELDS, NUMBERS, PAYBACK, Profile, canonical
from trivium.recommendation import (
    Assumption,
    Caution,
    Change,
    Citation,
    Flip,
    LeverVerdict,
    More,
    NumberRange,
    PlannedStep,
    PolicyReference,
    Premise,
    Question,
    QuestionAnswer,
    Reason,
    ReasonInput,
    Recommendation,
)


ASSUMED = " (assumed)"
"""What follows a phrase that rests on an assumption."""

MOST_CLAUSES = 3
"""Most clauses that a sentence of a summary lists."""

_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_values = msgspec.structs.astuple


class Facts(NamedTuple):
    """What a recommendation shows of a profile beyond its cell; a renderer may put marks in their place."""

    numbers: dict[str, Any]
    decision_id: Any
    id: Any
    ignored: Any
    economics: Economics | None
    cautions: tuple[Caution, ...]


class Advisor:
    """Recommends by one policy. Safe to share between threads.

    Args:
        served: a proven policy with its lifecycle.
    """

    def __init__(self, served: Served) -> None:
        policy = served.policy
        document = policy.document
        self.policy = policy
        self.lifecycle = served.lifecycle
        self.reference = PolicyReference(document.policy, policy.version, policy.digest, served.lifecycle.status)
        self._read_columns(document.inputs)
        self._identity = f"\n{policy.digest}".encode()
        self.citations = {name: Citation(name, one.title, one.year, one.url) for name, one in document.sources.items()}
        self.phrases = [[texts.phrase(field.spec, band) for band in field.bands] for field in policy.inputs]
        self.codes = {
            name: _CompiledCode(*map(self._text, (one.message, one.short, one.opens)))
            for name, one in document.codes.items()
        }
        self.questions = [self._text(field.spec.question) for field in policy.inputs]
        self.checks = [
            (self._text(one.spec.check.action), self._text(one.spec.check.done_when)) for one in policy.inputs
        ]
        self.steps = [
            (policy.condition(step.when), step, self._text(step.action), self._text(step.done_when))
            for step in document.steps
        ]
        self.rechecks = [(policy.condition(one.when), self._text(one.event)) for one in document.recheck]
        self.warnings = [(policy.condition(one.when), one.code, self._text(one.message)) for one in document.warnings]
        self.statements = {said.id: self._text(said.text, levers=True) for said in document.summary}
        self.deprecation = self._deprecated()

    def recommend(self, profile: Profile) -> Recommendation:
        """Recommend a strategy for a profile, and say everything there is to say."""
        economics = self.assess(profile)
        cell, known = self.policy.read(self.inputs(profile, economics))
        return self.advise(cell, known, self.facts(profile, economics))

    def identify(self, profile: Profile) -> str:
        """Return the decision id of a profile.

        It is the first 32 hexadecimal digits of the SHA-256 of the profile as compact JSON with sorted keys, without
        its `id` and without nulls, every number written as a double (1000.0); then a line feed and the policy's digest;
        then, where a named model was priced, a line feed and the digest of the price data.
        """
        anonymous = profile if profile.id is None else msgspec.structs.replace(profile, id=None)
        identity = _encode_sorted(anonymous).replace(b":-0.0", b":0.0") + self._identity  # zero has one sign
        if self._reads_costs and profile.costs is not None and (prices := price_digest(profile.costs)) is not None:
            identity += b"\n" + prices.encode()
        return hashlib.sha256(identity).hexdigest()[:32]

    def stated(self, profile: Profile) -> dict[str, Any]:
        """Return what a profile states of the policy's inputs, derived ones included; None for unknown."""
        stated = self.inputs(profile, self.assess(profile))
        return {field.name: value for field, value in zip(self.policy.inputs, stated, strict=True)}

    def assess(self, profile: Profile) -> Economics | None:
        """Work out the money, where the profile gives costs and the policy reads them."""
        if profile.costs is None or not self._reads_costs:
            return None
        return assess(
            profile.costs,
            requests_per_day=profile.requests_per_day,
            prompt_tokens=profile.prompt_tokens,
            labeled_examples=profile.labeled_examples,
        )

    def inputs(self, profile: Profile, economics: Economics | None) -> tuple[Any, ...]:
        """Return the API values of the policy's inputs, in its order; None for unknown."""
        return self._pick((*_values(profile), None if economics is None else economics.payback))

    def facts(self, profile: Profile, economics: Economics | None) -> Facts:
        """Return what an answer shows of a profile beyond its cell."""
        values = _values(profile)
        return Facts(
            numbers={name: canonical(values[column]) for name, column in self.numbers.items()},
            decision_id=self.identify(profile),
            id=profile.id,
            ignored=self.ignored(profile),
            economics=economics,
            cautions=() if economics is None else _unknown_models(profile),
        )

    def ignored(self, profile: Profile) -> list[str]:
        """Return the fields that are given and that this policy does not read."""
        return [name for name in self._unread if getattr(profile, name) is not None]

    def advise(self, cell: Cell, known: Known, facts: Facts) -> Recommendation:
        """Work out a recommendation.

        Args:
            cell: the band of every input.
            known: which of them the profile states.
            facts: what else to show of the profile.
        """
        return _Case(self, cell, known, facts).recommendation()

    def _read_columns(self, inputs: dict[str, Any]) -> None:
        columns = (*FIELDS, PAYBACK)
        self._pick = _picker([columns.index(name) for name in inputs])
        read = set(inputs) | {spec.derived_from for spec in inputs.values()}
        self._reads_costs = PAYBACK in read
        self._unread = [name for name in FIELDS if name not in read and name != "id"]
        self.numbers = {name: FIELDS.index(name) for name in NUMBERS if name in read}

    def _text(self, written: str | None, *, levers: bool = False) -> Text | None:
        document = self.policy.document
        return (
            None
            if written is None
            else texts.compile_text(written, document.inputs, document.levers if levers else None)
        )

    def _deprecated(self) -> list[Caution]:
        lifecycle = self.lifecycle
        if lifecycle.status != "deprecated":
            return []
        until = f" and may be retired from {lifecycle.sunset.isoformat()} on" if lifecycle.sunset else ""
        instead = f"; move to {lifecycle.successor}" if lifecycle.successor else ""
        return [Caution("POLICY_DEPRECATED", f"Policy {self.policy.version} is deprecated{until}{instead}.")]


class _CompiledCode(NamedTuple):
    """The texts of a code."""

    message: Text
    short: Text | None
    opens: Text | None


class _Case:
    """One cell and what of it was stated: works out each part of the recommendation."""

    def __init__(self, advisor: Advisor, cell: Cell, known: Known, facts: Facts) -> None:
        self.advisor = advisor
        self.policy = advisor.policy
        self.cell = cell
        self.known = known
        self.facts = facts
        self.state, self.fired = self.policy.state(cell)
        self.open = unknowns(self.policy, cell, known)
        self.because = sufficient_reason(self.policy, cell, known)
        self.holding = [
            list(_holding(table.rules, rule, self.state))
            for table, rule in zip(self.policy.tables, self.fired, strict=True)
        ]
        self.reasons = self._reasons()
        self.verdicts = {name: self._verdict(name) for name in self.policy.document.levers}

    def recommendation(self) -> Recommendation:
        """Put the recommendation together."""
        advisor, policy, facts = self.advisor, self.policy, self.facts
        paths, risks = self._flips()
        sources = dict.fromkeys(source for reason in self.reasons for source in reason.sources)
        return Recommendation(
            strategy=policy.tables[-1].outcomes[self.state[-1]],
            status="settled" if len(self.open.reachable) == 1 else "provisional",
            summary=self._summary(),
            because=[self._premise(position) for position in self._telling_first()],
            levers={name: self._lever(name) for name in policy.document.levers},
            rationale=self.reasons,
            steps=self._plan(),
            paths=paths,
            risks=risks,
            margin=min((len(flip.changes) for flip in (*paths, *risks)), default=None),
            questions=[self._question(asked) for asked in self.open.questions],
            reachable=self._named(self.open.reachable),
            assumptions=[
                Assumption(field.name, field.bands[field.assumed], self._phrase(position, field.assumed))
                for position, field in enumerate(policy.inputs)
                if not self.known[position]
            ],
            economics=facts.economics,
            recheck_when=[self._fill(event) for when, event in advisor.rechecks if holds(when, self.state)],
            policy=advisor.reference,
            decision_id=facts.decision_id,
            id=facts.id,
            warnings=[
                *advisor.deprecation,
                *facts.cautions,
                *(
                    Caution(code, self._fill(message))
                    for when, code, message in advisor.warnings
                    if holds(when, self.state) and all(self.known[position] for position, _ in when)
                ),
            ],
            ignored_inputs=facts.ignored,
            sources=[advisor.citations[source] for source in sources],
            labels=policy.document.strategies,
            more=More(),
        )

    # Words

    def _fill(self, text: Text) -> str:
        return texts.fill(text, self._say)

    def _say(self, slot: Slot) -> str:
        """Return what a slot says: the phrase of an input's band, marked where it is assumed; or why a verdict is so."""
        if slot.kind == "why":
            return _joined(self._why(slot.name, "short"))
        position = self.policy.positions[slot.name]
        said = self._phrase(position, self.cell[position])
        return said if self.known[position] or self._unmeasured(position) else said + ASSUMED

    def _phrase(self, position: int, band: int) -> str:
        economics = self.facts.economics
        if economics is not None and band == self.cell[position] and self.policy.inputs[position].name == PAYBACK:
            return economics.says
        return self.advisor.phrases[position][band]

    def _unmeasured(self, position: int) -> bool:
        """Say whether nothing is assumed of an input, for its phrase says that nothing is known."""
        return self.policy.inputs[position].bands[self.cell[position]] == UNMEASURED

    def _summary(self) -> str:
        """Say the statement that holds, then the money, then the decisive assumptions that it has not named."""
        statement = self.advisor.statements[self.policy.summary.fire(self.state).id]
        parts = [] if any(self.known) else ["Nothing is known about this use case yet."]
        parts.append(self._fill(statement))
        economics = self.facts.economics
        if economics is not None and economics.says not in parts[-1] and economics.payback is not None:
            parts.append(f"{texts.capitalized(economics.says)}.")
        said = " ".join(parts).lower()
        asked = [question.position for question in self.open.questions]
        assumed = [position for position in asked if position in self.because]
        left = [position for position in assumed if self._phrase(position, self.cell[position]).lower() not in said]
        left = left[:MOST_CLAUSES]
        if clauses := [f"that {self._phrase(at, self.cell[at])}" for at in left if not self._unmeasured(at)]:
            parts.append(f"This assumes {_joined(clauses)}.")
        if clauses := [self._phrase(at, self.cell[at]) for at in left if self._unmeasured(at)]:
            parts.append(f"{texts.capitalized(_joined(clauses))}.")
        return " ".join(parts)

    # What the answer rests on

    def _telling_first(self) -> list[int]:
        """Return the sufficient reason: stated inputs first, and of them those that support an adopted lever."""
        supporting = {
            one.input
            for reason in self.reasons
            if reason.effect == "supports" and self.verdicts[reason.lever] == "adopt"
            for one in reason.inputs
        }
        inputs = self.policy.inputs
        return sorted(self.because, key=lambda at: (not self.known[at], inputs[at].name not in supporting))

    def _premise(self, position: int) -> Premise:
        field = self.policy.inputs[position]
        return Premise(
            field.name,
            self._value(position),
            "stated" if self.known[position] else "assumed",
            self._phrase(position, self.cell[position]),
            list(DERIVED.get(field.name, ())),
        )

    def _value(self, position: int) -> Any:
        """Return the value given, else the one assumed; of a number that is not known, the range of its band."""
        field, band = self.policy.inputs[position], self.cell[position]
        if field.cuts is None:
            return field.values[band]
        if self.known[position]:
            return self.facts.numbers.get(field.name)
        return _range(field, band) if band in field.stated else None

    def _reasons(self) -> list[Reason]:
        """List the reasons of the rules that hold: decisive ones first, then what supports, then what opposes."""
        reasons: dict[str, Reason] = {}
        resting: list[frozenset[int]] = []  # per table, the inputs that its fired rule rests on
        for table, rules in zip(self.policy.tables, self.holding, strict=True):
            for rule in rules:
                rests_on = self._rests_on(rule, resting)
                if rule is rules[0]:
                    resting.append(rests_on)
                for name in rule.because:
                    if name not in reasons:
                        reasons[name] = self._reason(name, f"{table.name}/{rule.id}", rests_on)
        return sorted(reasons.values(), key=_importance)

    def _rests_on(self, rule: FiredRule, resting: Sequence[frozenset[int]]) -> frozenset[int]:
        """Return the inputs that a rule's condition names; where it names a table, those of the table's fired rule."""
        count = len(self.cell)
        inputs = {position for position, _ in rule.condition if position < count}
        inputs.update(*(resting[position - count] for position, _ in rule.condition if position >= count))
        return frozenset(inputs)

    def _reason(self, name: str, rule: str, rests_on: frozenset[int]) -> Reason:
        """Make a reason; that of a rule without a condition, or of none on inputs, rests on what its message says."""
        code, message = self.policy.document.codes[name], self.advisor.codes[name].message
        positions = sorted(rests_on or {self.policy.positions[slot.name] for slot in texts.slots(message)})
        return Reason(
            code=name,
            lever=code.lever,
            effect=code.effect,
            message=self._fill(message),
            decisive=any(position in self.because for position in positions),
            basis="stated" if all(self.known[position] for position in positions) else "assumed",
            rule=rule,
            inputs=[
                ReasonInput(self.policy.inputs[at].name, self._value(at), "stated" if self.known[at] else "assumed")
                for at in positions
            ],
            sources=code.source,
        )

    # Levers

    def _verdict(self, name: str) -> Any:
        lever = self.policy.document.levers[name]
        if lever.table is None:
            return "adopt"
        position = self.policy.positions[lever.table]
        outcome = self.policy.variables[position].labels[self.state[position]]
        return (lever.verdicts or {}).get(outcome, outcome)

    def _lever(self, name: str) -> LeverVerdict:
        label = self.policy.document.levers[name].label
        codes = [reason.code for reason in self.reasons if reason.lever == name]
        if self.verdicts[name] == "adopt":
            return LeverVerdict(label, "adopt", codes, None, None)
        because = _joined(self._why(name, "short"))
        why_not = f"{texts.capitalized(because)}." if because else self._speaks_against(name)
        opens = self._why(name, "opens")
        if self.verdicts[name] == "not_needed":
            opens = opens[:1]
        return LeverVerdict(label, self.verdicts[name], codes, why_not, " ".join(opens) or None)

    def _speaks_against(self, lever: str) -> str | None:
        """Return the first message against a lever, for policies whose codes have no `short` text."""
        against = (one.message for one in self.reasons if one.lever == lever and one.effect in {"opposes", "blocks"})
        return next(against, None)

    def _why(self, lever: str, kind: Literal["short", "opens"]) -> list[str]:
        """Return what decides the verdict on a lever, in words.

        An adopted lever is supported by reasons; else the rules of its table say what stands against it, and where such
        a rule says nothing itself, those of the tables that it reads.
        """
        table = self.policy.document.levers[lever].table
        if self.verdicts[lever] == "adopt" or table is None:
            names: Iterable[str] = (one.code for one in self.reasons if one.lever == lever and one.effect == "supports")
            found = [text for name in names if (text := getattr(self.advisor.codes[name], kind)) is not None]
        else:
            found = list(self._against(lever, self.policy.positions[table], kind))
        said = [texts.fill(text, self._say, clause=kind == "short") for text in found]
        few = MOST_CLAUSES if self.verdicts[lever] in {"adopt", "later", "blocked"} else MOST_CLAUSES - 1
        return list(dict.fromkeys(said))[:few]

    def _against(self, lever: str, position: int, kind: Literal["short", "opens"]) -> Iterator[Text]:
        count = len(self.cell)
        table = self.policy.tables[position - count]
        for rule in self.holding[position - count]:
            said = [
                text
                for name in rule.because
                if (code := self.policy.document.codes[name]).lever == lever and code.effect in {"opposes", "blocks"}
                if (text := getattr(self.advisor.codes[name], kind)) is not None
            ]
            yield from said
            if not said:
                for below in [at for at, _ in rule.condition] or table.reads:
                    if below >= count:
                        yield from self._against(lever, below, kind)

    # What to do, what would change the answer, and what to ask

    def _plan(self) -> list[PlannedStep]:
        """List the steps by phase; an answer that rests on an assumption starts with checking it."""
        plan = [
            PlannedStep(step.phase, step.lever, self._fill(action), self._fill(done_when))
            for when, step, action, done_when in self.advisor.steps
            if holds(when, self.state)
        ]
        if len(self.open.reachable) > 1:
            check = self.advisor.checks[self.open.questions[0].position]
            plan.insert(0, PlannedStep("now", None, *map(self._fill, check)))
        return sorted(plan, key=lambda step: ("now", "next", "later").index(step.phase))

    def _question(self, asked: Any) -> Question:
        field = self.policy.inputs[asked.position]
        return Question(
            field.spec.derived_from or field.name,
            self._fill(self.advisor.questions[asked.position]),
            [
                QuestionAnswer(
                    self.advisor.phrases[asked.position][answer.band],
                    _range(field, answer.band) if field.cuts is not None else field.values[answer.band],  # type: ignore[arg-type]  # stated
                    self._named(answer.reachable),
                    answer.settles,
                )
                for answer in asked.answers
            ],
        )

    def _flips(self) -> tuple[list[Flip], list[Flip]]:
        """Return the paths and the risks."""
        paths: list[Flip] = []
        risks: list[Flip] = []
        for flip in flips(self.policy, self.cell):
            assumed = any(not self.known[position] for position, _ in flip.targets)
            why = "action" if flip.by_action else "assumption" if assumed else "circumstance"
            made = Flip(self.policy.strategies[flip.strategy], [self._change(*target) for target in flip.targets], why)
            (paths if why == "action" else risks).append(made)
        return paths, risks

    def _change(self, position: int, band: int) -> Change:
        field = self.policy.inputs[position]
        return Change(
            field.spec.derived_from or field.name,
            self._value(position),
            "stated" if self.known[position] else "assumed",
            _range(field, band) if field.cuts is not None else field.values[band],  # type: ignore[arg-type]  # stated
            self._phrase(position, band),
        )

    def _named(self, strategies: Sequence[int]) -> list[str]:
        return [self.policy.strategies[strategy] for strategy in strategies]


def _holding(rules: Sequence[FiredRule], fired: FiredRule, state: Sequence[int]) -> Iterator[FiredRule]:
    """Yield the rule that fired, then those that would have fired without it and say the same.

    They end where a rule with another outcome holds. A rule without a condition is no further reason.
    """
    yield fired
    for rule in rules[fired.position + 1 :]:
        if rule.condition and holds(rule.condition, state):
            if rule.outcome != fired.outcome:
                return
            yield rule


_EFFECTS = ("supports", "informs", "opposes", "blocks")


def _importance(reason: Reason) -> tuple[bool, int, bool]:
    return not reason.decisive, _EFFECTS.index(reason.effect), reason.basis == "assumed"


def _joined(clauses: Sequence[str]) -> str:
    """Join clauses as a list in a sentence."""
    if len(clauses) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _unknown_models(profile: Profile) -> tuple[Caution, ...]:
    """Warn of model names for which no prices are known."""
    cautions = []
    for name in unknown_models(profile.costs):  # type: ignore[arg-type]  # there are economics, so there are costs
        near = " or ".join(f"`{known}`" for known in nearest_models(name))
        hint = f"did you mean {near}?" if near else "give its prices in `costs`."
        cautions.append(Caution("UNKNOWN_MODEL", f"No prices are known for the model `{name}`: {hint}"))
    return tuple(cautions)


def _range(field: CompiledInput, band: int) -> NumberRange:
    return NumberRange(field.lowest(max(band, field.stated[0])), field.limit(band))


def _picker(columns: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what picks columns as a tuple, also where there is only one."""
    if len(columns) == 1:
        return lambda values: (values[columns[0]],)
    return itemgetter(*columns)
