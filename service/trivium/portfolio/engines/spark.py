"""Spark: a data frame with the answers of its rows, and one task per part of a portfolio of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DoubleType,
    StringType,
    StructField,
    StructType,
)

from trivium.portfolio.engines.spec import ScorerSpec, added_fields, scored_batches


def scored(frame: DataFrame, policy: str | Path | None = None, columns: Sequence[str] | None = None) -> DataFrame:
    """Return a data frame with the answers of its rows added, by `mapInArrow`.

    Each worker process loads the policy once. A row that is no valid profile has its errors in `error`.

    Args:
        frame: the profiles; other columns are passed through.
        policy: a selector such as `1.0.0`, `1` or `latest`, or the path of a YAML file; None for the default policy.
        columns: the columns to add; None for the default ones.

    Raises:
        OSError: the file cannot be read.
        PolicyError: the file's policy does not load.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
        InvalidInputError: no column is a field of a profile, or a column to add is unknown or there already.
    """
    spec = ScorerSpec.find(policy, columns)
    added = added_fields(spec, frame.limit(0).toArrow().schema)
    fields = [*frame.schema.fields, *(StructField(one.name, _spark_type(one.type)) for one in added)]
    return frame.mapInArrow(partial(_score, spec), StructType(fields))


def _score(spec: ScorerSpec, batches: Iterator[Any]) -> Iterator[Any]:
    yield from scored_batches(spec, batches)


def _spark_type(kind: Any) -> DataType:
    """Return the type of an added column in Spark."""
    if pa.types.is_list(kind):
        return ArrayType(_spark_type(kind.value_type))
    if pa.types.is_struct(kind):
        return StructType([StructField(one.name, _spark_type(one.type)) for one in kind])
    return {pa.int8(): ByteType(), pa.float64(): DoubleType(), pa.string(): StringType()}[kind]
