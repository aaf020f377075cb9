"""Parquet and Feather files to write: as record batches, or row by row."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trivium.portfolio.arrow import FIGURES, FLIP
from trivium.portfolio.files import FileError, as_text


GROUP_ROWS, GROUP_BYTES = 1 << 17, 48 << 20
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

    def close(self, footer: Mapping[str, str] | None = None) -> None:
        """Write what is left, and what comes after the last batch.

        Args:
            footer: what to note in the footer of a Parquet file.
        """
        if self._is_parquet and (self._kept or self._writer is None):
            self._flush()
        if self._is_parquet and footer:
            self._writer.add_key_value_metadata(footer)
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
                self._writer = _parquet_writer(self._file, self._schema, table.slice(0, SAMPLE))
            self._writer.write_table(table, max(len(table), 1))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FileError(f"a column cannot be written to Parquet: {error}") from None


def _parquet_writer(file: IO[bytes], schema: Any, sample: Any) -> Any:
    """Open a file in which a column has a dictionary where that is smaller, which ids do not, and else statistics.

    Args:
        file: takes the bytes.
        schema: of all that is written.
        sample: some rows of it.
    """
    few = set()
    for field, column in zip(schema, sample.columns, strict=True):
        if pa.types.is_nested(field.type) or pa.types.is_dictionary(field.type):
            few.add(field.name)
        elif len(sample):
            with suppress(pa.ArrowNotImplementedError):
                if pc.count_distinct(column).as_py() <= max(FEW * len(sample), 1):
                    few.add(field.name)
    empty = io.BytesIO()
    pq.write_table(schema.empty_table(), empty)
    stored = pq.read_metadata(empty).schema
    paths = [stored.column(at).path for at in range(len(stored))]
    indexed = [path for path in paths if path in few or any(path.startswith(f"{name}.") for name in few)]
    plain = [path for path in paths if path not in indexed]
    return pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=indexed, write_statistics=plain or False)


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


_LISTS = pa.list_(pa.string())
_ADDED = {
    **dict.fromkeys(("codes", "reachable", "because"), _LISTS),
    **dict.fromkeys(("nearest_path", "nearest_risk"), FLIP),
    **dict.fromkeys(FIGURES, pa.float64()),
    "margin": pa.int8(),
    "changed": pa.bool_(),
}
"""Types of added columns; the others are text."""


def row_schema(names: Sequence[str], schemas: Iterable[Any], added: Mapping[str, str]) -> Any:
    """Return the schema of rows: numbers and flags keep their types, and all else is text.

    Args:
        names: the columns of the inputs.
        schemas: of the inputs, as far as they have any; None where one has none.
        added: the columns that are added: their names in the output, and what they are.
    """
    types: dict[str, set[Any]] = {name: set() for name in names}
    for schema in schemas:
        for name in names:
            if schema is None:
                types[name].add(pa.string())
            elif (at := schema.get_field_index(name)) >= 0:
                types[name].add(_type_of(schema.field(at).type))
    fields = [(name, kinds.pop() if len(kinds) == 1 else pa.string()) for name, kinds in types.items()]
    return pa.schema([*fields, *((name, _ADDED.get(what, pa.string())) for name, what in added.items())])


def _type_of(kind: Any) -> Any:
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return kind
    return pa.float64() if pa.types.is_floating(kind) else pa.string()


class RowWriter:
    """Writes rows of cells.

    Args:
        file: takes the bytes.
        kind: `parquet` or `feather`.
        schema: of the rows, as `row_schema` gives it.
        footer: gives what to note in the footer of a Parquet file, after the last row; None for nothing.
    """

    def __init__(
        self, file: IO[bytes], kind: str, schema: Any, footer: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        self._schema, self._footer = schema, footer
        self._batches = BatchWriter(file, kind, schema)
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._makes = [_as_stored(field.type) for field in schema]

    def write(self, cells: Mapping[str, Any]) -> None:
        """Write a row."""
        for name, column, make in zip(self._schema.names, self._columns, self._makes, strict=True):
            column.append(make(cells.get(name)))
        if len(self._columns[0]) == ROWS:
            self._flush()

    def close(self) -> None:
        """Write what comes after the last row."""
        self._flush()
        self._batches.close(self._footer() if self._footer else None)

    def discard(self) -> None:
        """Give up what is written."""
        self._batches.discard()

    def _flush(self) -> None:
        arrays = [pa.array(values, field.type) for values, field in zip(self._columns, self._schema, strict=True)]
        self._columns = [[] for _ in self._schema]
        self._batches.write(pa.RecordBatch.from_arrays(arrays, schema=self._schema))


def _as_stored(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of a type of a cell."""
    if pa.types.is_string(kind):
        return lambda cell: as_text(cell) or None
    if pa.types.is_floating(kind):
        return lambda cell: None if cell is None else float(cell)
    return msgspec.to_builtins if pa.types.is_struct(kind) else lambda cell: cell
