"""An Arrow stream scored as columns: record batches in, the same batches with their answers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.portfolio.arrow import Scorer
from trivium.portfolio.arrow_writer import StreamWriter
from trivium.portfolio.rows import DEFAULT_COLUMNS


_STRATEGY, _STATUS, _CODES = map(DEFAULT_COLUMNS.index, ("strategy", "status", "codes"))


class ArrowStream:
    """Scores the record batches of a stream, which are given to it in their order, each in whatever thread.

    Args:
        scorer: scores record batches; adds the default columns.

    Attributes:
        decided: how many rows were decided so far, by strategy and status.
        codes: the rationale codes given so far.
        failed: how many rows were wrong.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.decided: Counter[tuple[str, str]] = Counter()
        self.codes: Counter[str] = Counter()
        self.failed = 0
        self._scorer = scorer
        self._writer: Any = None

    def begin(self, schema: Any) -> None:
        """Take the schema of the batches.

        Raises:
            InvalidInputError: it has no profiles, or a column that is to be added.
        """
        self._writer = StreamWriter(self._scorer.schema(schema))

    def score(self, rows: Any) -> list[Any]:
        """Return the columns to add to some rows, and count them."""
        added: list[Any] = self._scorer.score(rows).columns[rows.num_columns :]
        self._count(added)
        return added

    def write(self, batch: Any, added: Sequence[Sequence[Any]]) -> list[bytes]:
        """Return a batch with the columns that were added to all of its rows, piece by piece; in parts."""
        none = self._writer.last.columns[-len(DEFAULT_COLUMNS) :]
        columns = [pa.concat_arrays(pieces) for pieces in zip(*added, strict=True)] if added else none
        return self._writer.write([*batch.columns, *columns])  # type: ignore[no-any-return]  # a list

    def close(self, name: str, says: bytes) -> list[bytes]:
        """Return the end of the stream, as `StreamWriter` writes it."""
        return self._writer.close(name, says)  # type: ignore[no-any-return]  # a list

    def _count(self, added: Sequence[Any]) -> None:
        strategy, status = added[_STRATEGY], added[_STATUS]
        strategies, statuses = strategy.dictionary.to_pylist(), status.dictionary.to_pylist()
        wrong = len(strategies)
        places = [
            one.indices.fill_null(null).to_numpy().astype(np.intp) for one, null in ((strategy, wrong), (status, 0))
        ]
        counts = np.bincount(places[0] * len(statuses) + places[1], minlength=(wrong + 1) * len(statuses))
        self.failed += int(counts[wrong * len(statuses) :].sum())
        for at in np.flatnonzero(counts[: wrong * len(statuses)]).tolist():
            self.decided[strategies[at // len(statuses)], statuses[at % len(statuses)]] += int(counts[at])
        codes = added[_CODES].flatten()
        names = codes.dictionary.to_pylist()
        counts = np.bincount(codes.indices.to_numpy(), minlength=len(names))
        self.codes.update({names[at]: int(counts[at]) for at in np.flatnonzero(counts).tolist()})
