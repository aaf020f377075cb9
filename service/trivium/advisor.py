"""Profile and policy in, recommendation out: pure, without I/O.

What depends only on a cell, and on which of its inputs were given, is worked out once and kept as pieces of JSON with
holes between them: `Advisor.answer` then fills in the numbers, the economics, the ids and the ignored inputs.
`Advisor.recommend` builds the same recommendation as an object, every time anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from trivium.economics import Economics, assess, price_digest
from trivium.policy import ServedPolicy, flips, margin, unknowns
from trivium.policy.engine.compiled import CompiledInput, Known
from trivium.policy.engine.diagram import Cell
from trivium.policy.engine.tables import Condition, FiredRule, holds
from trivium.profile import FIELDS, NUMBERS, PAYBACK, Profile, canonical
from trivium.recommendation import (
    Assumption,
    Caution,
    Change,
    Citation,
    Explain,
    Flip,
    LeverVerdict,
    PlannedStep,
    PolicyReference,
    Question,
    Range,
    Reason,
    ReasonInput,
    Recommendation,
)


TEMPLATES = 1024
"""Answers kept per policy; they share most of their pieces, which leaves some 3 KB each."""

PIECES = 8192
"""Pieces of JSON that answers share; beyond that, old ones are kept once for each answer that has them."""

SHORTEST = 200
"""Bytes of a piece, unless a hole ends it: shorter ones are shared more, and take longer to put together."""

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes recommendations: money is exact, and written as a JSON number."""

_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_values = msgspec.structs.astuple


class Advice(msgspec.Struct, frozen=True):
    """What logs and metrics want to know of a recommendation.

    Attributes:
        decision_id: as in the recommendation.
        profile: the profile that was asked about.
        given: JSON Pointers of the fields that it gives.
        outcome: what was decided.
    """

    decision_id: str
    profile: Profile
    given: tuple[str, ...]
    outcome: Outcome


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """What logs and metrics tell of a decision; one object for all that are alike, so that counting them is quick.

    Attributes:
        strategy: the recommended strategy.
        status: settled or provisional.
        codes: the rationale codes, in order.
        policy: the policy that decided.
    """

    strategy: str
    status: str
    codes: tuple[str, ...]
    policy: PolicyReference


class Template(msgspec.Struct, frozen=True, eq=False):
    """The JSON of a recommendation, with holes where it depends on more than the cell.

    Attributes:
        pieces: the JSON in pieces, one of them for each hole.
        holes: which piece each thing fills.
        given: JSON Pointers of the inputs that are given.
        outcome: what is decided.
    """

    pieces: list[bytes]
    holes: list[tuple[int, str]]
    given: tuple[str, ...]
    outcome: Outcome


