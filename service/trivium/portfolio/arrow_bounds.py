"""What record batches of strangers may hold: values that take much more than the bytes that they come in are refused.

A dictionary, a run or a view repeats a long text for a few bytes, and a list of nulls has any length for none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.errors import FieldError
from trivium.portfolio.arrow_messages import MOST_BODY
from trivium.portfolio.profiles import profile_columns
from trivium.portfolio.streams import TooLargeError
from trivium.portfolio.values import is_text, value_type


MOST_TEXT = 512
"""Most bytes of a text in a column of a profile."""

MOST_SPREAD = 1 << 30
"""Most bytes of the texts of a column of views, each counted as often as it is there; all of them are looked at."""

MOST_VALUES = 8 * MOST_BODY
"""Most values in the lists of a column: as many as there are bits in a message."""


def check_spread(batch: Any) -> None:
    """Look at what all values of a record batch take one by one.

    Args:
        batch: a `pyarrow.RecordBatch` whose buffers are as long as they should be.

    Raises:
        TooLargeError: it is too much.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for part in _parts(column):
            if len(part) > MOST_VALUES:
                raise TooLargeError(f"column `{name[:100]}` has lists of {len(part)} values", MOST_VALUES)
            if _is_view(part.type) and (size := int(_view_lengths(part).sum())) > MOST_SPREAD:
                raise TooLargeError(f"column `{name[:100]}` has {size} bytes of text", MOST_SPREAD)


def _parts(array: Any) -> Iterator[Any]:
    """Yield an array, and all arrays that it is made of."""
    yield array
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _parts(array.storage)
    elif pa.types.is_dictionary(kind):
        yield from _parts(array.dictionary)
    elif pa.types.is_struct(kind) or pa.types.is_union(kind):
        for at in range(kind.num_fields):
            yield from _parts(array.field(at))
    elif kind.num_fields:  # lists, maps and runs
        yield from _parts(array.values)


def _is_view(kind: Any) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _view_lengths(array: Any) -> Any:
    """Return the bytes of each text in an array of views, which have 16 bytes each and begin with their length."""
    if not len(array):
        return np.zeros(0, np.int64)
    lengths = np.frombuffer(array.buffers()[1], np.int32)[::4][array.offset : array.offset + len(array)]
    return np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0).astype(np.int64)


def of_wrong_type(schema: Any) -> Iterator[FieldError]:
    """Yield the columns of profiles that hold more than one value in a row, costs excepted.

    Args:
        schema: a `pyarrow.Schema` that has profiles.
    """
    for name, at in profile_columns(schema).items():
        kind = schema.types[at]
        kinds = [kind.field(one).type for one in range(kind.num_fields)] if pa.types.is_struct(kind) else [kind]
        if (pa.types.is_struct(kind) and name != "costs") or not all(map(_is_single, kinds)):
            yield FieldError(
                "wrong_type", f"expected numbers, texts or flags, got {str(kind)[:100]}", pointer=f"/{name}"
            )


def _is_single(kind: Any) -> bool:
    kind = value_type(kind)
    few = (pa.types.is_primitive, pa.types.is_boolean, pa.types.is_null, pa.types.is_decimal, is_text, _is_bytes)
    return any(is_one(kind) for is_one in few)


def _is_bytes(kind: Any) -> bool:
    several = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(is_one(kind) for is_one in several)


def check_texts(batch: Any, columns: Mapping[str, int]) -> None:
    """Look at the texts in some columns.

    Args:
        batch: a `pyarrow.RecordBatch`.
        columns: their names and positions.

    Raises:
        TooLargeError: one is longer than that of any field.
    """
    for name, at in columns.items():
        if (longest := _longest(batch.column(at))) > MOST_TEXT:
            detail = f"column `{name}` has a text of {longest} bytes; at most {MOST_TEXT} are taken"
            raise TooLargeError(detail, MOST_TEXT)


def _longest(array: Any) -> int:
    """Return the bytes of the longest text in an array."""
    kind = array.type
    if pa.types.is_struct(kind):
        return max((_longest(array.field(at)) for at in range(kind.num_fields)), default=0)
    if pa.types.is_dictionary(kind):
        return _longest(array.dictionary)
    if pa.types.is_run_end_encoded(kind):
        return _longest(array.values)
    if _is_view(kind):
        return int(_view_lengths(array).max(initial=0))
    if is_text(kind) or _is_bytes(kind):
        return pc.max(pc.binary_length(array)).as_py() or 0
    return 0
