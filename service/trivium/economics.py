"""Placeholder until the cost model lands."""
from __future__ import annotations
from decimal import Decimal
from typing import Annotated, Literal
import msgspec


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Costs."""
    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Economics(msgspec.Struct, frozen=True):
    """Economics."""
    payback: Literal["fast", "acceptable", "slow", "never"] | None = None
    break_even_requests_per_day: Decimal | None = None


def assess(costs: Costs, *, requests_per_day: float | None, prompt_tokens: float | None) -> Economics:
    """Assess."""
    return Economics()


def price_digest(costs: Costs) -> str | None:
    """Digest."""
    return None
