"""Frames of pandas, Polars and DuckDB get the answers of the row path, batch by batch."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import trivium
from portfolios import batch
from trivium import InvalidInputError
from trivium.portfolio.frames import ROWS


TABLE = pa.Table.from_batches([batch(300, 3)]).append_column("team", pa.array([f"team {row}" for row in range(300)]))


def answers() -> list[dict[str, Any]]:
    """Return what the row path says of the table."""
    found = []
    for row in TABLE.to_pylist():
        team = row.pop("team")
        said = trivium.recommend(row)
        found.append(
            {
                "team": team,
                "strategy": said.strategy,
                "status": said.status,
                "codes": [reason.code for reason in said.rationale],
                "first_question": said.questions[0].input if said.questions else None,
                "policy_version": said.policy.version,
                "error": None,
            }
        )
    return found


def frames() -> Iterator[tuple[str, Any]]:
    yield "pyarrow", TABLE
    yield "pandas", TABLE.to_pandas()
    yield "pandas with types of its own", TABLE.to_pandas().convert_dtypes()
    yield "pandas with types of Arrow", TABLE.to_pandas(types_mapper=pd.ArrowDtype)
    polars = pl.DataFrame(TABLE)
    yield "polars", polars
    yield "polars with categories", polars.cast({pl.String: pl.Categorical})
    enums = {name: pl.Enum(polars[name].drop_nulls().unique()) for name in ("knowledge_need", "primary_goal")}
    yield "polars with enums", polars.cast(enums)  # type: ignore[arg-type]  # a mapping of names to types
    connection = duckdb.connect()
    relation = connection.from_arrow(TABLE)
    yield "duckdb", relation
    totals = "* REPLACE (prompt_tokens::HUGEINT AS prompt_tokens, labeled_examples::DECIMAL(18, 3) AS labeled_examples)"
    yield "duckdb with sums and decimals", relation.project(totals)


@pytest.mark.parametrize(("library", "frame"), list(frames()), ids=[name for name, _ in frames()])
def test_frames_of_every_library_get_the_answers_of_the_row_path(library: str, frame: Any) -> None:
    scored = trivium.score(frame).read_all()
    names = ["team", *scored.schema.names[-6:]]
    assert scored.select(names).to_pylist() == answers(), library


def test_every_library_reads_what_is_scored() -> None:
    wanted = [row["strategy"] for row in answers()]
    assert list(trivium.score(TABLE).read_pandas()["strategy"]) == wanted
    assert pl.DataFrame(trivium.score(TABLE))["strategy"].to_list() == wanted
    scored = trivium.score(TABLE)  # found by its name
    counted = duckdb.execute("select strategy, unnest(codes) as code, first_question from scored").fetchall()
    assert len(counted) == sum(len(row["codes"]) for row in answers())
    assert scored is not None


def test_rows_are_scored_while_they_are_read_a_few_at_a_time() -> None:
    taken = []

    def batches() -> Iterator[Any]:
        for seed in range(3):
            taken.append(seed)
            yield batch(ROWS + 1 if seed == 1 else 10, seed)

    reader = trivium.score(pa.RecordBatchReader.from_batches(batch(1, 0).schema, batches()), columns=["strategy"])
    assert taken == []
    assert reader.read_next_batch().num_rows == 10
    assert taken == [0]
    assert [one.num_rows for one in reader] == [ROWS, 1, 10]


def test_a_policy_of_ones_own_and_an_older_one_score_frames(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text((trivium.POLICIES / "adaptation-1.0.0.yaml").read_text("utf-8").replace("1.0.0", "1.7.0"), "utf-8")
    own = trivium.load(file).score(TABLE, columns=["strategy", "policy_version"]).read_all()
    old = trivium.score(TABLE, policy="1.0.0", columns=["strategy", "policy_version"]).read_all()
    assert own["strategy"].equals(old["strategy"])
    assert {*own["policy_version"].to_pylist()} == {"1.7.0"}


def test_what_is_no_frame_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match="exports an Arrow stream, got list"):
        trivium.score([{"knowledge_need": "none"}])
    with pytest.raises(TypeError, match=r"call `.collect\(\)` first"):
        trivium.score(pl.LazyFrame({"knowledge_need": ["none"]}))
    with pytest.raises(InvalidInputError, match="give every column values of one type"):
        trivium.score(pd.DataFrame({"labeled_examples": [1, "many"]}))
    with pytest.raises(InvalidInputError, match="column `requests_per_dya` looks like `requests_per_day`: rename it"):
        trivium.score(pd.DataFrame({"requests_per_dya": [5], "knowledge_need": ["none"]}))
    with pytest.raises(InvalidInputError, match="give a list of names"):
        trivium.score(pd.DataFrame({"knowledge_need": ["none"]}), columns="strategy")
    with pytest.raises(InvalidInputError, match="no column is a field"):
        trivium.score(pd.DataFrame())
    assert trivium.score(pd.DataFrame({"knowledge_need": []})).read_all().num_rows == 0


@pytest.mark.parametrize("missing", ["numpy", "pyarrow"])
def test_without_the_extra_all_else_works_and_the_error_names_it(missing: str) -> None:
    program = f"""
import sys
sys.modules["{missing}"] = None
import trivium
assert trivium.recommend({{}}).strategy
assert not {{"numpy", "pyarrow"}} - {{"{missing}"}} & set(sys.modules)
try:
    trivium.score(None)
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "scoring data frames needs NumPy and PyArrow: pip install '.[arrow]'\n"
