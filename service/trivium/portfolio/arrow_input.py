"""Parquet and Feather files as record batches, in bounded memory.

A small file can hold much: its pages are compressed, and a dictionary repeats a long value at the cost of a bit. So
pages are measured before they are read, text that has a dictionary comes with it and is cut into pieces before it is
spread out, and one huge cell is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import accumulate, islice
from typing import IO, Any, NamedTuple
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trivium.portfolio.buffers import raw, valid
from trivium.portfolio.files import MOST_LINE, FileError, Row, Table
from trivium.portfolio.ipc import MalformedMessageError, read_header
from trivium.portfolio.lookup import Column
from trivium.portfolio.parquet_pages import MOST_BATCH, read_chunk, read_footer, width
from trivium.portfolio.profiles import plain_value
from trivium.portfolio.values import is_text


ROWS = 1 << 16
"""Most rows of a batch."""

MOST_UNPACKED = 1 << 30
"""Most bytes of a compressed batch of a Feather file, or of a dictionary, when it is uncompressed."""

MOST_PIECE = 32 << 20
"""Most bytes of text of a batch when it is spread out, unless a single row has more."""

_BUFFER = 1 << 20
_INDEX = 4  # bytes of an index into a dictionary
_LARGE = 1 << 22  # bytes of a dictionary that would take too long to look through for every batch
_FEW_ROWS = 1 << 13
_MAGIC = 8  # bytes before the first message of a file


class Piece(NamedTuple):
    """Some rows of a file.

    Attributes:
        before: how many rows of the file come before them.
        batch: the rows, as a `pyarrow.RecordBatch`.
    """

    before: int
    batch: Any


class BatchFile:
    """A Parquet or Feather file. A column `costs` of structs becomes a column for each of its fields.

    Args:
        file: the file, which has a path; its position tells how far reading it is.
        name: what messages call it.
        kind: `parquet` or `feather`.

    Attributes:
        name: what messages call it.
        schema: the `pyarrow.Schema` of its batches when they are spread out.
        rows: how many rows it has; None where it does not say so.
        groups: how many row groups a Parquet file has; 0 of others.

    Raises:
        FileError: it is empty, damaged or of another format.
    """

    def __init__(self, file: IO[bytes], name: str, kind: str) -> None:
        self.name = name
        self._file, self._kind = file, kind
        self._size = file.seek(0, 2)
        if not self._size:
            raise FileError(f"{name}: the file is empty")
        self.rows: int | None = None
        self.groups = 0
        self._is_file = False
        with _reading(name, kind):
            if kind == "parquet":
                opened = pq.ParquetFile(pa.OSFile(file.name))
                self._metadata = opened.metadata
                self.rows, self.groups = self._metadata.num_rows, self._metadata.num_row_groups
                stored = opened.schema_arrow
            else:
                file.seek(0)
                self._is_file = file.read(6) == b"ARROW1"
                if self._is_file:  # which is whole only with its end
                    pa.ipc.open_file(pa.memory_map(file.name))
                stored = pa.ipc.open_stream(self._stream()).schema
            self._names = frozenset(stored.names)
            self.schema = pa.schema([one for field in stored for one in _plain_fields(field)], stored.metadata)
        file.seek(0)

    def pieces(self, groups: Sequence[int] | None = None) -> Iterator[Piece]:
        """Yield its rows in pieces of at most `ROWS`; text may come with a dictionary, see `spread`.

        Args:
            groups: the row groups of a Parquet file to read; None for all.

        Raises:
            FileError: it is damaged, or has a cell that is too large.
        """
        with _reading(self.name, self._kind):
            for before, batch in self._parquet(groups) if self._kind == "parquet" else self._feather():
                batch.validate(full=True)  # else a damaged file could crash what reads it; and text has to be UTF-8
                for start, piece in _cut(self._flat(batch), self.name, before):
                    yield Piece(before + start, piece)
                    self._file.seek(self._size * (before + start) // self.rows if self.rows else 0)

    def _parquet(self, groups: Sequence[int] | None) -> Iterator[tuple[int, Any]]:
        stored = [self._metadata.schema.column(at) for at in range(len(self._metadata.schema))]
        footer = read_footer(self._file, [one.path for one in stored], self.name)
        begins = list(accumulate((group.rows for group in footer), initial=0))
        if begins[-1] != self.rows:
            raise pa.ArrowInvalid(f"the row groups have {begins[-1]:,} rows, not {self.rows:,}")
        for number in range(len(footer)) if groups is None else groups:
            group, before = footer[number], begins[number]
            if not group.rows:
                continue
            chunks = [read_chunk(self._file, column, self.name) for column in group.columns]
            spread = [at for at, chunk in enumerate(chunks) if chunk.dictionary and self._is_flat_text(stored[at])]
            indexed = [at for at in spread if chunks[at].indexed and chunks[at].dictionary <= _LARGE]
            longest = self._longest(number, [at for at in spread if at not in indexed])
            longest |= dict.fromkeys(indexed, _INDEX)
            taken = sum(
                width(column, chunk, group.rows, longest.get(at), stored[at].length)
                for at, (column, chunk) in enumerate(zip(group.columns, chunks, strict=True))
            )
            rows = max(1, min(ROWS, int(MOST_BATCH / max(taken, 1))))
            for batch in _joined(self._open_parquet(indexed).iter_batches(rows, row_groups=[number])):
                yield before, batch
                before += batch.num_rows
            if before != begins[number + 1]:
                raise pa.ArrowInvalid(f"row group {number} has {before - begins[number]:,} rows, not {group.rows:,}")

    def _open_parquet(self, indexed: Sequence[int]) -> Any:
        """Open the file to read some columns with their dictionaries."""
        names = [self._metadata.schema.column(at).path for at in indexed]
        return pq.ParquetFile(
            pa.OSFile(self._file.name),
            metadata=self._metadata,
            read_dictionary=names,
            pre_buffer=False,
            buffer_size=_BUFFER,
        )

    def _is_flat_text(self, column: Any) -> bool:
        """Say whether a stored column is text or bytes outside of lists and structs, those of costs excepted."""
        nested = column.max_repetition_level or not (column.path in self._names or column.path.startswith("costs."))
        return column.physical_type == "BYTE_ARRAY" and not nested

    def _longest(self, group: int, columns: Sequence[int]) -> dict[int, int]:
        """Return the longest value in the dictionary of each of some columns."""
        found = {}
        for at in columns:  # after one row, what is read of a dictionary is that of its page
            path = self._metadata.schema.column(at).path
            batches = self._open_parquet([at]).iter_batches(1, row_groups=[group], columns=[path])
            for batch in islice(batches, 1):
                array = batch.column(0)
                array = array if pa.types.is_dictionary(array.type) else array.field(0)
                found[at] = pc.max(pc.binary_length(array.dictionary)).as_py() or 0
        return found

    def _stream(self) -> Any:
        """Return the stream of messages that an Arrow file is, or has within."""
        source = pa.memory_map(self._file.name)
        if self._is_file:
            source.seek(_MAGIC)
        return source

    def _feather(self) -> Iterator[tuple[int, Any]]:
        self.rows = _count_rows(self._stream(), self.name)
        before = 0
        for batch in pa.ipc.open_stream(self._stream()):
            for start in range(0, batch.num_rows, ROWS):
                yield before + start, batch.slice(start, ROWS)
            before += batch.num_rows

    def _flat(self, batch: Any) -> Any:
        """Return a batch with a column for each field of costs, and without types that little can be done with."""
        columns: list[Any] = []
        for column, field in zip(batch.columns, batch.schema, strict=True):
            columns += column.flatten() if _is_costs(field) else [column]
        plain = [
            column.cast(field.type) if column.type in _VIEWS else column
            for column, field in zip(columns, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(plain, names=self.schema.names)


_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


def _is_costs(field: Any) -> bool:
    return field.name == "costs" and bool(pa.types.is_struct(field.type))


def _plain_fields(field: Any) -> Iterator[Any]:
    """Yield what a stored column is read as."""
    for one in field.flatten() if _is_costs(field) else [field]:
        yield one.with_type(_VIEWS.get(one.type, one.type)).with_nullable(True)


@contextmanager
def _reading(name: str, kind: str) -> Iterator[None]:
    """Say which file cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        what = {"parquet": "Parquet", "feather": "Feather or Arrow"}[kind]
        detail = (str(error).strip().splitlines() or ["it ends too early"])[0]
        raise FileError(f"{name}: it is no {what} file, or damaged: {detail}") from None


