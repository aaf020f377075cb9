"""Ray: a function for `map_batches` of Ray Data, and one task per part of a portfolio of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from trivium.portfolio.engines.spec import ScorerSpec, scored_batches


class ScoreBatches:
    """Scores batches of Ray Data: `dataset.map_batches(ScoreBatches(spec), batch_format="pyarrow")`.

    Each worker process loads the policy once. A row that is no valid profile has its errors in `error`.

    Args:
        spec: what to score by.
    """

    def __init__(self, spec: ScorerSpec) -> None:
        self._spec = spec

    def __call__(self, table: Any) -> Any:
        """Return a `pyarrow.Table` with the answers of its rows added.

        Raises:
            InvalidInputError: no column is a field of a profile, or a column to add is there.
        """
        batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        return pa.Table.from_batches(scored_batches(self._spec, batches))


def score_batches(policy: str | Path | None = None, columns: Sequence[str] | None = None) -> ScoreBatches:
    """Return a function for `map_batches(..., batch_format="pyarrow")`.

    Args:
        policy: a selector such as `1.0.0`, `1` or `latest`, or the path of a YAML file; None for the default policy.
        columns: the columns to add; None for the default ones.

    Raises:
        OSError: the file cannot be read.
        PolicyError: the file's policy does not load.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
        InvalidInputError: a name is not that of a column, or is given twice.
    """
    return ScoreBatches(ScorerSpec.find(policy, columns))
