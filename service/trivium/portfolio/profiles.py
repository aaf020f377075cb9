"""Columns of profiles in Arrow, of any type, read as codes; a value that no profile may have is a fault of its row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache, reduce
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from trivium.advisor import Advisor
from trivium.errors import FieldError, InvalidInputError
from trivium.policy.errors import nearest_name
from trivium.portfolio.buffers import flags, raw, valid
from trivium.portfolio.columns import MOST_MISSPELT, SHOWN, misspelt
from trivium.portfolio.costs import PREFIX, Read, cost_columns, read_costs
from trivium.portfolio.lookup import Column
from trivium.portfolio.payback import BANDS, UNKNOWN, Given, Names, Paybacks, paybacks
from trivium.portfolio.values import Choice, Doubles, FieldReader, Number, numbers
from trivium.profile import COUNTS, PAYBACK, VOCABULARY, Profile, make_profile


FIELDS = tuple(name for name, field in VOCABULARY.items() if field.derived_from is None)
"""The fields of a profile that are columns of their own."""

_FIELDS = frozenset(FIELDS)
_FLAGS = frozenset(name for name in FIELDS if VOCABULARY[name].kind == "flag")

LONGEST_NAME = 200
"""Characters beyond which the name of a column is not compared with those of fields."""

REMEMBERED = 1 << 12
"""Most texts of faults to keep."""


class Profiles(NamedTuple):
    """Profiles as codes.

    Attributes:
        codes: per input of the policy, the code of every row.
        faults: number of a row to what is wrong with it; the codes of such a row mean nothing.
    """

    codes: list[Column]
    faults: dict[int, str]


class ProfileReader:
    """Reads the columns of profiles. Immutable; safe to share between threads.

    Args:
        advisor: the policy to read for.
    """

    def __init__(self, advisor: Advisor) -> None:
        self._advisor = advisor
        self._inputs = [(field.name, len(field.bands)) for field in advisor.policy.inputs]
        self._fields = {name: _reader(advisor, name) for name in FIELDS}
        self._paybacks = np.zeros(0, np.uint8)
        if PAYBACK in advisor.policy.positions:
            compiled = advisor.policy.inputs[advisor.policy.positions[PAYBACK]]
            self._paybacks = np.array([*map(compiled.read, BANDS), len(compiled.bands)], np.uint8)

    def read(self, batch: Any) -> Profiles:
        """Read the profile columns of a record batch.

        Raises:
            InvalidInputError: as of `profile_columns`.
        """
        codes, faults = self.codes(batch)
        return Profiles(codes, _told(batch, faults))

    def codes(self, batch: Any) -> tuple[list[Column], dict[str, Column]]:
        """Read the profile columns of a record batch, and leave open what is wrong with rows.

        Returns:
            Per input of the policy the code of every row; and by field, which rows have a fault in it, where any has.

        Raises:
            InvalidInputError: as of `profile_columns`.
        """
        read, faults = {}, {}
        columns = profile_columns(batch.schema)
        for name, column in columns.items():
            if name in _FIELDS:
                field, array = self._fields[name], batch.column(column)
                if name in self._advisor.policy.positions:
                    read[name], wrong = field.read(array)
                else:
                    wrong = field.faults(array)
                if wrong is not None:
                    faults[name] = wrong
        if costs := {name: at for name, at in columns.items() if name not in _FIELDS}:
            stated = read_costs(batch, costs)
            if stated.faults is not None:
                faults["costs"] = stated.faults
            if len(self._paybacks):
                read[PAYBACK] = self._payback(batch, stated, faults)
        codes = [read[name] if name in read else np.full(batch.num_rows, code, np.uint8) for name, code in self._inputs]
        return codes, faults

    def profiles(self, batch: Any, rows: Column) -> Iterator[Profile]:
        """Yield the profiles of some rows, without their `id`, as the row path reads them.

        Raises:
            InvalidInputError: a row holds none; names every bad field.
        """
        yield from map(make_profile, mappings(batch, rows, profile_columns(batch.schema)))

    def priced(self, batch: Any) -> Column:
        """Return which rows state any costs that the policy reads."""
        costs = self._costs(batch)
        if not costs:
            return np.zeros(batch.num_rows, bool)
        return read_costs(batch, costs).given

    def months(self, batch: Any) -> tuple[Doubles, Doubles] | None:
        """Return after how many months fine-tuning pays back, as `Paybacks.months` does.

        Args:
            batch: rows without faults.

        Returns:
            None where the policy reads no payback, or there are no columns of costs.
        """
        costs = self._costs(batch)
        if not costs:
            return None
        return _paybacks(batch, read_costs(batch, costs), np.arange(batch.num_rows)).months()

    def _costs(self, batch: Any) -> dict[str, int]:
        """Return the columns of costs, where the policy reads them."""
        return cost_columns(batch.schema) if len(self._paybacks) else {}

    def _payback(self, batch: Any, stated: Read, faults: Mapping[str, Column]) -> Column:
        """Return the code of every row's payback; where doubles cannot tell it, the exact one."""
        codes = np.full(batch.num_rows, self._paybacks[UNKNOWN], np.uint8)
        fine = reduce(np.logical_and, [~wrong for wrong in faults.values()], stated.given)
        rows = np.flatnonzero(fine)
        if len(rows):
            found = _paybacks(batch, stated, rows)
            codes[rows] = np.take(self._paybacks, found.bands)
            at = self._advisor.policy.positions[PAYBACK]
            close = rows[found.close]
            for row, profile in zip(close.tolist(), self.profiles(batch, close), strict=True):
                band = self._advisor.inputs(profile, self._advisor.assess(profile))[at]
                codes[row] = self._paybacks[UNKNOWN if band is None else BANDS.index(band)]
        return codes


