"""Every promise of 3.0.0 holds in cells drawn at random, by evaluating the tables; no diagram has a part in it.

That such draws can fail is shown by sabotage: a rule is put before all others of its table, and a promise breaks.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

import trivium
from trivium.policy import CompiledInput, Policy, compile_policy
from trivium.policy.engine.compiled import compile_parsed
from trivium.policy.engine.diagram import Cell
from trivium.policy.language.document import Promise, Rule, When
from trivium.profile import VOCABULARY


DRAWS = 20_000
"""Cells per promise."""

SHARE = 0.5
"""Share of the inputs that are read as if unknown: drawn evenly, one cell in 200 would tune."""

FILE = trivium.POLICIES / "adaptation-3.0.0.yaml"
POLICY = compile_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)
PROMISES = {promise.id: promise for promise in POLICY.document.promises}


class Sabotage(NamedTuple):
    table: str
    when: When
    then: str


SABOTAGE = {
    "changing-facts-get-retrieval": Sabotage("retrieval", {"knowledge_tokens": "small"}, "in_prompt"),
    "citations-get-retrieval": Sabotage("retrieval", {"knowledge_need": "unmeasured"}, "none"),
    "unreviewed-and-nobody-never-tunes": Sabotage("data_readiness", {"labeled_examples": "rich"}, "ready"),
    "too-few-examples-never-tune": Sabotage("data_readiness", {"example_quality": "expert_reviewed"}, "ready"),
    "no-evaluation-never-tunes": Sabotage("fine_tuning", {"data_readiness": "ready"}, "adopt"),
    "unavailable-never-tunes": Sabotage("fine_tuning", {"data_readiness": "ready"}, "adopt"),
    "one-off-never-tunes": Sabotage("fit", {"domain_specialization": "highly_specialized"}, "fit"),
    "varied-general-never-tunes": Sabotage("fit", {"task_consistency": "varied"}, "fit"),
    "more-examples-never-hurt": Sabotage("data_readiness", {"labeled_examples": "rich"}, "collect"),
    "better-examples-never-hurt": Sabotage("data_readiness", {"example_quality": "expert_reviewed"}, "collect"),
    "more-volume-never-hurts": Sabotage("economy", {"requests_per_day": "very_high"}, "none"),
    "faster-payback-never-hurts": Sabotage("economy", {"payback_months": "fast"}, "none"),
    "a-check-never-hurts": Sabotage("data_readiness", {"answers_checkable": "yes"}, "collect"),
    "malformed-output-never-tunes": Sabotage("diagnosis", {"failure_kind": "format_syntax"}, "behavior"),
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


def listed(bands: str | list[str]) -> list[str]:
    return [bands] if isinstance(bands, str) else bands


def draw(random: Random, field: CompiledInput, wanted: str | list[str] | None) -> int:
    if wanted is not None:
        return field.bands.index(random.choice(listed(wanted)))
    return field.assumed if random.random() < SHARE else random.randrange(len(field.bands))


def draws(policy: Policy, when: When, seed: str) -> Iterator[Cell]:
    """Yield cells in which a condition on inputs holds."""
    random = Random(seed)  # noqa: S311 - the same cells on every run
    for _ in range(DRAWS):
        yield tuple(draw(random, field, when.get(field.name)) for field in policy.inputs)


def moved(policy: Policy, cell: Cell, name: str) -> dict[str, str]:
    """Return the strategy per band that a profile can state of one input, in order, all else equal."""
    at = policy.positions[name]
    field = policy.inputs[at]
    return {field.bands[band]: strategy(policy, (*cell[:at], band, *cell[at + 1 :])) for band in field.stated}


def breaks(policy: Policy, promise: Promise, cell: Cell) -> bool:
    if promise.then_strategy is not None:
        return strategy(policy, cell) not in promise.then_strategy
    if promise.raising is not None:
        left = [one not in (promise.never_leaves or ()) for one in moved(policy, cell, promise.raising).values()]
        return any(before < after for before, after in pairwise(left))
    (name,) = promise.setting or {}
    entered = {band: one in (promise.never_enters or ()) for band, one in moved(policy, cell, name).items()}
    return any(entered[band] for band in listed((promise.setting or {})[name])) and not all(entered.values())


def unreached(policy: Policy, given: list[str]) -> set[str]:
    """Return the strategies that no profile of the given inputs alone leads to; every one is tried."""
    bands = [field.stated if field.name in given else (field.assumed,) for field in policy.inputs]
    return set(policy.strategies) - {strategy(policy, cell) for cell in product(*bands)}


def counterexample(policy: Policy, promise: Promise) -> object:
    """Return a cell that breaks a promise, or the strategies it cannot reach; None where there are none."""
    if promise.reachable_given is not None:
        return unreached(policy, promise.reachable_given) or None
    cells = draws(policy, promise.if_ or {}, promise.id)
    return next((policy.describe(cell) for cell in cells if breaks(policy, promise, cell)), None)


def test_every_promise_is_sabotaged() -> None:
    assert list(SABOTAGE) == list(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_promise(name: str) -> None:
    assert counterexample(POLICY, PROMISES[name]) is None


@pytest.mark.parametrize("name", PROMISES)
def test_sabotage_is_found(name: str) -> None:
    assert counterexample(sabotaged(SABOTAGE[name]), PROMISES[name]) is not None
