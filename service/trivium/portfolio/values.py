"""Values of one field of a profile in an Arrow array of any type, read as codes.

Null and NaN are unknown. A value of another type than the field's is a fault, as it is in JSON: the text `12` is no
number, and the number 1 is no flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trivium.portfolio.lookup import Column
from trivium.profile import MOST


Doubles: TypeAlias = NDArray[np.float64]


class Codes(NamedTuple):
    """Values as codes.

    Attributes:
        codes: the code of every row.
        faults: whether the value is one that the field cannot have; None where all are fine.
    """

    codes: Column
    faults: Column | None


class FieldReader(Protocol):
    """Reads the values of one field.

    Attributes:
        unknown: the code of unknown.
    """

    unknown: int

    def read(self, array: Any) -> Codes:
        """Return the codes of an array."""


class Choice:
    """Reads a choice of words, or a flag.

    Args:
        codes: word or flag to code.
        unknown: the code of unknown.
    """

    def __init__(self, codes: dict[Any, int], unknown: int) -> None:
        self.unknown = unknown
        self._flags = np.array([codes.get(False, unknown), codes.get(True, unknown), unknown], np.uint8)
        self._words = [word for word in codes if isinstance(word, str)]
        self._set = pa.array([*self._words, None], pa.large_string())
        self._codes = np.array([*(codes[word] for word in self._words), unknown, unknown], np.uint8)

    def read(self, array: Any) -> Codes:
        """See `FieldReader`."""
        array = plain(array)
        if pa.types.is_dictionary(array.type):
            return by_dictionary(self, array)
        if self._words and is_text(array.type):
            if array.type != pa.string():
                array = array.cast(pa.large_string())
            found = pc.index_in(array, self._set.cast(array.type))
            faults = None if found.null_count == 0 else found.is_null().to_numpy(zero_copy_only=False)
            places = found.fill_null(len(self._words) + 1).to_numpy()
            return Codes(np.take(self._codes, places), faults)
        if not self._words and pa.types.is_boolean(array.type):
            return Codes(np.take(self._flags, array.cast(pa.uint8()).fill_null(2).to_numpy()), None)
        return nothing(array, self.unknown)


class Number:
    """Reads a number.

    Args:
        cuts: the lowest value of every band, ascending; empty where only bounds are of interest.
        first: the code of the first band.
        unknown: the code of unknown.
        whole: whether only whole numbers are allowed.
        most: the largest number allowed; the least is 0.
    """

    def __init__(self, cuts: Sequence[float], first: int, unknown: int, *, whole: bool, most: float = MOST) -> None:
        self.unknown = unknown
        self._cuts, self._first, self._whole, self._most = tuple(cuts), first, whole, most

    def read(self, array: Any) -> Codes:
        """See `FieldReader`."""
        values, faults = self.doubles(array)
        codes = np.full(len(values), self._first, np.uint8)
        for cut in self._cuts[1:]:
            codes += values >= cut
        np.copyto(codes, self.unknown, where=np.isnan(values))
        return Codes(codes, faults)

    def doubles(self, array: Any) -> tuple[Doubles, Column | None]:
        """Return the numbers of an array, NaN for unknown; and which values are faults, None where all are fine."""
        values = doubles(array)
        if values is None:
            return np.full(len(array), np.nan), nothing(array, 0).faults
        fine = (values >= 0) & (values <= self._most)
        if self._whole:
            fine &= np.rint(values) == values
        fine |= np.isnan(values)
        return values, None if fine.all() else ~fine


def plain(array: Any) -> Any:
    """Return an array without run ends and extension types."""
    while isinstance(array, pa.ExtensionArray):
        array = array.storage
    return pc.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


def is_text(kind: Any) -> bool:
    """Say whether a type is one of the types of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def doubles(array: Any) -> Doubles | None:
    """Return numbers of any type as doubles, NaN for null; None where they are no numbers."""
    array = plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_dictionary(kind):
        if (distinct := doubles(array.dictionary)) is None:
            return None
        return np.take(np.append(distinct, np.nan), _places(array))
    if pa.types.is_decimal(kind) and kind.scale > 0:
        array = array.cast(pa.string())  # so that 0.10 becomes the double that is written 0.1
    elif pa.types.is_float16(kind):
        return np.where(array.is_valid(), array.to_numpy(zero_copy_only=False).astype(float), np.nan)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    values = array.cast(pa.float64(), safe=False)
    return (values.fill_null(np.nan) if values.null_count else values).to_numpy()  # type: ignore[no-any-return]  # doubles


def nothing(array: Any, unknown: int) -> Codes:
    """Read an array of a type that the field cannot have: whatever is not null, nor NaN, is a fault."""
    array = plain(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    faults = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(array.type):
        faults = ~np.isnan(doubles(array))  # type: ignore[arg-type]  # these are numbers
    return Codes(np.full(len(array), unknown, np.uint8), faults if faults.any() else None)


def by_dictionary(reader: FieldReader, array: Any) -> Codes:
    """Read the distinct values of an array, and gather their codes."""
    if len(array.dictionary) > len(array):  # as that of a slice may be
        return reader.read(array.dictionary_decode())
    codes, faults = reader.read(array.dictionary)
    places = _places(array)
    found = np.take(np.append(codes, np.uint8(reader.unknown)), places)
    return Codes(found, None if faults is None else np.take(np.append(faults, False), places))


def _places(array: Any) -> Column:
    """Return the indexes of a dictionary array; that after the last entry where there is none."""
    places = array.indices.cast(pa.int64(), safe=False)
    return (places.fill_null(len(array.dictionary)) if places.null_count else places).to_numpy()  # type: ignore[no-any-return]  # indexes
