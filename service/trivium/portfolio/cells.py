"""Columns of files in Arrow as fields of a profile, read by the rules for cells of files.

Numbers and flags that have a type are used as they are. Text is read value by value, but each distinct value once for
all rows of a batch. What the rules refuse is null here, and its row is marked: the row path says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.portfolio.arrow_input import cell_of
from trivium.portfolio.buffers import raw, valid
from trivium.portfolio.columns import BadCell, Columns, Target, read_cell
from trivium.portfolio.lookup import Column
from trivium.portfolio.profiles import FIELDS
from trivium.portfolio.values import is_text, plain
from trivium.profile import MOST_ID, Profile


LONG = 1000
"""Characters beyond which a text is no value of a field."""


class Fields(NamedTuple):
    """Rows as fields.

    Attributes:
        batch: a column for each field, with the field's name.
        wrong: which rows have a cell that is refused; None for none.
    """

    batch: Any
    wrong: Column | None


class CellReader:
    """Reads the columns of a file.

    Args:
        columns: what they mean.
        names: the columns of the file, in their order.
    """

    def __init__(self, columns: Columns, names: Sequence[str]) -> None:
        self._columns = columns
        self._targets = [(at, name, columns.targets[name]) for at, name in enumerate(names) if name in columns.targets]

    def read(self, batch: Any) -> Fields:
        """Read a batch."""
        names, arrays = [], []
        wrong: Column | None = None
        for at, _, target in self._targets:
            array, faults = self._read(plain(batch.column(at)), target)
            if target.name != "id":
                names.append(target.name)
                arrays.append(array)
            if faults is not None:
                wrong = faults if wrong is None else wrong | faults
        if not names:  # nothing is known but an id
            names, arrays = [FIELDS[0]], [pa.nulls(batch.num_rows, pa.string())]
        return Fields(pa.RecordBatch.from_arrays(arrays, names=names), wrong)

    def profiles(self, batch: Any, rows: Column) -> list[Profile | list[BadCell]]:
        """Return some rows as the row path reads them: profiles, or what is wrong with them."""
        names = [name for _, name, _ in self._targets]
        columns = [_cells(batch.column(at), rows.tolist()) for at, _, _ in self._targets]
        return [self._columns.profile(dict(zip(names, cells, strict=True))) for cells in zip(*columns, strict=True)]

    def _read(self, array: Any, target: Target) -> tuple[Any, Column | None]:
        """Return an array as the field has it, and which values are refused; None for none."""
        kind = array.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if target.name == "id" and (is_number or is_text(_value_type(kind))):
            return array, None if is_number else _too_long(array)
        if (target.kind == "number" and is_number) or (target.kind == "flag" and pa.types.is_boolean(kind)):
            return array, None
        values, places = _distinct(array)
        read: list[Any] = []
        faults = np.zeros(len(values) + 1, bool)
        for number, value in enumerate(values):
            try:
                read.append(read_cell(value, target, self._columns.decimal))
            except ValueError:
                read.append(None)
                faults[number] = True
        indices = pa.array(places.astype(np.int32), mask=places == len(values))
        found = pa.DictionaryArray.from_arrays(indices, pa.array(read, _TYPES[target.kind]))
        return found, faults.take(places) if faults.any() else None


_TYPES = {"text": pa.string(), "choice": pa.string(), "flag": pa.bool_(), "number": pa.float64()}


def _cells(array: Any, rows: list[int]) -> list[Any]:
    """Return some values of an array as cells have them; a value of a dictionary is made once."""
    if not pa.types.is_dictionary(array.type):
        return [_cell(array[row].as_py()) for row in rows]
    places = [array.indices[row].as_py() for row in rows]
    made = {place: None if place is None else _cell(array.dictionary[place].as_py()) for place in set(places)}
    return [made[place] for place in places]


def _cell(value: Any) -> Any:
    """Return a value as cells have it; of a text that is too long for any field, as much as shows that it is."""
    cell = cell_of(value)
    return cell if not isinstance(cell, str) or len(cell) <= LONG else cell.strip()[:LONG]


def _value_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _distinct(array: Any) -> tuple[list[Any], Column]:
    """Return distinct values of an array as cells have them, and the place of every row's own; the last is null's."""
    if pa.types.is_dictionary(array.type) and len(array.dictionary) > len(array):
        array = array.dictionary_decode()
    if not pa.types.is_dictionary(array.type):
        try:
            array = array.dictionary_encode()
        except pa.ArrowNotImplementedError:  # as of lists
            return [_cell(value) for value in array.to_pylist()], np.arange(len(array))
    values = [_cell(value) for value in array.dictionary.to_pylist()]
    places = raw(array.indices).astype(np.int64)
    if (given := valid(array.indices)) is not None:
        places = np.where(given, places, len(values))
    return values, places


def _too_long(array: Any) -> Column | None:
    """Return which ids are too long; None for none."""
    if pa.types.is_dictionary(array.type) and len(array.dictionary) > len(array):
        array = array.dictionary_decode()
    is_indexed = pa.types.is_dictionary(array.type)
    values = array.dictionary if is_indexed else array
    if values.type == pa.string_view():
        values = values.cast(pa.large_string())
    long = pc.fill_null(pc.greater(pc.binary_length(values), MOST_ID), False)
    if not pc.any(long).as_py():
        return None
    faults: Column = long.to_numpy(zero_copy_only=False).copy()
    for at in np.flatnonzero(faults).tolist():
        faults[at] = len(values[at].as_py().strip()) > MOST_ID
    if not is_indexed:
        return faults
    _, places = _distinct(array)
    wrong: Column = np.append(faults, False).take(places)
    return wrong
