"""The items of a batch as an Arrow stream. It needs the extra `arrow`, so it is imported only where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from trivium.api.batches.items import ItemError, error_text
from trivium.portfolio.arrow_output import row_schema
from trivium.portfolio.arrow_writer import StreamWriter
from trivium.portfolio.streams import Case
from trivium.recommendation import encode


MOST_ROWS = 512
"""Most items of a record batch: it is made between two turns of other requests."""


class ArrowTable:
    """Arrow: a row for each item, and a last batch without rows, whose metadata have the summary.

    Args:
        columns: the columns of an item after `index` and `id`; `error` is one of them.
    """

    opening = b""
    is_cut_off = True

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        own = [pa.field("index", pa.int64()), pa.field("id", pa.string())]
        self._schema = pa.schema([*own, *row_schema((), (), {name: name for name in columns})])
        self._writer = StreamWriter(self._schema)
        self._rows: list[Sequence[Any]] = []

    def write(self, index: int, item: Any) -> bytes:
        """Keep a row: the id and the cells of the columns; write those that are kept where they are enough."""
        self._rows.append((index, *item))
        return self.flush() if len(self._rows) >= MOST_ROWS else b""

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        """Say what is wrong with a profile."""
        return self.write(index, (case.id, *(error_text(error) if name == "error" else None for name in self._columns)))

    def flush(self) -> bytes:
        """Write the rows that are kept."""
        if not self._rows:
            return b""
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(values, kind) for values, kind in zip(columns, self._schema.types, strict=True)]
        self._rows = []
        return b"".join(self._writer.write(arrays))

    def summary(self, summary: Any) -> bytes:
        """Write the end."""
        return self._end("summary", summary)

    def stopped(self, error: ItemError) -> bytes:
        """Write the end of what cannot be read any further."""
        return self._end("error", error)

    def _end(self, name: str, says: Any) -> bytes:
        return self.flush() + b"".join(self._writer.close(name, encode(says)))
