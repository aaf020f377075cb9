"""Would a slip in the policy be noticed? Every small change to it is made in turn, and the load gate has to refuse it.

A mutant that passes the gate is a survivor, unless it is equivalent: no profile gets another strategy or other codes.
Outcomes and cuts are held to more: what refuses them has to be an example or a promise, for the form of a policy and
the life of its rules say nothing about what was meant.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from trivium import POLICIES
from trivium.policy import Document, Policy, PolicyError, Problem, prove
from trivium.policy.engine.compiled import compile_parsed, compose
from trivium.policy.engine.diagram import FALSE, TRUE, Diagrams, Root
from trivium.policy.engine.tables import outcomes
from trivium.policy.language.document import Input, Rule, When
from trivium.policy.language.parser import Parsed, parse
from trivium.policy.language.references import check
from trivium.profile import VOCABULARY


# The first test of a file judges all of its mutants: some thousand for the newest.
pytestmark = [pytest.mark.exhaustive, pytest.mark.timeout(3600)]

KINDS = {
    "outcome": "a rule says another outcome of its table",
    "cut": "a threshold lies one lower or higher",
    "condition": "a rule forgets one of its conditions",
    "narrowed": "a condition forgets one of several bands",
    "widened": "a condition lets in one more band",
    "code": "a rule forgets one of its codes",
    "order": "two neighboring rules swap places",
    "unknown": "an unknown is read as another band",
}

FLOORS = {"adaptation-1.0.0.yaml": {"order": 0.95}, "adaptation-2.0.0.yaml": {}, "adaptation-3.0.0.yaml": {}}
"""Share of the mutants that are not equivalent which the gate refuses: all, but for these kinds; may only rise."""

LAW = 0.95
"""Share of the outcomes and cuts that are not equivalent which examples and promises notice, for any that ships."""

BY_MEANING = {"failing-example", "broken-promise"}


class Mutant(NamedTuple):
    kind: str
    what: str
    document: Document


class Score(NamedTuple):
    refused: int
    survivors: list[str]
    equivalent: list[str]

    @property
    def share(self) -> float:
        return self.refused / (self.refused + len(self.survivors))

    def __str__(self) -> str:
        return f"refused {self.refused}, {len(self.equivalent)} equivalent, survivors: {self.survivors}"


def with_rules(document: Document, table: str, changed: Mapping[int, Rule]) -> Document:
    rules = [changed.get(row, rule) for row, rule in enumerate(document.tables[table].rules)]
    return replace(document, tables={**document.tables, table: replace(document.tables[table], rules=rules)})


def with_input(document: Document, name: str, spec: Input) -> Document:
    return replace(document, inputs={**document.inputs, name: spec})


def without(parts: Iterable[str], *gone: str) -> list[str]:
    return [part for part in parts if part not in gone]


def mutants(document: Document) -> Iterator[Mutant]:
    yield from mutants_of_rules(document)
    yield from mutants_of_inputs(document)


def mutants_of_rules(document: Document) -> Iterator[Mutant]:
    labels = {name: spec.bands for name, spec in document.inputs.items()}
    for name, table in document.tables.items():
        labels[name] = outcomes(table.rules)
        for row, rule in enumerate(table.rules):
            for kind, what, changed in changes(rule, name, labels):
                yield Mutant(kind, f"{name}/{rule.id} {what}", with_rules(document, name, {row: changed}))
        for row, (one, other) in enumerate(pairwise(table.rules)):
            swapped = with_rules(document, name, {row: other, row + 1: one})
            yield Mutant("order", f"{name}/{other.id} before {one.id}", swapped)


def changes(rule: Rule, table: str, labels: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str, Rule]]:
    for label in without(labels[table], rule.then):
        yield "outcome", f"then {label}", replace(rule, then=label)
    for read, wanted in rule.when.items():
        yield (
            "condition",
            f"without {read}",
            replace(rule, when={name: rule.when[name] for name in without(rule.when, read)}),
        )
        bands = wanted if isinstance(wanted, list) else [wanted]
        for band in bands if len(bands) > 1 else ():
            yield "narrowed", f"without {read}={band}", replace(rule, when={**rule.when, read: without(bands, band)})
        for band in without(labels[read], *bands):
            yield "widened", f"with {read}={band}", replace(rule, when={**rule.when, read: [*bands, band]})
    for code in rule.because:
        yield "code", f"without {code}", replace(rule, because=without(rule.because, code))


def mutants_of_inputs(document: Document) -> Iterator[Mutant]:
    for name, spec in document.inputs.items():
        for band, cut in list((spec.cuts or {}).items())[1:]:
            for moved in (cut - 1, cut + 1):
                cuts = {**(spec.cuts or {}), band: moved}
                yield Mutant(
                    "cut", f"{name}: {band} from {moved}", with_input(document, name, replace(spec, cuts=cuts))
                )
        for band in without(spec.bands, spec.when_unknown):
            yield Mutant(
                "unknown", f"{name} read as {band}", with_input(document, name, replace(spec, when_unknown=band))
            )


def as_parsed(document: Document) -> Parsed:
    return Parsed(document, "", "mutant", "")


def gate(document: Document) -> tuple[Policy | None, list[Problem]]:
    try:
        policy = compile_parsed(as_parsed(document), VOCABULARY)
    except PolicyError as error:
        return None, list(error.problems)
    return policy, prove(policy)


def noticed(document: Document) -> tuple[Policy | None, bool]:
    """Prepare a mutant so that its examples and promises are tried, and say whether they refuse it.

    Labels that no rule gives any more leave all conditions: a condition left without any never holds, as before. Then
    dead rules leave, for the gate tries nothing else while there are some. Neither changes what a cell gets. Examples
    stay as they are, so that one which expects a vanished outcome fails. A mutant with another flaw of form, or with
    incomplete tables, cannot be repaired: nothing was tried, so nobody noticed.
    """
    if {problem.code for problem in check(as_parsed(document), VOCABULARY)} - {"unknown-band"}:
        return None, False
    while True:
        document = without_dangling_labels(document)
        policy = Policy(as_parsed(document))
        problems = prove(policy)
        dead = {problem.rule for problem in problems if problem.code == "dead-rule"}
        if not dead:
            return policy, any(problem.code in BY_MEANING for problem in problems)
        document = without_rules(document, dead)


def without_dangling_labels(document: Document) -> Document:
    labels = {name: spec.bands for name, spec in document.inputs.items()}
    labels |= {name: outcomes(table.rules) for name, table in document.tables.items()}

    def given(when: When) -> When:
        wanted = {name: [one] if isinstance(one, str) else one for name, one in when.items()}
        return {name: [label for label in wanted[name] if label in labels[name]] for name in wanted}

    tables = {
        name: replace(table, rules=[replace(rule, when=given(rule.when)) for rule in table.rules])
        for name, table in document.tables.items()
    }
    summary = [replace(said, when=given(said.when)) for said in document.summary]
    steps = [replace(step, when=given(step.when)) for step in document.steps]
    recheck = [replace(event, when=given(event.when)) for event in document.recheck]
    promises = [one if one.if_ is None else replace(one, if_=given(one.if_)) for one in document.promises]
    return replace(document, tables=tables, summary=summary, steps=steps, recheck=recheck, promises=promises)


def without_rules(document: Document, gone: Collection[str]) -> Document:
    """Leave out rules, and statements of the summary, that are named `table/id`."""
    tables = {
        name: replace(table, rules=[rule for rule in table.rules if f"{name}/{rule.id}" not in gone])
        for name, table in document.tables.items()
    }
    summary = [said for said in document.summary if f"summary/{said.id}" not in gone]
    return replace(document, tables=tables, summary=summary)


def answers(policy: Policy, space: Diagrams) -> list[Root]:
    """Return the strategy of every cell, then per code the predicate that it is given."""
    firing = compose(policy.tables, space, len(policy.inputs), space.among)
    found = [space.combine(policy.strategy_of_row, firing[-1])]
    for code in policy.document.codes:
        given = FALSE
        for table, root in zip(policy.tables, firing, strict=True):
            rows = {rule.position for rule in table.rules if code in rule.because}
            given = space.choose(space.combine(lambda row, rows=rows: int(row in rows), root), TRUE, given)
        found.append(given)
    return found


def reread(original: Policy, mutant: Policy) -> Iterator[tuple[int, int, int]]:
    """Yield the level and the two bands wherever an unknown, or a value at a cut, is read as another band."""
    for level, (mine, other) in enumerate(zip(original.inputs, mutant.inputs, strict=True)):
        yield level, mine.assumed, other.assumed
        cuts = zip(mine.stated, mine.cuts or (), other.cuts or (), strict=False)
        yield from ((level, band - 1, band) for band, cut, moved in cuts if cut != moved)


def is_equivalent(original: Policy, mutant: Policy) -> bool:
    """Say whether every profile, complete or not, gets the same strategy and codes."""
    space = Diagrams(original.diagrams.sizes)
    before = answers(original, space)
    return before == answers(mutant, space) and all(
        space.cofactor(root, level, band) == space.cofactor(root, level, other)
        for level, band, other in reread(original, mutant)
        if band != other
        for root in before
    )


@cache
def parsed(file: str) -> Parsed:
    return parse((POLICIES / file).read_text(encoding="utf-8"), file)


@cache
def scores(file: str) -> dict[str, Score]:
    original, problems = gate(parsed(file).document)
    assert original is not None
    assert not problems
    refused: Counter[str] = Counter()
    survivors: dict[str, list[str]] = {kind: [] for kind in KINDS}
    equivalent: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for mutant in mutants(parsed(file).document):
        policy, problems = gate(
            replace(mutant.document, promises=[])
        )  # their proof takes longest, and few mutants live
        if not problems:
            policy, problems = gate(mutant.document)
        if problems or policy is None:
            refused[mutant.kind] += 1
        elif is_equivalent(original, policy):
            equivalent[mutant.kind].append(mutant.what)
        else:
            survivors[mutant.kind].append(mutant.what)
    return {kind: Score(refused[kind], survivors[kind], equivalent[kind]) for kind in KINDS}


@pytest.mark.parametrize("file", FLOORS)
def test_examples_and_promises_notice_other_outcomes_and_cuts(file: str) -> None:
    """A mutant on which they cannot be tried counts like one that they let pass."""
    original, _ = gate(parsed(file).document)
    assert original is not None
    seen, missed = 0, []
    for mutant in mutants(parsed(file).document):
        if mutant.kind in {"outcome", "cut"}:
            policy, found = noticed(mutant.document)
            seen += found
            if not found and (policy is None or not is_equivalent(original, policy)):
                missed.append(mutant.what)
    assert seen / (seen + len(missed)) >= LAW, missed


def test_neither_form_nor_dead_rules_are_noticed_as_if_by_examples_and_promises() -> None:
    document = parsed("adaptation-1.0.0.yaml").document
    bare = replace(document, promises=[], tests=[])
    assert not any(noticed(mutant.document)[1] for mutant in mutants(bare) if mutant.kind == "outcome")
    sunk = replace(document.inputs["labeled_examples"], cuts={"few": 0, "enough": -1})
    assert noticed(with_input(document, "labeled_examples", sunk)) == (None, False)


@pytest.mark.parametrize("file", FLOORS)
@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_refused(kind: str, file: str) -> None:
    score = scores(file)[kind]
    assert score.refused > 0
    assert score.share >= FLOORS[file].get(kind, 1.0), score


@pytest.mark.parametrize("file", FLOORS)
def test_swapping_rules_that_exclude_each_other_is_equivalent(file: str) -> None:
    assert "fit/varied-and-general before one-off" in scores(file)["order"].equivalent


@pytest.mark.parametrize("file", FLOORS)
def test_cuts_matter(file: str) -> None:
    """Except that a million requests a day are read like 10,000: that band is there to be named, not to decide."""
    idle = {what.partition(" from ")[0] for what in scores(file)["cut"].equivalent}
    assert idle <= {"requests_per_day: very_high"}


@pytest.mark.parametrize("file", FLOORS)
def test_examples_pin_the_cuts(file: str) -> None:
    """Promises alone cannot: no number stands in them."""
    bare = replace(parsed(file).document, tests=[])
    moved = [mutant for mutant in mutants_of_inputs(bare) if mutant.kind == "cut"]
    assert moved
    assert [mutant.what for mutant in moved if gate(mutant.document)[1]] == []
