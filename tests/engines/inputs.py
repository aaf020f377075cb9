"""Portfolios of Parquet files, with rows that are wrong, and what one process says of each."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portfolios import batch
from trivium.portfolio.columnar import score_file
from trivium.portfolio.engines.spec import ScorerSpec, load_scorer
from trivium.portfolio.job import Outputs, Reading, source_of
from trivium.portfolio.summary import Summary


POISONED = 97
"""Each so many rows, one is wrong."""

VERSION = "2.0.0"
SLOW = ("strategy", "codes", "error", "margin", "policy_version")
"""Columns that keep a worker busy for long enough to be killed meanwhile."""


def table(rows: int, seed: int) -> Any:
    """Draw a portfolio: rows with a number each, of which one now and then is wrong."""
    drawn = pa.Table.from_batches([batch(rows, seed)])
    examples = drawn["labeled_examples"].to_pylist()
    examples[::POISONED] = [-1] * len(examples[::POISONED])
    at = drawn.schema.get_field_index("labeled_examples")
    numbers = pa.array(range(seed * 1_000_000, seed * 1_000_000 + rows), pa.int64())
    return drawn.set_column(at, "labeled_examples", pa.array(examples, pa.int64())).append_column("number", numbers)


def write(directory: Path, files: int, rows: int, group: int = 1 << 20) -> None:
    """Write a portfolio of some files."""
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        pq.write_table(table(rows, number), directory / f"{number}.parquet", row_group_size=group)


def by_one_process(source: Path, target: Path, columns: tuple[str, ...]) -> Summary:
    """Score a file without an engine."""
    scorer = load_scorer(ScorerSpec.find(VERSION, columns))
    outputs = Outputs(target, "parquet", target.with_suffix(".rejects.csv"))
    return score_file(source_of(source, "parquet"), outputs, scorer, Reading()).summary


def rejected(path: Path) -> list[str]:
    """Return what a file of rejected rows says, without where the rows are from."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.partition(".parquet,")[2] for line in lines]


def assert_same(output: Path, source: Path, scratch: Path, columns: tuple[str, ...]) -> Summary:
    """Check that an output is what one process makes of its input, row for row, and return the counts."""
    expected = scratch / source.name
    summary = by_one_process(source, expected, columns)
    assert pq.read_table(output).equals(pq.read_table(expected))
    assert rejected(output.with_suffix(".rejects.csv")) == rejected(expected.with_suffix(".rejects.csv"))
    return summary
