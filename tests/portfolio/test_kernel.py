"""In every row, a policy compiled to arrays says what the row path says."""

from itertools import islice, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import generators
from portfolios import NEWEST, Columns, advisor, codes, disagreements
from trivium.policy import compile_policy, prove
from trivium.portfolio.kernel import CHUNK


SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(2, 18))]


@given(generators.live_documents(), st.sampled_from((None, 0)))
def test_random_policies_say_the_same_of_every_pattern_of_known_and_unknown_inputs(
    document: generators.Part, entries: int | None
) -> None:
    policy = compile_policy(generators.text(document))
    assume(not any(problem.code == "unmeasured-differs" for problem in prove(policy)))  # as no policy does that loads
    patterns = list(islice(product(*(range(len(field.bands) + 1) for field in policy.inputs)), 2000))
    columns = [np.array(column, np.uint8) for column in zip(*patterns, strict=True)]
    assert list(islice(disagreements(Columns(policy, entries), columns), 1)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_random_profiles_of_the_newest_policy_get_the_answers_of_the_row_path(seed: int) -> None:
    policy = advisor(NEWEST).policy
    drawn = codes(policy, 4000 if seed == 1 else CHUNK, seed)
    assert list(islice(disagreements(Columns(policy), drawn), 1)) == []


@pytest.mark.parametrize("stride", [997, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_the_cells_of_the_first_policy_get_the_answers_of_the_row_path(stride: int) -> None:
    policy = advisor("1.0.0").policy
    stated = [
        [band if band in field.stated else len(field.bands) for band in range(len(field.bands))]
        for field in policy.inputs
    ]
    cells = np.array(list(islice(product(*stated), 0, None, stride)), np.uint8)
    assert list(islice(disagreements(Columns(policy), list(cells.T.copy())), 1)) == []
    assert len(cells) == -(-1_259_712 // stride)


def test_a_policy_that_is_too_large_for_look_ups_is_walked_with_the_same_answers() -> None:
    policy = advisor(NEWEST).policy
    drawn = codes(policy, 500, 0)
    assert list(Columns(policy, entries=0).answers(drawn)) == list(Columns(policy).answers(drawn))
