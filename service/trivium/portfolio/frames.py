"""Data frames of any library in, a stream of scored record batches out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from trivium.advisor import Advisor
from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.rows import DEFAULT_COLUMNS


ROWS = 1 << 17
"""Most rows to score at once: a frame may come as a single batch."""


def score(frame: Any, advisor: Advisor, columns: Sequence[str] | None = None) -> Any:
    """Score a frame; see `trivium.score`."""
    if not hasattr(frame, "__arrow_c_stream__"):
        lazy = "; call `.collect()` first" if hasattr(frame, "collect") else ""
        raise TypeError(f"expected a data frame that exports an Arrow stream, got {type(frame).__name__}{lazy}")
    scorer = Scorer(advisor, DEFAULT_COLUMNS if columns is None else columns)
    try:
        reader = pa.RecordBatchReader.from_stream(frame)
    except pa.ArrowException as error:
        detail = f"the frame cannot be read as Arrow: {error}; give every column values of one type"
        raise InvalidInputError([FieldError("malformed", detail, pointer="")]) from None
    schema = scorer.schema(reader.schema)
    return pa.RecordBatchReader.from_batches(schema, _scored(scorer, reader))


def _scored(scorer: Scorer, reader: Any) -> Iterator[Any]:
    for batch in reader:
        for start in range(0, batch.num_rows, ROWS):
            yield scorer.score(batch.slice(start, ROWS))
