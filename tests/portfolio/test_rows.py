"""One row at a time says the same as columns do, in every column that both have."""

import random
from typing import Any

import msgspec
import pyarrow as pa
import pytest

import trivium
from trivium import catalog
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.rows import OUTPUTS, RowScorer
from trivium.profile import VOCABULARY, make_profile
from trivium.recommendation import encode


ONLY_ROWS = {"summary", "next_step"}


def fields(chance: random.Random) -> dict[str, Any]:
    """Draw a profile; what is unknown is null."""
    made: dict[str, Any] = {}
    for name, field in VOCABULARY.items():
        if field.derived_from is None:
            if field.kind == "number":
                value: Any = int(10 ** chance.uniform(0, 6))
            else:
                value = chance.choice(field.choices) if field.kind == "choice" else chance.random() < 0.5
            made[name] = value if chance.random() < 0.7 else None
    return made


def test_warnings_of_a_row_are_those_of_an_answer_and_say_why_no_payback_is_known() -> None:
    rows = [
        {"costs.model": "gpt-4oo", "costs.engineering": 500.0, "requests_per_day": 1000.0},
        {"costs.model": None, "costs.engineering": None, "requests_per_day": 1000.0},
        {"costs.model": None, "costs.engineering": None, "requests_per_day": -1.0},
    ]
    (batch,) = pa.Table.from_pylist(rows).to_batches()
    scorer = Scorer(catalog.shipped().advisor(), ["warnings"])
    said, *others = scorer.score(batch).column("warnings").to_pylist()
    made = trivium.recommend({"costs": {"model": "gpt-4oo", "engineering": 500}, "requests_per_day": 1000})
    assert made.economics is not None
    assert said.startswith(f"{made.warnings[0].message} It is not known when training would pay back, because")
    assert "did you mean `gpt-4o`" in said
    assert said.lower().endswith(f"{made.economics.says.lower()}.")
    assert others == [None, None]


@pytest.mark.parametrize("version", ["1", "2", "latest"])
def test_rows_and_columns_say_the_same(version: str) -> None:
    advisor = catalog.shipped().advisor(version)
    names = [name for name in OUTPUTS if name not in ONLY_ROWS]
    chance = random.Random(7)  # noqa: S311 - no secret
    profiles = [fields(chance) for _ in range(400)]
    profiles[5]["costs"] = {"model": "gpt-4oo"}
    profiles[3]["costs"] = {"model": "gpt-4o", "output_tokens": 50, "variable_input_tokens": 10, "engineering": 500}
    (batch,) = pa.Table.from_pylist(profiles, pa.Table.from_pylist(profiles[3:]).schema).to_batches()
    columns = Scorer(advisor, names).score(batch).select(names).to_pylist()
    rows = RowScorer(advisor, names)
    for own, answer in zip(profiles, columns, strict=True):
        values = msgspec.json.decode(encode(rows.score(make_profile(own)).values))
        assert dict(zip(names, values, strict=True)) == answer
