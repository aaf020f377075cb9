"""A map shows, for any two inputs, what trying every combination of their bands gives."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import generators
import reference
import trivium
from trivium.policy import compile_policy, load_policy
from trivium.policy.engine.bands import Band, NumberRange
from trivium.policy.engine.map import strategy_map
from trivium.profile import VOCABULARY


FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
POLICY = load_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)

PROFILES: list[dict[str, Any]] = [
    {},
    {"requests_per_day": 1e5, "labeled_examples": 1000, "primary_goal": None},
    {"knowledge_need": "changing_facts", "base_model_underperforms": True, "prompt_tokens": 8000},
    {"task_consistency": "varied", "domain_specialization": "specialized", "labeled_examples": 499.0},
]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_pair_of_inputs_of_the_shipped_policy(profile: dict[str, Any]) -> None:
    slow = reference.shipped("1.0.0")
    cell = slow.read(profile)
    for x, y in permutations(range(len(slow.inputs)), 2):
        names = list(slow.inputs)
        made = strategy_map(POLICY, names[x], names[y], profile)
        assert (made.x, made.y) == (names[x], names[y])
        assert [band.band for band in made.x_bands] == [slow.bands[x][band] for band in slow.stated[x]]
        assert [band.band for band in made.y_bands] == [slow.bands[y][band] for band in slow.stated[y]]
        for row, y_band in zip(made.rows, slow.stated[y], strict=True):
            for strategy, x_band in zip(row, slow.stated[x], strict=True):
                bands = [{x: x_band, y: y_band}.get(at, band) for at, band in enumerate(cell)]
                assert strategy == slow.state(bands)[0]["strategy"]


@given(generators.documents(), st.data())
def test_random_policies(document: generators.Part, data: st.DataObject) -> None:
    policy, slow = compile_policy(generators.text(document)), reference.Reference(generators.text(document))
    names = list(slow.inputs)
    if len(names) < 2:
        return
    x, y = data.draw(st.permutations(range(len(names))))[:2]
    made = strategy_map(policy, names[x], names[y])
    cell = slow.read({})
    for row, y_band in zip(made.rows, slow.stated[y], strict=True):
        bands = [[{x: x_band, y: y_band}.get(at, band) for at, band in enumerate(cell)] for x_band in slow.stated[x]]
        assert row == [slow.state(one)[0]["strategy"] for one in bands]


def test_bands_say_what_a_profile_states_for_them() -> None:
    made = strategy_map(POLICY, "prompt_tokens", "base_model_underperforms")
    assert made.x_bands == [
        Band("short", None, NumberRange(None, 2000)),
        Band("long", None, NumberRange(2000, 8000)),
        Band("extreme", None, NumberRange(8000, None)),
    ]
    assert made.y_bands == [Band("no", False, None), Band("yes", True, None)]


@pytest.mark.parametrize(
    ("x", "y", "profile", "said"),
    [
        ("labeled_exampels", "primary_goal", {}, "no input `labeled_exampels`; did you mean `labeled_examples`"),
        ("primary_goal", "knowledge_tokens", {}, "policy 1.0.0 has no input `knowledge_tokens`"),
        ("primary_goal", "primary_goal", {}, "two different inputs, and both are `primary_goal`"),
        ("primary_goal", "prompt_tokens", {"latency_need": "high"}, "`latency_need` cannot be 'high'; allowed"),
        ("primary_goal", "prompt_tokens", {"colour": "red"}, "no input `colour`"),
    ],
)
def test_what_is_wrong_is_named(x: str, y: str, profile: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        strategy_map(POLICY, x, y, profile)
