"""The columns of `costs` in Arrow: one column of structs, or one column each, named `costs.model` and so on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.economics import Costs
from trivium.errors import FieldError, InvalidInputError
from trivium.policy.errors import nearest_name
from trivium.portfolio.lookup import Column
from trivium.portfolio.payback import Names
from trivium.portfolio.values import Doubles, Number, is_text, nothing, plain


PREFIX = "costs."
FIELDS = tuple(field.name for field in msgspec.structs.fields(Costs))


def _numbers() -> dict[str, Number]:
    """Return what reads the numbers, with the bounds that they have in `Costs`."""
    readers = {}
    for field in msgspec.inspect.type_info(Costs).fields:  # type: ignore[attr-defined]  # it is a struct
        kind = field.type.type.types[0]  # the other one is None
        if isinstance(kind, msgspec.inspect.FloatType):
            readers[field.name] = Number((), 0, 0, whole=kind.multiple_of == 1, most=kind.le)  # type: ignore[arg-type]  # all have one
    return readers


NUMBERS = _numbers()
NAMES = tuple(name for name in FIELDS if name not in NUMBERS)
MOST_CHARACTERS = 200
"""The longest name of a model, as in `Costs`."""


class Read(NamedTuple):
    """What rows state of their costs.

    Attributes:
        given: which rows state any.
        numbers: the numbers by field, NaN for unknown.
        names: the names of models by field.
        faults: which rows state costs that no profile may have; None where all are fine.
    """

    given: Column
    numbers: Mapping[str, Doubles]
    names: Mapping[str, Names]
    faults: Column | None


def cost_columns(schema: Any) -> dict[str, int]:
    """Return the columns of costs: `costs`, or the fields of it that have a column each, to their positions.

    Raises:
        InvalidInputError: a field is unknown or there twice, or there is a column for all and columns for some.
    """
    found = {name: at for at, name in enumerate(schema.names) if name == "costs" or name.startswith(PREFIX)}
    errors = []
    for name in found:
        if schema.names.count(name) > 1:
            errors.append(FieldError("malformed", "there is more than one column of this name", pointer=f"/{name}"))
        elif name == "costs" and len(found) > 1:
            detail = "there are columns of single costs too; keep one of the two"
            errors.append(FieldError("malformed", detail, pointer="/costs"))
    fields = {name.removeprefix(PREFIX) for name in found if name != "costs"}
    if "costs" in found and pa.types.is_struct(schema.types[found["costs"]]):
        kind = schema.types[found["costs"]]
        fields |= {kind.field(at).name for at in range(kind.num_fields)}
    errors += [
        FieldError("unknown_field", f"unknown field{nearest_name(name, FIELDS)}", pointer=f"/costs/{name}")
        for name in sorted(fields.difference(FIELDS))
    ]
    if errors:
        raise InvalidInputError(errors)
    return found


def read_costs(batch: Any, columns: Mapping[str, int]) -> Read:
    """Read the costs of a record batch.

    Args:
        batch: the rows.
        columns: as `cost_columns` gives them; at least one.
    """
    if "costs" in columns:
        array = plain(batch.column(columns["costs"]))
        if not pa.types.is_struct(array.type):
            faults = nothing(array, 0).faults
            return Read(np.zeros(len(array), bool), {}, {}, faults)
        given = array.is_valid().to_numpy(zero_copy_only=False)
        kinds = [array.type.field(at).name for at in range(array.type.num_fields)]
        arrays = dict(zip(kinds, array.flatten(), strict=True))
    else:
        arrays = {name.removeprefix(PREFIX): batch.column(at) for name, at in columns.items()}
        given = None
    count = batch.num_rows
    numbers = {name: np.full(count, np.nan) for name in NUMBERS}
    names = {name: Names([], np.zeros(count, np.int64)) for name in NAMES}
    wrong: list[Column] = []
    stated: list[Column] = []
    for name, array in arrays.items():
        if name in NUMBERS:
            numbers[name], faults = NUMBERS[name].doubles(array)
            stated.append(~np.isnan(numbers[name]))
        else:
            names[name], faults = _names(array)
            stated.append(names[name].places < len(names[name].distinct))
        if faults is not None:
            wrong.append(faults)
            stated.append(faults)
    if given is None:
        given = reduce(np.logical_or, stated)
    return Read(given, numbers, names, reduce(np.logical_or, wrong) if wrong else None)


def _names(array: Any) -> tuple[Names, Column | None]:
    """Return the names of models in an array, and which values are none."""
    array = plain(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not is_text(array.type):
        return Names([], np.zeros(len(array), np.int64)), nothing(array, 0).faults
    encoded = array.cast(pa.large_string()).dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    places = encoded.indices.fill_null(len(distinct)).to_numpy().astype(np.int64)
    long = pc.utf8_length(encoded.dictionary).to_numpy() > MOST_CHARACTERS
    if not long.any():
        return Names(distinct, places), None
    faults = np.take(np.append(long, False), places)
    return Names(["" if cut else name for name, cut in zip(distinct, long, strict=True)], places), faults
