"""The memory of Arrow arrays as NumPy arrays, without a copy where bits are not packed, and whatever is null in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from trivium.portfolio.lookup import Column


def raw(array: Any) -> Column:
    """Return the values of an array of numbers, or of the indexes of a dictionary; anything where it is null."""
    kind = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.zeros(0, kind)
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def flags(array: Any) -> Column:
    """Return the values of an array of booleans; anything where it is null."""
    return _bits(array, 1)


def valid(array: Any) -> Column | None:
    """Return where an array is not null; None where it nowhere is."""
    return None if array.null_count == 0 else _bits(array, 0)


def _bits(array: Any, buffer: int) -> Column:
    start, end = array.offset, array.offset + len(array)
    if start == end:
        return np.zeros(0, bool)
    packed = np.frombuffer(array.buffers()[buffer], np.uint8, (end + 7) // 8 - start // 8, start // 8)
    return np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + len(array)].view(bool)
