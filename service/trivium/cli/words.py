"""How values and ranges are written for people."""

from __future__ import annotations

from typing import Any

from trivium.profile import canonical


def shown(value: Any) -> str:
    """Write a value as a profile has it, numbers with separators, and None as not measured."""
    if value is None:
        return "unmeasured"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{canonical(value):,}" if isinstance(value, int | float) else str(value)


def in_words(at_least: float | None, below: float | None) -> str:
    """Write a range of numbers in words."""
    if at_least is None:
        return "any" if below is None else f"under {below:,}"
    return f"at least {at_least:,}" if below is None else f"{at_least:,} to under {below:,}"
