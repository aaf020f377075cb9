"""Every promise of 2.0.0 holds in cells drawn at random, by evaluating the tables; no diagram has a part in it.

That such draws can fail is shown by sabotage: a rule is put before all others of its table, and a promise breaks.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

import trivium
from trivium.policy import Policy, compile_policy
from trivium.policy.compiled import compile_parsed
from trivium.policy.diagram import Cell
from trivium.policy.document import Promise, Rule, When
from trivium.profile import VOCABULARY


DRAWS = 20_000
"""Cells per promise."""

SHARE = 0.5
"""Share of the inputs that are read as if unknown: drawn evenly, one cell in 200 would tune."""

FILE = trivium.POLICIES / "adaptation-2.0.0.yaml"
POLICY = compile_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)
PROMISES = {promise.id: promise for promise in POLICY.document.promises}


class Sabotage(NamedTuple):
    table: str
    when: When
    then: str


SABOTAGE = {
    "changing-facts-get-retrieval": Sabotage("retrieval", {"knowledge_tokens": "small"}, "in_prompt"),
    "citations-get-retrieval": Sabotage("retrieval", {"knowledge_need": "none"}, "none"),
    "unreviewed-and-nobody-never-tunes": Sabotage("data_readiness", {"labeled_examples": "rich"}, "ready"),
    "too-few-examples-never-tune": Sabotage("data_readiness", {"example_quality": "expert_reviewed"}, "ready"),
    "no-evaluation-never-tunes": Sabotage("fine_tuning", {"data_readiness": "ready"}, "adopt"),
    "unavailable-never-tunes": Sabotage("fine_tuning", {"data_readiness": "ready"}, "adopt"),
    "one-off-never-tunes": Sabotage("fit", {"domain_specialization": "highly_specialized"}, "fit"),
    "varied-general-never-tunes": Sabotage("fit", {"task_consistency": "varied"}, "fit"),
    "more-examples-never-hurt": Sabotage("data_readiness", {"labeled_examples": "rich"}, "collect"),
    "better-examples-never-hurt": Sabotage("data_readiness", {"example_quality": "expert_reviewed"}, "collect"),
    "more-volume-never-hurts": Sabotage("economy", {"requests_per_day": "very_high"}, "none"),
    "slower-payback-never-tunes": Sabotage("economy", {"payback_months": "never"}, "pays"),
    "facts-goal-never-tunes": Sabotage("fine_tuning", {"primary_goal": "facts", "data_readiness": "ready"}, "adopt"),
    "more-knowledge-never-drops-retrieval": Sabotage("retrieval", {"knowledge_need": "changing_facts"}, "in_prompt"),
    "four-inputs-reach-all": Sabotage("data_readiness", {"can_label_more": "yes"}, "collect"),
}


def sabotaged(sabotage: Sabotage) -> Policy:
    table = POLICY.document.tables[sabotage.table]
    rule = Rule(id="sabotage", when=sabotage.when, then=sabotage.then)
    tables = {**POLICY.document.tables, sabotage.table: replace(table, rules=[rule, *table.rules])}
    return compile_parsed(replace(POLICY.parsed, document=replace(POLICY.document, tables=tables)), VOCABULARY)


def strategy(policy: Policy, cell: Iterable[int]) -> str:
    return policy.strategies[policy.decide(tuple(cell)).strategy]


def allowed(policy: Policy, when: When) -> Mapping[int, list[int]]:
    """Return per position the bands that a condition on inputs allows."""
    return {
        policy.positions[name]: [
            policy.inputs[policy.positions[name]].bands.index(band)
            for band in ([bands] if isinstance(bands, str) else bands)
        ]
        for name, bands in when.items()
    }


def draws(policy: Policy, when: When, seed: str) -> Iterator[Cell]:
    random = Random(seed)  # noqa: S311 - the same cells on every run
    bands = allowed(policy, when)
    for _ in range(DRAWS):
        yield tuple(
            random.choice(bands[at])
            if at in bands
            else field.assumed
            if random.random() < SHARE
            else random.randrange(len(field.bands))
            for at, field in enumerate(policy.inputs)
        )


def moved(policy: Policy, cell: Cell, name: str) -> list[str]:
    """Return the strategy for each band that a profile can state of one input, all else equal."""
    at = policy.positions[name]
    return [strategy(policy, (*cell[:at], band, *cell[at + 1 :])) for band in policy.inputs[at].stated]


def broken(policy: Policy, promise: Promise) -> Iterator[Cell]:
    """Yield the cells drawn that break a promise."""
    if promise.reachable_given is not None:
        yield from unreachable(policy, promise.reachable_given)
        return
    (name, bands), *_ = (promise.setting or {"": []}).items()
    setting = [bands] if isinstance(bands, str) else bands
    for cell in draws(policy, promise.if_ or {}, promise.id):
        if promise.then_strategy is not None:
            bad = strategy(policy, cell) not in promise.then_strategy
        elif promise.never_leaves is not None:
            kept = [one in promise.never_leaves for one in moved(policy, cell, promise.raising or "")]
            bad = kept != sorted(kept)
        else:
            by_band = dict(zip(stated(policy, name), moved(policy, cell, name), strict=True))
            entered = {band for band, one in by_band.items() if one in (promise.never_enters or ())}
            bad = bool(entered & set(setting)) and len(entered) < len(by_band)
        if bad:
            yield cell


def stated(policy: Policy, name: str) -> list[str]:
    field = policy.inputs[policy.positions[name]]
    return [field.bands[band] for band in field.stated]


def unreachable(policy: Policy, given: list[str]) -> Iterator[Cell]:
    """Yield the cell of unknowns for each strategy that the given inputs alone do not reach; every one is tried."""
    choices = [field.stated if field.name in given else (field.assumed,) for field in policy.inputs]
    reached = {strategy(policy, cell) for cell in product(*choices)}
    yield from (tuple(field.assumed for field in policy.inputs) for one in policy.strategies if one not in reached)


def test_every_promise_is_sabotaged() -> None:
    assert list(SABOTAGE) == list(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_promise(name: str) -> None:
    assert [POLICY.describe(cell) for cell in broken(POLICY, PROMISES[name])] == []


@pytest.mark.parametrize("name", PROMISES)
def test_sabotage_is_found(name: str) -> None:
    policy = sabotaged(SABOTAGE[name])
    assert next(broken(policy, PROMISES[name]), None) is not None
