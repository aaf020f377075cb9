"""Spark: a data frame with the answers of its rows, and one Spark task for each task of a portfolio of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, ByteType, DataType, DoubleType, StringType, StructField, StructType

from trivium.portfolio.engines.attempt import attempt
from trivium.portfolio.engines.plan import Outcome, RunSpec, Task
from trivium.portfolio.engines.run import EngineError
from trivium.portfolio.engines.spec import ScorerSpec, added_fields, scored_batches


LOCAL_MASTER = "local[*,4]"
"""The master where none is configured: all cores, and four attempts at each task; `local[*]` would make only one."""


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


def score_tasks(run: RunSpec, tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Do each task as a task of Spark, and yield the outcomes once all are known.

    It uses the active session, else the one that spark-submit, `SPARK_REMOTE` or `MASTER` say, else the cores of this
    machine. It asks only for data frames, so a session of Spark Connect will do.

    Args:
        run: what all tasks have in common.
        tasks: what to do; every machine of the cluster reads and writes their files under the same paths.

    Raises:
        EngineError: Spark does not start, or gave up; what it has scored is kept.
    """
    with _session() as session:
        numbers = session.range(0, len(tasks), 1, len(tasks))
        try:
            rows = numbers.mapInArrow(partial(_attempts, run, tuple(tasks)), "outcome binary").collect()
        except Exception as error:  # noqa: BLE001 - of Py4J or gRPC, by the kind of session
            raise EngineError(
                f"Spark gave up: {_first_line(error)}; repeat the command to score what is missing"
            ) from None
        for row in rows:
            yield msgspec.msgpack.decode(bytes(row.outcome), type=Outcome)


def _attempts(run: RunSpec, tasks: Sequence[Task], batches: Iterator[Any]) -> Iterator[Any]:
    """Do the tasks whose numbers arrive; each partition has one."""
    pa.set_cpu_count(1)  # the task has one core; others have the rest
    for batch in batches:
        outcomes = [msgspec.msgpack.encode(attempt(run, tasks[number])) for number in batch.column(0).to_pylist()]
        yield pa.RecordBatch.from_pydict({"outcome": pa.array(outcomes, pa.binary())})


@contextmanager
def _session() -> Iterator[SparkSession]:
    """Return a session; stop it only if this has made it."""
    if (active := SparkSession.getActiveSession()) is not None:
        yield active
        return
    if not {"PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "MASTER"} & os.environ.keys():
        os.environ["MASTER"] = LOCAL_MASTER
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        session = (
            SparkSession.builder.appName("trivium score").config("spark.ui.showConsoleProgress", "false").getOrCreate()
        )
    except PySparkException as error:
        hint = "; is Java 17 or newer installed?" if "JAVA_GATEWAY" in str(error) else ""
        raise EngineError(f"Spark does not start: {_first_line(error)}{hint}") from None
    try:
        yield session
    finally:
        session.stop()


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