class Advisor:
    """Recommends by one policy. Safe to share between threads.

    Args:
        served: a proven policy with its lifecycle.
    """

    def __init__(self, served: ServedPolicy) -> None:
        policy = served.policy
        document = policy.document
        self.policy = policy
        self.lifecycle = served.lifecycle
        self.reference = PolicyReference(document.policy, policy.version, policy.digest, served.lifecycle.status)
        columns = (*FIELDS, PAYBACK)
        self._pick = _picker([columns.index(field.name) for field in policy.inputs])
        read = {name for field in policy.inputs for name in (field.name, field.spec.derived_from)}
        self._reads_costs = PAYBACK in read
        self._unread = [(name, column) for column, name in enumerate(FIELDS) if name not in read and name != "id"]
        rest = [column for column, name in enumerate(FIELDS) if name not in read or name == "costs"]  # mostly not given
        self._pick_rest, self._no_rest = _picker(rest), (None,) * len(rest)
        self._numbers = {name: FIELDS.index(name) for name in NUMBERS if name in read}
        self._identity = f"\n{policy.digest}".encode()
        self._citations = {name: Citation(name, one.title, one.year, one.url) for name, one in document.sources.items()}
        self._steps = [(policy.condition(step.when), step) for step in document.steps]
        self._rechecks = [(policy.condition(recheck.when), recheck.event) for recheck in document.recheck]
        self._warnings = [
            (policy.condition(warning.when), Caution(warning.code, warning.message)) for warning in document.warnings
        ]
        self._statements = {said.id: said.text for said in document.summary}
        self._deprecation = self._deprecated()
        self._template = lru_cache(maxsize=TEMPLATES)(self._make_template)

    def recommend(self, profile: Profile, explain: Explain = "full") -> Recommendation:
        """Recommend a strategy for a profile."""
        values = _values(profile)
        economics = self._assess(profile)
        cell, known = self.policy.read(self._inputs(values, economics))
        shown = {name: canonical(values[column]) for name, column in self._numbers.items()}
        whole = _Whole(
            shown, economics, _break_even(economics), self.identify(profile), profile.id, self._ignored(values)
        )
        return self._advise(cell, known, explain, whole)

    def answer(self, profile: Profile, explain: Explain = "full") -> tuple[bytes, Advice]:
        """Recommend as JSON: the same bytes as encoding what `recommend` returns, from the cache where it can."""
        values = _values(profile)
        economics = None
        fillings: dict[str, bytes] = {}
        given = None
        if not (only_inputs := self._pick_rest(values) == self._no_rest):
            economics = self._assess(profile)
            fillings["id"] = encode(profile.id)
            fillings["ignored_inputs"] = encode(self._ignored(values))
            fillings["economics"] = encode(economics)
            fillings["break_even"] = encode(_break_even(economics))
            given = _pointers({name for name, value in zip(FIELDS, values, strict=True) if value is not None})
        template = self._template(self.policy.rounded(self._inputs(values, economics)), explain, only_inputs)
        decision_id = self.identify(profile)
        fillings["decision_id"] = b'"%b"' % decision_id.encode()
        pieces = template.pieces.copy()
        for position, hole in template.holes:
            if hole not in fillings:
                fillings[hole] = encode(canonical(values[self._numbers[hole]]))
            pieces[position] = fillings[hole]
        return b"".join(pieces), Advice(decision_id, profile, given or template.given, template.outcome)

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
        stated = self._inputs(_values(profile), self._assess(profile))
        return {field.name: value for field, value in zip(self.policy.inputs, stated, strict=True)}

    def _assess(self, profile: Profile) -> Economics | None:
        if profile.costs is None or not self._reads_costs:
            return None
        return assess(profile.costs, requests_per_day=profile.requests_per_day, prompt_tokens=profile.prompt_tokens)

    def _inputs(self, values: tuple[Any, ...], economics: Economics | None) -> tuple[Any, ...]:
        return self._pick((*values, _payback(economics)))

    def _ignored(self, values: Sequence[Any]) -> list[str]:
        return [name for name, column in self._unread if values[column] is not None]

    def _make_template(self, inputs: tuple[Any, ...], explain: Explain, only_inputs: bool) -> Template:
        """Work out a template; profiles that give nothing but inputs, as most do, have one with fewer holes."""
        cell, known = self.policy.read(inputs)
        whole = _Whole(
            shown={name: _hole(name) for name in self._numbers},
            economics=None if only_inputs else _hole("economics"),
            break_even=None if only_inputs else _hole("break_even"),
            decision_id=_hole("decision_id"),
            id=None if only_inputs else _hole("id"),
            ignored=[] if only_inputs else _hole("ignored_inputs"),
        )
        made = self._advise(cell, known, explain, whole)
        stated = {field.name for field, given in zip(self.policy.inputs, known, strict=True) if given}
        pieces, holes = _take_apart(encode(made))
        codes = tuple(dict.fromkeys(code for rule in self.policy.decide(cell).fired for code in rule.because))
        return Template(pieces, holes, _pointers(stated), _outcome(made.strategy, made.status, codes, self.reference))

    def _advise(
        self,
        cell: Cell,
        known: Known,
        explain: Explain,
        whole: _Whole,
    ) -> Recommendation:
        """Work out a whole recommendation."""
        policy = self.policy
        state, fired = policy.state(cell)
        left_open = unknowns(policy, cell, known)
        ways = flips(policy, cell)
        reasons = self._reasons(cell, known, fired, whole.shown)
        provisional = len(left_open.reachable) > 1
        questions = [
            Question(
                policy.inputs[asked.position].spec.derived_from or policy.inputs[asked.position].name,
                policy.inputs[asked.position].spec.question,
                self._named(asked.could_lead_to),
            )
            for asked in left_open.questions
        ]
        return Recommendation(
            strategy=policy.tables[-1].outcomes[state[-1]],
            status="provisional" if provisional else "settled",
            summary=self._statements[policy.summary.fire(state).id],
            levers=self._levers(state, reasons),
            rationale=[_shortened(reason, explain) for reason in reasons] if explain != "none" else [],
            steps=self._plan(state, left_open.questions[0].position if provisional else None),
            flips=[
                Flip(
                    policy.strategies[flip.strategy],
                    "action" if flip.by_action else "circumstance",
                    [self._change(position, band, cell, known, whole) for position, band in flip.targets],
                )
                for flip in ways
            ],
            margin=margin(ways),
            open_questions=questions,
            reachable=self._named(left_open.reachable),
            assumptions=[
                Assumption(field.name, field.bands[field.assumed])
                for field, given in zip(policy.inputs, known, strict=True)
                if not given
            ],
            economics=whole.economics,
            recheck_when=[event for when, event in self._rechecks if holds(when, state)],
            policy=self.reference,
            decision_id=whole.decision_id,
            id=whole.id,
            warnings=[
                *self._deprecation,
                *(caution for when, caution in self._warnings if holds(when, state) and _given(when, known)),
            ],
            ignored_inputs=whole.ignored,
        )

    def _named(self, strategies: Sequence[int]) -> list[str]:
        return [self.policy.strategies[strategy] for strategy in strategies]

    def _reasons(self, cell: Cell, known: Known, fired: Sequence[FiredRule], shown: Mapping[str, Any]) -> list[Reason]:
        """List the reasons that the fired rules give, in the order of the tables."""
        policy = self.policy
        reasons = []
        for table, rule in zip(policy.tables, fired, strict=True):
            for name in rule.because:
                code = policy.document.codes[name]
                reasons.append(
                    Reason(
                        code=name,
                        lever=code.lever,
                        effect=code.effect,
                        rule=f"{table.name}/{rule.id}",
                        message=code.message,
                        inputs=[
                            self._reason_input(position, labels, cell, known, shown)
                            for position, labels in sorted(self._behind(table.reads, rule, fired).items())
                        ],
                        source=[self._citations[source] for source in code.source],
                    )
                )
        return reasons

    def _behind(
        self, reads: Sequence[int], rule: FiredRule, fired: Sequence[FiredRule]
    ) -> dict[int, frozenset[int] | None]:
        """Return the inputs a rule rests on, each with the bands it asks for.

        A condition on an earlier table rests on what that table's fired rule rests on; a rule without a condition rests
        on all that its table reads.
        """
        inputs = len(self.policy.inputs)
        behind: dict[int, frozenset[int] | None] = {}
        terms: dict[int, frozenset[int] | None] = dict(rule.condition) or dict.fromkeys(reads)
        for position, labels in terms.items():
            if position < inputs:
                behind[position] = labels
            else:
                table = position - inputs
                for below, wanted in self._behind(self.policy.tables[table].reads, fired[table], fired).items():
                    behind.setdefault(below, wanted)
        return behind

    def _reason_input(
        self, position: int, labels: frozenset[int] | None, cell: Cell, known: Known, shown: Mapping[str, Any]
    ) -> ReasonInput:
        field = self.policy.inputs[position]
        band = cell[position]
        wanted = labels or {band}
        return ReasonInput(
            field.name,
            self._value(position, cell, shown) if known[position] else None,
            field.bands[band],
            None if field.cuts is None else _range(field, min(wanted), max(wanted)),
        )

    def _value(self, position: int, cell: Cell, shown: Mapping[str, Any]) -> Any:
        """Return the value of an input: a number as it is shown, anything else as its band says."""
        field = self.policy.inputs[position]
        if field.cuts is not None:
            return shown.get(field.name)
        return field.values[cell[position]]

    def _change(self, position: int, band: int, cell: Cell, known: Known, whole: _Whole) -> Change:
        field = self.policy.inputs[position]
        now = cell[position]
        is_number = field.cuts is not None
        assumed_number = is_number and not known[position] and now in field.stated
        return Change(
            field.name,
            _range(field, now, now) if assumed_number else self._value(position, cell, whole.shown),
            known[position],
            _range(field, band, band) if is_number else field.values[band],  # type: ignore[arg-type]  # stated
            whole.break_even if field.name == PAYBACK and field.bands[band] in _PAID_BACK else None,
        )

    def _levers(self, state: Sequence[int], reasons: Sequence[Reason]) -> dict[str, LeverVerdict]:
        policy = self.policy
        levers = {}
        for name, lever in policy.document.levers.items():
            verdict: Any = "adopt"
            if lever.table is not None:
                position = policy.positions[lever.table]
                outcome = policy.variables[position].labels[state[position]]
                verdict = (lever.verdicts or {}).get(outcome, outcome)
            codes = dict.fromkeys(reason.code for reason in reasons if reason.lever == name)
            levers[name] = LeverVerdict(verdict, list(codes))
        return levers

    def _plan(self, state: Sequence[int], resting_on: int | None) -> list[PlannedStep]:
        """List the steps by phase; an answer that rests on an assumption starts with checking it."""
        plan = [
            PlannedStep(step.phase, step.lever, step.action, step.done_when)
            for when, step in self._steps
            if holds(when, state)
        ]
        if resting_on is not None:
            check = self.policy.inputs[resting_on].spec.check
            plan.insert(0, PlannedStep("now", None, check.action, check.done_when))
        return sorted(plan, key=lambda step: ("now", "next", "later").index(step.phase))

    def _deprecated(self) -> list[Caution]:
        lifecycle = self.lifecycle
        if lifecycle.status != "deprecated":
            return []
        until = f" and may be retired from {lifecycle.sunset.isoformat()} on" if lifecycle.sunset else ""
        instead = f"; move to {lifecycle.successor}" if lifecycle.successor else ""
        return [Caution("POLICY_DEPRECATED", f"Policy {self.policy.version} is deprecated{until}{instead}.")]


