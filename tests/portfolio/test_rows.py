"""One row at a time says the same as columns do, in every column that both have."""

import random
from typing import Any

import msgspec
import pyarrow as pa
import pytest

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


@pytest.mark.parametrize("version", ["1", "2", "latest"])
def test_rows_and_columns_say_the_same(version: str) -> None:
    advisor = catalog.shipped().advisor(version)
    names = [name for name in OUTPUTS if name not in ONLY_ROWS]
    chance = random.Random(7)  # noqa: S311 - no secret
    profiles = [fields(chance) for _ in range(400)]
    profiles[3]["costs"] = {"model": "gpt-4o", "output_tokens": 50, "variable_input_tokens": 10, "engineering": 500}
    (batch,) = pa.Table.from_pylist(profiles, pa.Table.from_pylist(profiles[3:]).schema).to_batches()
    columns = Scorer(advisor, names).score(batch).select(names).to_pylist()
    rows = RowScorer(advisor, names)
    for own, answer in zip(profiles, columns, strict=True):
        values = msgspec.json.decode(encode(rows.score(make_profile(own)).values))
        assert dict(zip(names, values, strict=True)) == answer
