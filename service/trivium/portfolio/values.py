"""Values of one field of a profile in an Arrow array of any type, read as codes.

Null and NaN are unknown. A flag may be written as the number 1 or 0, as many tools do where some are unknown. Any other
value of another type than the field's is a fault, as it is in JSON: the text `12` is no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trivium.portfolio.buffers import flags, raw, valid
from trivium.portfolio.lookup import BYTES, Column, gatherer
from trivium.profile import MOST


Doubles: TypeAlias = NDArray[np.float64]


FEW = 32
"""Words up to which they are read one by one."""


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

    def faults(self, array: Any) -> Column | None:
        """Return the faults of an array alone, for a field that the policy does not read."""


class Choice:
    """Reads a choice of words, or a flag.

    Args:
        codes: word or flag to code.
        unknown: the code of unknown.
    """

    def __init__(self, codes: dict[Any, int], unknown: int) -> None:
        self.unknown = unknown
        self._flags = [np.uint8(codes.get(flag, unknown)) for flag in (False, True)]
        self._words = [word for word in codes if isinstance(word, str)]
        self._codes = np.array([*(codes[word] for word in self._words), unknown], np.uint8)
        self._code_of: dict[str | None, int] = {**{word: codes[word] for word in self._words}, None: unknown}

    def read(self, array: Any) -> Codes:
        """See `FieldReader`."""
        array = plain(array)
        if pa.types.is_dictionary(array.type):
            return by_dictionary(self, array)
        if self._words and is_text(array.type):
            if len(array) <= FEW:
                return self._few(array.to_pylist())
            if pa.types.is_string_view(array.type):  # which `index_in` does not take
                array = array.cast(pa.large_string())
            places = pc.index_in(array, pa.array([*self._words, None], array.type))  # null is a word too
            known = valid(places)
            return Codes(self._codes.take(raw(places), mode="clip"), None if known is None else ~known)
        if not self._words and pa.types.is_boolean(array.type):
            return Codes(either(valid(array), self._flag(flags(array)), self.unknown), None)
        if not self._words and (found := numbers(array)) is not None:
            return self._numbered(found)
        return nothing(array, self.unknown)

    def faults(self, array: Any) -> Column | None:
        """See `FieldReader`."""
        array = plain(array)
        if pa.types.is_dictionary(array.type):
            if len(array.dictionary) <= len(array) and self.read(array.dictionary).faults is None:
                return None
        elif not self._words and pa.types.is_boolean(array.type):
            return None
        return self.read(array).faults

    def _flag(self, values: Column) -> Column:
        """Return the codes of flags."""
        no, yes = self._flags
        codes = values.view(np.uint8) * (yes - no if yes >= no else no - yes)
        return codes + no if yes >= no else no - codes

    def _numbered(self, found: Numbers) -> Codes:
        """Return the codes of flags that are written as 1 and 0."""
        yes = found.values == 1
        faults = ~(yes | (found.values == 0))
        if found.known is not None:
            faults &= found.known
        return Codes(either(found.known, self._flag(yes), self.unknown), faults if faults.any() else None)

    def _few(self, words: list[str | None]) -> Codes:
        """Read a few words, as those of a dictionary, where a call of Arrow takes longer than the words."""
        found = np.array([self._code_of.get(word, self.unknown) for word in words], np.uint8)
        faults = [word not in self._code_of for word in words]
        return Codes(found, np.array(faults, bool) if any(faults) else None)


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
        if (found := numbers(array)) is None:
            return nothing(array, self.unknown)
        codes = np.full(len(array), self._first, np.uint8)
        whole = found.values.dtype.kind != "f"
        for cut in self._cuts[1:]:
            codes += (found.values >= (math.ceil(cut) if whole else cut)).view(np.uint8)
        return Codes(either(found.known, codes, self.unknown), self._faults(found))

    def faults(self, array: Any) -> Column | None:
        """See `FieldReader`."""
        return nothing(array, 0).faults if (found := numbers(array)) is None else self._faults(found)

    def doubles(self, array: Any) -> tuple[Doubles, Column | None]:
        """Return the numbers of an array, NaN for unknown; and which values are faults, None where all are fine."""
        if (found := numbers(array)) is None:
            return np.full(len(array), np.nan), nothing(array, 0).faults
        return found.with_nan(), self._faults(found)

    def _faults(self, found: Numbers) -> Column | None:
        values = found.values
        if values.dtype.kind != "f":
            most = min(int(self._most), np.iinfo(values.dtype).max)
            if values.view(f"u{values.itemsize}").max(initial=0) <= most:  # as unsigned, what is negative is beyond
                return None
        fine = (values >= 0) & (values <= self._most)
        if self._whole:
            fine &= np.rint(values) == values
        if found.known is not None:
            fine |= ~found.known
        return None if fine.all() else ~fine


class Numbers(NamedTuple):
    """Numbers of any type.

    Attributes:
        values: the numbers, as integers or doubles; anything where they are not known.
        known: where they are; None for everywhere.
    """

    values: Column
    known: Column | None

    def with_nan(self) -> Doubles:
        """Return the numbers as doubles, NaN for those that are not known."""
        values = self.values.astype(float, copy=False)
        return values if self.known is None else np.where(self.known, values, np.nan)


def plain(array: Any) -> Any:
    """Return an array without run ends and extension types."""
    while isinstance(array, pa.ExtensionArray):
        array = array.storage
    return pc.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


def value_type(kind: Any) -> Any:
    """Return the type of the values of a type, whether they stand in a dictionary, in runs, or by themselves."""
    while pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    return kind


def is_text(kind: Any) -> bool:
    """Say whether a type is one of the types of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def numbers(array: Any) -> Numbers | None:
    """Read numbers of any type; None where they are no numbers."""
    array = plain(array)
    kind = array.type
    if pa.types.is_null(kind):
        return Numbers(np.zeros(len(array)), np.zeros(len(array), bool))
    if pa.types.is_dictionary(kind):
        if (distinct := numbers(array.dictionary)) is None:
            return None
        values = np.append(distinct.with_nan(), np.nan).take(raw(array.indices), mode="clip")
        return _without_nan(Numbers(values, valid(array.indices)))
    if pa.types.is_decimal(kind):
        if kind.scale > 0:
            array = array.cast(pa.string())  # so that 0.10 becomes the double that is written 0.1
        array = array.cast(pa.float64(), safe=False)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    if pa.types.is_integer(kind):
        return Numbers(raw(array), valid(array))
    return _without_nan(Numbers(raw(array).astype(float, copy=False), valid(array)))