def _paybacks(batch: Any, stated: Read, rows: Column) -> Paybacks:
    """Work out the paybacks of some rows."""
    beside = []
    for name in ("requests_per_day", "prompt_tokens", "labeled_examples"):
        at = batch.schema.get_field_index(name)
        given = numbers(batch.column(at)) if at >= 0 else None
        beside.append(np.full(len(rows), np.nan) if given is None else given.with_nan()[rows])
    money = {name: values[rows] for name, values in stated.numbers.items()}
    names = {name: Names(one.distinct, one.places[rows]) for name, one in stated.names.items()}
    return paybacks(Given(money, names["model"], names["tuned_model"], *beside))


def profile_columns(schema: Any) -> dict[str, int]:
    """Return the columns that are fields of a profile, those of costs included: name to position.

    `id` is not among them: no policy reads it, and it is passed through like any other column.

    Raises:
        InvalidInputError: no column is a field, one is there twice, a name is misspelt, or costs are given in two ways.
    """
    names = schema.names  # a new list at every look
    found = {name: at for at, name in enumerate(names) if name in _FIELDS} | cost_columns(schema)
    if twice := [name for name in found if names.count(name) > 1]:
        raise InvalidInputError(
            [
                FieldError("malformed", "there is more than one column of this name", pointer=f"/{name}")
                for name in twice
            ]
        )
    if errors := list(islice(_misspelt(names, found), MOST_MISSPELT)):
        raise InvalidInputError(errors)
    if not found:
        near = next((hint for name in names if "did you mean" in (hint := nearest_name(name, FIELDS))), "")
        detail = f"no column is a field of a profile{near or ', such as `' + FIELDS[0] + '`'}"
        raise InvalidInputError([FieldError("missing_field", detail, pointer="")])
    return found


def _misspelt(names: Iterable[str], found: Mapping[str, int]) -> Iterator[FieldError]:
    """Yield which columns are none of the fields and have nearly the name of one."""
    for name in names:
        if name not in found and len(name) <= LONGEST_NAME and (near := _nearest(name)) not in {None, "id"}:
            yield FieldError("unknown_field", f"column `{name[:SHOWN]}` looks like `{near}`: rename it", pointer="")


_nearest = lru_cache(maxsize=REMEMBERED)(misspelt)  # every batch of a stream has the same names


def _reader(advisor: Advisor, name: str) -> FieldReader:
    """Return what reads a field; one that the policy does not read is only checked."""
    field = VOCABULARY[name]
    compiled = next((one for one in advisor.policy.inputs if one.name == name), None)
    unknown = len(compiled.bands) if compiled else 0
    if field.kind == "number":
        cuts = compiled.cuts if compiled and compiled.cuts else ()
        first = compiled.stated[0] if compiled else 0
        return Number(cuts, first, unknown, whole=name in COUNTS, most=field.maximum)
    values: tuple[Any, ...] = field.choices if field.kind == "choice" else (False, True)
    if compiled is None:
        return Choice(dict.fromkeys(values, 0), 0)
    at = advisor.policy.positions[name]
    profiles = {value: Profile(**{name: value}) for value in values}
    return Choice({value: compiled.read(advisor.inputs(one, None)[at]) for value, one in profiles.items()}, unknown)