def _joined(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches with very few rows together with those that follow, as long as they are small."""
    kept: list[Any] = []
    for batch in batches:
        if kept and (sum(map(len, kept)) >= _FEW_ROWS or sum(one.nbytes for one in kept) > MOST_PIECE):
            yield pa.concat_batches(kept) if len(kept) > 1 else kept[0]
            kept = []
        kept.append(batch)
    if kept:
        yield pa.concat_batches(kept) if len(kept) > 1 else kept[0]


def _cut(batch: Any, name: str, before: int) -> Iterator[tuple[int, Any]]:
    """Yield a batch in pieces whose text is not too much when it is spread out, each with where it begins.

    Raises:
        FileError: a cell is too large.
    """
    sizes: Column | None = None
    for column, title in zip(batch.columns, batch.schema.names, strict=True):
        is_indexed = pa.types.is_dictionary(column.type)
        values = column.dictionary if is_indexed else column
        if not (is_text(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
            continue
        if values.type in _VIEWS:  # of a dictionary
            values = values.cast(_VIEWS[values.type])
        lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy()
        longest = int(lengths.max(initial=0))
        if longest > MOST_LINE:
            where = f"rows {before + 1:,} to {before + len(column):,}"
            raise FileError(f"{name}: {where}: a cell of column `{title}` has more than {MOST_LINE:,} bytes")
        if is_indexed and longest * len(column) > MOST_PIECE // 8:
            taken = np.append(lengths, 0).take(raw(column.indices), mode="clip").astype(np.int64)
            if (given := valid(column.indices)) is not None:
                taken *= given
            sizes = taken if sizes is None else sizes + taken
    if sizes is None or sizes.sum() <= MOST_PIECE:
        yield 0, batch
        return
    ends = np.cumsum(sizes)
    start = 0
    while start < len(ends):
        reached = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, reached + MOST_PIECE, "right")))
        yield start, batch.slice(start, end - start)
        start = end


def spread(column: Any, kind: Any) -> Any:
    """Return a column as another type has it; text with a dictionary becomes text.

    Raises:
        pyarrow.ArrowException: it has no such value.
    """
    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    return column if column.type == kind else column.cast(kind)


# Rows


def read_rows(file: IO[bytes], name: str, kind: str) -> Table:
    """Return a file as rows, which are counted from 1.

    Raises:
        FileError: as of `BatchFile`.
    """
    found = BatchFile(file, name, kind)
    return Table(found.schema.names, _rows(found))


def _rows(found: BatchFile) -> Iterator[Row]:
    names = found.schema.names
    for before, batch in found.pieces():
        number = before
        for start in range(0, batch.num_rows, _TURN):
            columns = [map(cell_of, column.to_pylist()) for column in batch.slice(start, _TURN).columns]
            for values in zip(*columns, strict=True):
                number += 1
                yield Row(number, dict(zip(names, values, strict=True)))


_TURN = 1000


def cell_of(value: Any) -> Any:
    """Return a Python value of Arrow as a cell has it: a text, number, flag or null, or a list or object of such."""
    if isinstance(value, dict):
        return {str(name): cell_of(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [cell_of(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    return plain_value(value)


def _count_rows(source: Any, name: str) -> int:
    """Look through the messages of a stream, and return how many rows it has.

    Args:
        source: the stream, as a `pyarrow.NativeFile` at its beginning.
        name: what messages call the file.

    Raises:
        FileError: a batch is too large.
        pyarrow.ArrowException: the stream is damaged.
    """
    rows = 0
    for message in pa.ipc.MessageReader.open_stream(source):
        body = memoryview(message.body) if message.body is not None else memoryview(b"")
        try:
            header = read_header(message.metadata.to_pybytes(), body)
        except MalformedMessageError as error:
            raise pa.ArrowInvalid(str(error)) from None
        rows += header.rows
        if header.size > max(MOST_UNPACKED, len(body)):  # one that is not compressed is used as it is in the file
            raise FileError(
                f"{name}: a batch has {header.size >> 20:,} MiB when uncompressed; write it in batches of at most "
                f"{MOST_UNPACKED >> 20:,} MiB, or as Parquet"
            )
    return rows