class _Whole(NamedTuple):
    """What a recommendation needs beyond its cell: the numbers to show, by input, and what the profile gives."""

    shown: Mapping[str, Any]
    economics: Any
    break_even: Any
    decision_id: Any
    id: Any
    ignored: Any


_PAID_BACK = frozenset({"fast", "acceptable"})


def _payback(economics: Economics | None) -> str | None:
    return None if economics is None else economics.payback


def _break_even(economics: Economics | None) -> Range | None:
    if economics is None or economics.break_even_requests_per_day is None:
        return None
    return Range(at_least=int(economics.break_even_requests_per_day))


def _hole(name: str) -> Any:
    """Return raw JSON that no encoder can produce, to find it again in the encoded text."""
    return msgspec.Raw(b"\0%b\0" % name.encode())


_outcome = cache(Outcome)  # as many as the policies can tell apart
_shared = lru_cache(maxsize=PIECES)(bytes)


def _take_apart(encoded: bytes) -> tuple[list[bytes], list[tuple[int, str]]]:
    """Cut JSON into pieces: at its holes, each of which becomes a piece, and now and then between objects of an array.

    Equal pieces are one object: a third of the memory, and what many requests need stays in the processor's cache.
    """
    pieces: list[bytes] = []
    holes: list[tuple[int, str]] = []
    for number, part in enumerate(encoded.split(b"\0")):
        if number % 2:
            holes.append((len(pieces), part.decode()))
            pieces.append(b"")
        else:
            pieces.extend(map(_shared, _cut(part)))
    return pieces, holes


def _cut(text: bytes) -> Iterator[bytes]:
    start = 0
    while (end := text.find(b"},{", start + SHORTEST)) >= 0:
        yield text[start : end + 2]
        start = end + 2
    yield text[start:]


def _pointers(names: Collection[str]) -> tuple[str, ...]:
    return tuple("/" + name for name in FIELDS if name in names)


def _picker(columns: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what picks columns as a tuple, also where there is only one."""
    if len(columns) == 1:
        return lambda values: (values[columns[0]],)
    return itemgetter(*columns)


def _range(field: CompiledInput, lowest: int, highest: int) -> Range:
    return Range(field.lowest(max(lowest, field.stated[0])), field.limit(highest))


def _given(when: Condition, known: Known) -> bool:
    return all(known[position] for position, _ in when)


def _shortened(reason: Reason, explain: Explain) -> Reason:
    if explain == "full":
        return reason
    return Reason(reason.code, reason.lever, reason.effect, reason.rule)