def _told(batch: Any, faults: Mapping[str, Column]) -> dict[int, str]:
    """Let the row path say what is wrong with the rows that have a fault."""
    if not faults:
        return {}
    rows = np.flatnonzero(reduce(np.logical_or, faults.values()))
    columns = {
        name: at
        for name, at in sorted(profile_columns(batch.schema).items(), key=itemgetter(1))
        if name in faults or (name.startswith(PREFIX) and "costs" in faults)
    }
    wrong = {name: faults[name][rows] for name in faults}
    fields_of = mappings(batch, rows, columns)
    return {
        row: _tell({name: value for name, value in fields.items() if wrong[name][at]})
        for at, (row, fields) in enumerate(zip(rows.tolist(), fields_of, strict=True))
    }


def mappings(batch: Any, rows: Column, columns: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield some columns of some rows as JSON has them.

    Args:
        batch: a `pyarrow.RecordBatch`.
        rows: the places of the rows.
        columns: names and positions of the columns.
    """
    names = list(columns)
    found = [_values(batch.column(at), rows) for at in columns.values()]
    found = [list(map(_flag, one)) if name in _FLAGS else one for name, one in zip(names, found, strict=True)]
    if not any(name.startswith(PREFIX) for name in names):
        yield from (dict(zip(names, values, strict=True)) for values in zip(*found, strict=True))
        return
    for values in zip(*found, strict=True):
        fields: dict[str, Any] = {}
        for name, value in zip(names, values, strict=True):
            if not name.startswith(PREFIX):
                fields[name] = value
            elif value is not None:
                fields.setdefault("costs", {})[name.removeprefix(PREFIX)] = value
        yield fields


def _values(array: Any, rows: Column) -> list[Any]:
    """Return some values of an array as JSON has them."""
    try:
        array = array.take(pa.array(rows))
    except pa.ArrowNotImplementedError:  # as for views and run ends
        return [value for row in rows.tolist() for value in _as_python(array.slice(row, 1))]
    kind = array.type
    if pa.types.is_dictionary(kind):
        if len(array.dictionary) > len(array):
            return _as_python(array)
        words = _as_python(array.dictionary)
        known = valid(array.indices)
        return [None if place is None else words[place] for place in _with_none(raw(array.indices), known)]
    if pa.types.is_boolean(kind):
        return _with_none(flags(array), valid(array))
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and (found := numbers(array)) is not None:
        return _with_none(found.values, found.known)
    return _as_python(array)


_NO_VALUE = object()
"""Stands for what no field takes."""


def _as_python(array: Any) -> list[Any]:
    """Return values as JSON has them; what Python has no type for, as a date after 9999, is a value of no field."""
    try:
        return list(map(plain_value, array.to_pylist()))
    except (OverflowError, ValueError):  # what PyArrow raises is a ValueError
        return [_NO_VALUE if one.is_valid else None for one in array]


def _flag(value: Any) -> Any:
    """Return a flag that is written as 1 or 0 as one."""
    return bool(value) if isinstance(value, int | float) and value in {0, 1} else value


def _with_none(values: Column, known: Column | None) -> list[Any]:
    """Return values as Python has them, None where they are not known."""
    found: list[Any] = values.tolist()
    if known is not None:
        for at in np.flatnonzero(~known).tolist():
            found[at] = None
    return found


def plain_value(value: Any) -> Any:
    """Return a Python value of Arrow as JSON has it; NaN is unknown, as null is."""
    if isinstance(value, dict):
        return {name: plain_value(one) for name, one in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _tell(fields: Mapping[str, Any]) -> str:
    """Return what the row path says of fields that it refuses."""
    key = tuple([(name, type(value), value) for name, value in fields.items()])
    try:
        return _remembered(key)
    except TypeError:  # a value that has no hash, as that of `costs`
        return _said(key)


def _said(fields: tuple[tuple[str, type, Any], ...]) -> str:
    try:
        make_profile({name: value for name, _, value in fields})
    except InvalidInputError as error:
        return str(error)
    raise AssertionError(f"the row path reads {fields}")  # else a value would be a fault here and none there


_remembered = lru_cache(maxsize=REMEMBERED)(_said)
