"""What a worker process needs to score: a policy and columns, small enough to send with every task."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

import trivium
from trivium import catalog
from trivium.advisor import Advisor
from trivium.errors import TriviumError
from trivium.policy import Lifecycle, ServedPolicy, compile_policy, load_policy
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.rows import DEFAULT_COLUMNS
from trivium.profile import VOCABULARY


ROWS = 1 << 17
"""Most rows to score at once; engines may hand over larger batches."""


class WorkerError(TriviumError):
    """A worker cannot score as the driver asked it to; the text says what to do."""

    code = "worker"


class ScorerSpec(msgspec.Struct, frozen=True):
    """A scorer as text, so that it can be sent to other processes and loaded there once.

    Attributes:
        digest: of the policy.
        lifecycle: of the policy.
        text: the YAML of the policy.
        columns: the columns to add.
        version: of Trivium on the driver; workers must have the same.
    """

    digest: str
    lifecycle: Lifecycle
    text: str
    columns: tuple[str, ...]
    version: str

    @classmethod
    def of(cls, served: ServedPolicy, columns: Sequence[str] | None = None) -> ScorerSpec:
        """Return the specification of a scorer by a proven policy.

        Raises:
            InvalidInputError: a name is not that of a column, or is given twice.
        """
        names = tuple(DEFAULT_COLUMNS if columns is None else columns)
        Scorer(Advisor(served), names)
        return cls(served.policy.digest, served.lifecycle, served.policy.parsed.text, names, trivium.__version__)

    @classmethod
    def find(cls, policy: str | Path | None = None, columns: Sequence[str] | None = None) -> ScorerSpec:
        """Return the specification of a scorer by a policy that ships with the package, or by a YAML file.

        Args:
            policy: a selector such as `1.0.0`, `1` or `latest`, or the path of a file; None for the default policy.
            columns: the columns to add; None for the default ones.

        Raises:
            OSError: the file cannot be read.
            PolicyError: the file's policy does not load.
            UnknownPolicyError: no policy fits.
            RetiredPolicyError: the policy is retired.
            InvalidInputError: a name is not that of a column, or is given twice.
        """
        name = None if policy is None else os.fspath(policy)
        if name is None or not (os.sep in name or name.endswith((".yaml", ".yml"))):
            return cls.of(catalog.shipped().registry.deciding(name), columns)
        text = Path(name).read_text(encoding="utf-8")
        return cls.of(ServedPolicy(load_policy(text, name, VOCABULARY), Lifecycle()), columns)


@lru_cache(maxsize=8)
def load_scorer(spec: ScorerSpec) -> Scorer:
    """Return a scorer of record batches; loaded once in each process.

    The driver has proved the policy, so it is only compiled here.

    Raises:
        WorkerError: this process has another Trivium than the driver, or reads the policy differently.
    """
    if spec.version != trivium.__version__:
        raise WorkerError(
            f"the driver has trivium {spec.version}, this worker has {trivium.__version__}: install one on all machines"
        )
    policy = compile_policy(spec.text, "policy of the driver", VOCABULARY)
    if policy.digest != spec.digest:
        raise WorkerError(f"the policy has the digest {policy.digest} here and {spec.digest} on the driver")
    return Scorer(Advisor(ServedPolicy(policy, spec.lifecycle)), spec.columns)


def plain(kind: Any) -> Any:
    """Return the Arrow type without dictionaries: the shuffles of engines cannot sort or group by them."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(plain(kind.value_type))
    return kind


def added_fields(spec: ScorerSpec, schema: Any) -> list[Any]:
    """Return the Arrow fields that scoring adds to a schema, of plain types.

    Raises:
        InvalidInputError: no column is a field of a profile, a field is there twice, or a column to add is there.
    """
    scored = load_scorer(spec).schema(schema)
    return [pa.field(one.name, plain(one.type)) for one in list(scored)[len(schema) :]]


def scored_batches(spec: ScorerSpec, batches: Iterable[Any]) -> Iterator[Any]:
    """Yield scored record batches; the added columns have plain types.

    Args:
        spec: what to score by.
        batches: `pyarrow.RecordBatch`es of any number of rows.

    Raises:
        InvalidInputError: as of `added_fields`.
        WorkerError: as of `load_scorer`.
    """
    scorer = load_scorer(spec)
    for batch in batches:
        fields = [*batch.schema, *added_fields(spec, batch.schema)]
        schema = pa.schema(fields, batch.schema.metadata)
        for start in range(0, max(batch.num_rows, 1), ROWS):
            scored = scorer.score(batch.slice(start, ROWS))
            columns = [
                column if column.type.equals(field.type) else column.cast(field.type)
                for column, field in zip(scored.columns, fields, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
