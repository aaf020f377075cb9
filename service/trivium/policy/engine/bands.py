"""The bands of an input as a caller sees them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from trivium.policy.engine.compiled import CompiledInput


class NumberRange(msgspec.Struct, frozen=True, gc=False):
    """Numbers from `at_least` up, and under `below`; null where there is no such limit."""

    at_least: int | float | None
    below: int | float | None


class Band(msgspec.Struct, frozen=True, gc=False):
    """A band of an input: the value that a profile states, or for numbers a range."""

    band: Annotated[str, msgspec.Meta(description="Its name.")]
    value: Annotated[str | bool | None, msgspec.Meta(description="What a profile states for it; null for numbers.")]
    range: Annotated[NumberRange | None, msgspec.Meta(description="Its numbers; null for others.")]


def number_range(field: CompiledInput, band: int) -> NumberRange:
    """Return the numbers of a band; a band that no profile states has those of the first."""
    return NumberRange(field.lowest(max(band, field.stated[0])), field.limit(band))


def stated_bands(field: CompiledInput) -> list[Band]:
    """Return the bands that a profile can state, in order."""
    return [
        Band(field.bands[band], field.values[band], None if field.cuts is None else number_range(field, band))
        for band in field.stated
    ]
