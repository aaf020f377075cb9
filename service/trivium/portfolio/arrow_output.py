"""Parquet and Feather files to write: as record batches, or row by row."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trivium.portfolio.files import FileError


GROUP_ROWS, GROUP_BYTES = 1 << 18, 48 << 20
"""Rows or bytes after which a row group of a Parquet file is written."""

SAMPLE, FEW = 1 << 14, 0.1
"""Rows to look at, and the share of distinct values up to which a dictionary is worth it."""

ROWS = 1 << 13
"""Rows that are collected before they become a batch."""


class BatchWriter:
    """Writes record batches, compressed with Zstandard.

    Args:
        file: takes the bytes.
        kind: `parquet` or `feather`.
        schema: of all batches.

    Raises:
        FileError: the format has no such type.
    """

    def __init__(self, file: IO[bytes], kind: str, schema: Any) -> None:
        self._file, self._schema = file, schema
        self._kept: list[Any] = []
        self._rows = self._bytes = 0
        self._writer: Any = None
        if kind == "feather":
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._writer = pa.ipc.new_file(file, schema, options=options)
        self._is_parquet = kind == "parquet"

    def write(self, batch: Any) -> None:
        """Write a batch.

        Raises:
            FileError: the format has no such value.
        """
        if not self._is_parquet:
            self._writer.write_batch(batch)
            return
        self._kept.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left, and what comes after the last batch."""
        if self._is_parquet and (self._kept or self._writer is None):
            self._flush()
        self._writer.close()

    def discard(self) -> None:
        """Give up what is written."""
        self._kept = []
        if self._writer is not None:
            with suppress(pa.ArrowException, OSError):
                self._writer.close()

    def _flush(self) -> None:
        """Write a row group."""
        table = pa.Table.from_batches(self._kept, self._schema)
        self._kept, self._rows, self._bytes = [], 0, 0
        try:
            if self._writer is None:
                indexed = _indexed(table.slice(0, SAMPLE))
                self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd", use_dictionary=indexed)
            self._writer.write_table(table, max(len(table), 1))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FileError(f"a column cannot be written to Parquet: {error}") from None


def _indexed(table: Any) -> list[str]:
    """Return the columns that become smaller with a dictionary, by their paths in Parquet; ids do not."""
    sink = io.BytesIO()
    pq.write_table(table.slice(0, 0), sink)
    stored = pq.read_metadata(io.BytesIO(sink.getvalue())).schema
    few = set()
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type):
            few.add(field.name)
        elif len(table):
            with suppress(pa.ArrowNotImplementedError):
                if pc.count_distinct(column).as_py() <= max(FEW * len(table), 1):
                    few.add(field.name)
    paths = [stored.column(at).path for at in range(len(stored))]
    return [path for path in paths if path in few or any(path.startswith(f"{name}.") for name in few)]


def stored_schema(schemas: Sequence[tuple[str, Any]], kind: str) -> Any:
    """Return a schema that has the columns of several files.

    Args:
        schemas: names of files, and their `pyarrow.Schema`s.
        kind: of the file to write; in Feather files, a column has one dictionary only, so text becomes plain.

    Raises:
        FileError: a column has types that have no common one.
    """
    fields: dict[str, tuple[str, Any]] = {}
    for name, schema in schemas:
        for field in schema:
            one = field
            if kind == "feather" and pa.types.is_dictionary(field.type):
                one = field.with_type(field.type.value_type)
            file, known = fields.get(field.name, (name, one))
            if known.type != one.type:
                try:
                    known = pa.unify_schemas(
                        [pa.schema([known]), pa.schema([one])], promote_options="permissive"
                    ).field(0)
                except (pa.ArrowTypeError, pa.ArrowInvalid):
                    raise FileError(
                        f"column `{field.name}` is {known.type} in {file} and {one.type} in {name}: "
                        "give it one type, or write CSV"
                    ) from None
            fields[field.name] = file, known
    metadata = schemas[0][1].metadata if len(schemas) == 1 else None
    return pa.schema([field for _, field in fields.values()], metadata)


# Row by row

_LIST = pa.list_(pa.string())
_FLIP = pa.struct([("strategy", pa.string()), ("inputs", _LIST), ("says", pa.string())])


def _type_of(kind: Any) -> Any:
    """Return the type that a column has when it is written row by row."""
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return kind
    return pa.float64() if pa.types.is_floating(kind) else pa.string()
