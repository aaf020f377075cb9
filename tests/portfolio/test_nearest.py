"""In every row, what would change the answer is what the engine says of the row alone."""

import re
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given

import generators
import trivium
from portfolios import NEWEST, VERSIONS, Codes, advisor, codes
from trivium.policy import Changes, Policy, compile_policy, nearest_changes, prove
from trivium.portfolio import nearest
from trivium.portfolio.kernel import Kernel
from trivium.portfolio.nearest import FEW, NearestChanges
from trivium.profile import VOCABULARY


Answer = tuple[Changes | None, Changes | None]
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(2, 6))]


def answers(policy: Policy, drawn: Codes) -> list[Answer]:
    kernel = Kernel(policy)
    found = NearestChanges(kernel)(drawn, kernel.decide(drawn).strategy)
    paths, risks = ([found.changes[place] for place in places.tolist()] for places in (found.path, found.risk))
    margin, missing = found.margin()
    for path, risk, size, none in zip(paths, risks, margin.tolist(), missing.tolist(), strict=True):
        sizes = [len(one.targets) for one in (path, risk) if one]
        assert none == (not sizes)
        assert none or size == min(sizes)
    return list(zip(paths, risks, strict=True))


def disagreements(policy: Policy, drawn: Codes) -> Iterator[tuple[list[int], Answer, Answer]]:
    """Yield the rows in which the engine says something else: codes, its answer, and the columnar one."""
    kernel = Kernel(policy)
    for row, answer in zip(np.stack(drawn, axis=1).tolist(), answers(policy, drawn), strict=True):
        if (slow := nearest_changes(policy, *kernel.read(row))) != answer:
            yield row, slow, answer


@given(generators.live_documents())
def test_random_policies_have_the_nearest_changes_of_the_engine(document: generators.Part) -> None:
    policy = compile_policy(generators.text(document))
    assume(not any(problem.code == "unmeasured-differs" for problem in prove(policy)))  # as no policy does that loads
    patterns = list(islice(product(*(range(len(field.bands) + 1) for field in policy.inputs)), 0, None, 3))
    patterns = (patterns * FEW)[: max(len(patterns), FEW + 1)]
    drawn = [np.array(column, np.uint8) for column in zip(*patterns, strict=True)]
    assert list(islice(disagreements(policy, drawn), 1)) == []


@pytest.mark.parametrize("version", VERSIONS.by_version)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_profiles_of_shipped_policies(version: str, seed: int) -> None:
    policy = advisor(version).policy
    assert NearestChanges(Kernel(policy)).fits
    drawn = codes(policy, 2000 if seed == 1 else 10_000, seed)
    assert list(islice(disagreements(policy, drawn), 1)) == []


def test_rows_in_parts_and_few_rows_get_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = advisor(NEWEST).policy
    drawn = codes(policy, 500, 3)
    at_once = answers(policy, drawn)
    monkeypatch.setattr(nearest, "ROOM", 1)
    assert answers(policy, drawn) == at_once
    for count in (0, 1, FEW):
        assert answers(policy, [column[:count] for column in drawn]) == at_once[:count]


MATURE = "prompt_maturity: {has_evaluation_set: yes, labeled_examples: [few, pilot]}"
EVALUATED = "has_evaluation_set: {prompt_tokens: [short, long]}"
LABELED = (
    "labeled_examples: {example_quality: [mixed, expert_reviewed], knowledge_public: yes, has_evaluation_set: yes}"
)


@pytest.mark.parametrize(
    ("needs", "fits"),
    [([MATURE], True), ([EVALUATED], True), ([LABELED, EVALUATED], True), ([MATURE, EVALUATED, LABELED], False)],
)
def test_changes_that_need_several_things_which_need_others(needs: list[str], fits: bool) -> None:
    text = (trivium.POLICIES / f"adaptation-{NEWEST}.yaml").read_text()
    for need in needs:
        name, _, condition = need.partition(": ")
        before, start, after = text.partition(f"\n  {name}:\n")
        after = re.sub(
            r"(\n    better: \w+)(\n    changing_needs: .*)?", rf"\1\n    changing_needs: {condition}", after, count=1
        )
        text = before + start + after
    policy = compile_policy(text, vocabulary=VOCABULARY)
    assert NearestChanges(Kernel(policy)).fits == fits
    assert list(islice(disagreements(policy, codes(policy, 400, 7)), 1)) == []


def test_a_policy_of_more_inputs_than_weights_have_bits_is_left_to_the_engine() -> None:
    names = [f"x{at}" for at in range(60)]
    policy = written(
        {name: {"values": ["low", "high"], "when_unknown": "low", "changed_by": "circumstance"} for name in names},
        [{"id": "all", "when": dict.fromkeys(names, "high"), "then": "many"}],
    )
    assert not NearestChanges(Kernel(policy)).fits
    drawn = [np.zeros(FEW + 1, np.uint8)] * len(names)
    assert {len(risk.targets) for _, risk in answers(policy, drawn) if risk} == {len(names)}


def test_of_targets_that_are_as_near_in_different_cases_those_of_the_lowest_bands_count() -> None:
    """From `mid` it is one band to `low`, where what `x` needs does not hold, and one to `high`, where it does."""
    three = {"values": ["low", "mid", "high"], "when_unknown": "mid"}
    policy = written(
        {
            "x": {**three, "changed_by": "action", "better": "more", "changing_needs": {"y": "high"}},
            "y": {**three, "changed_by": "circumstance"},
        },
        [
            {"id": "y", "when": {"y": ["low", "high"]}, "then": "many"},
            {"id": "x", "when": {"x": "high"}, "then": "many"},
        ],
    )
    drawn = [np.zeros(FEW + 1, np.uint8), np.ones(FEW + 1, np.uint8)]
    assert set(answers(policy, drawn)) == {(None, Changes(1, ((1, 0),)))}


@pytest.mark.parametrize("version", VERSIONS.by_version)
def test_hardly_any_rows_of_shipped_policies_are_left_to_the_engine(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, asked = advisor(version).policy, []

    def ask(*row: Any) -> Answer:
        asked.append(row)
        return nearest_changes(*row)

    monkeypatch.setattr(nearest, "nearest_changes", ask)
    answers(policy, codes(policy, 4000, 9))
    assert len(asked) < 40  # one of a hundred


def written(inputs: dict[str, generators.Part], rules: list[generators.Part]) -> Policy:
    """Return a policy of one table; where no rule holds, it is `few`."""
    return compile_policy(
        generators.text(
            {
                "policy": "written",
                "version": "1.0.0",
                "title": "Written",
                "sources": {},
                "inputs": {name: {**part, "question": "?", "check": generators.CHECK} for name, part in inputs.items()},
                "strategies": {"few": "Few", "many": "Many"},
                "levers": {},
                "tables": {"strategy": {"inputs": list(inputs), "rules": [*rules, {"id": "else", "then": "few"}]}},
                "codes": {},
                "summary": [{"id": "said", "text": "So."}],
            }
        )
    )
