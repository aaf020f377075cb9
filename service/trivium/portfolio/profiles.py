"""Columns of profiles in Arrow, of any type, read as codes; a value that no profile may have is a fault of its row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from trivium.advisor import Advisor
from trivium.errors import FieldError, InvalidInputError
from trivium.policy.errors import nearest_name
from trivium.portfolio.lookup import Column
from trivium.portfolio.values import Choice, FieldReader, Number
from trivium.profile import COUNTS, VOCABULARY, Profile, make_profile


FIELDS = tuple(name for name, field in VOCABULARY.items() if field.derived_from is None)
"""The fields of a profile that are columns of their own."""

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
        self._inputs = [(field.name, len(field.bands)) for field in advisor.policy.inputs]
        self._fields = {name: _reader(advisor, name) for name in FIELDS}

    def read(self, batch: Any) -> Profiles:
        """Read the profile columns of a record batch.

        Raises:
            InvalidInputError: as of `profile_columns`.
        """
        read, faults = {}, {}
        for name, column in profile_columns(batch.schema).items():
            read[name], wrong = self._fields[name].read(batch.column(column))
            if wrong is not None:
                faults[name] = wrong
        codes = [read[name] if name in read else np.full(batch.num_rows, code, np.uint8) for name, code in self._inputs]
        return Profiles(codes, _told(batch, faults))


def profile_columns(schema: Any) -> dict[str, int]:
    """Return the columns that are fields of a profile: field to position, in the order of the schema.

    `id` is not among them: no policy reads it, and it is passed through like any other column.

    Raises:
        InvalidInputError: no column is a field, or one is there twice.
    """
    found = {name: at for at, name in enumerate(schema.names) if name in FIELDS}
    if twice := [name for name in found if schema.names.count(name) > 1]:
        raise InvalidInputError(
            [
                FieldError("malformed", "there is more than one column of this name", pointer=f"/{name}")
                for name in twice
            ]
        )
    if not found:
        near = next((hint for name in schema.names if "did you mean" in (hint := nearest_name(name, FIELDS))), "")
        detail = f"no column is a field of a profile{near or ', such as `' + FIELDS[0] + '`'}"
        raise InvalidInputError([FieldError("missing_field", detail, pointer="")])
    return found


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
    rows = np.flatnonzero(np.logical_or.reduce(list(faults.values())))
    wrong = {name: (faults[name], batch.column(batch.schema.names.index(name))) for name in faults}
    return {
        row: _tell(tuple([(name, plain_value(column[row])) for name, (bad, column) in wrong.items() if bad[row]]))
        for row in rows.tolist()
    }


def plain_value(scalar: Any) -> Any:
    """Return a value of Arrow as JSON has it."""
    value = scalar.as_py()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _tell(fields: tuple[tuple[str, Any], ...]) -> str:
    if all(isinstance(value, Hashable) for _, value in fields):
        return _remembered(tuple([(name, type(value), value) for name, value in fields]))
    return _said(dict(fields))


@lru_cache(maxsize=REMEMBERED)
def _remembered(fields: tuple[tuple[str, type, Any], ...]) -> str:
    return _said({name: value for name, _, value in fields})


def _said(fields: Mapping[str, Any]) -> str:
    try:
        make_profile(fields)
    except InvalidInputError as error:
        return str(error)
    raise AssertionError(f"the row path reads {fields}")  # else the same value would be a fault here and none there
