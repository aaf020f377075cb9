"""An Arrow stream to write: record batches in parts of some size, and a last one that says how it ends."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa


class StreamWriter:
    """Writes a stream.

    Args:
        schema: the `pyarrow.Schema` of its batches.

    Attributes:
        last: a batch without rows, with the dictionaries of the one that was written last.
    """

    def __init__(self, schema: Any) -> None:
        self._sink = _Sink()
        self._writer = pa.ipc.new_stream(self._sink, schema)
        self.last = pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)

    def write(self, columns: Sequence[Any]) -> list[bytes]:
        """Return a batch of some columns, in parts."""
        batch = pa.RecordBatch.from_arrays(columns, schema=self.last.schema)
        self._writer.write_batch(batch)
        self.last = pa.RecordBatch.from_arrays(list(map(_without_rows, batch.columns)), schema=batch.schema)
        return self._sink.taken()

    def close(self, name: str, says: bytes) -> list[bytes]:
        """Return the end: a batch without rows, whose metadata say what there is to say.

        Args:
            name: `summary` or `error`.
            says: what it is, as JSON.
        """
        self._writer.write_batch(self.last, custom_metadata={name: says})
        self._writer.close()
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken, in parts of some size."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._small = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        size = memoryview(part).nbytes
        if size < _SMALL:
            self._small += part
        if size >= _SMALL or len(self._small) >= _SMALL:
            self._flush()
        if size >= _SMALL:
            self._parts.append(bytes(part))
        return size

    def taken(self) -> list[bytes]:
        self._flush()
        parts, self._parts = self._parts, []
        return parts

    def _flush(self) -> None:
        if self._small:
            self._parts.append(bytes(self._small))
            self._small.clear()


_SMALL = 1 << 16


def _without_rows(array: Any) -> Any:
    """Return an array of the same type, and the same dictionary, that keeps as little as there is to keep."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        none = pa.nulls(0, kind.index_type)
        return pa.DictionaryArray.from_arrays(none, array.dictionary, ordered=kind.ordered)
    return array.slice(0, 0) if kind.num_fields else pa.nulls(0, kind)