def _without_nan(found: Numbers) -> Numbers:
    """Count NaN as not known."""
    given = ~np.isnan(found.values)
    return found if given.all() else Numbers(found.values, given if found.known is None else given & found.known)


def nothing(array: Any, unknown: int) -> Codes:
    """Read an array of a type that the field cannot have: whatever is not null, nor NaN, is a fault."""
    array = plain(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if (found := numbers(array)) is not None:
        faults = np.ones(len(array), bool) if found.known is None else found.known
    else:
        faults = array.is_valid().to_numpy(zero_copy_only=False)
    return Codes(np.full(len(array), unknown, np.uint8), faults if faults.any() else None)


def by_dictionary(reader: FieldReader, array: Any) -> Codes:
    """Read the distinct values of an array, and gather their codes."""
    if len(array.dictionary) > len(array):  # as that of a slice may be
        return reader.read(array.dictionary_decode())
    codes, faults = reader.read(array.dictionary)
    places = raw(array.indices)
    given = valid(array.indices)
    found = either(given, _gathered(np.append(codes, np.uint8(reader.unknown)), places), reader.unknown)
    if faults is None:
        return Codes(found, None)
    wrong = _gathered(np.append(faults.view(np.uint8), np.uint8(0)), places).view(bool)
    return Codes(found, wrong if given is None else wrong & given)


def _gathered(codes: Column, places: Column) -> Column:
    """Return the code at every place that there is; where a row is null, its place may be any number."""
    return gatherer(codes)(places) if len(codes) <= BYTES else codes.take(places, mode="clip")


def either(known: Column | None, codes: Column, unknown: int) -> Column:
    """Return codes where they are known, and unknown elsewhere; the codes are overwritten.

    Products are quicker than branches, and unsigned numbers wrap around.
    """
    if known is not None:
        codes -= np.uint8(unknown)
        codes *= known.view(np.uint8)
        codes += np.uint8(unknown)
    return codes
