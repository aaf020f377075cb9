"""The strategies over the bands of two inputs, with the rest of a profile held fixed: what a page or a table draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from trivium.policy.engine.bands import Band, stated_bands
from trivium.policy.engine.compiled import Policy
from trivium.policy.errors import nearest_name


class StrategyMap(msgspec.Struct, frozen=True):
    """The strategies over two inputs."""

    x: Annotated[str, msgspec.Meta(description="The input along the columns.")]
    y: Annotated[str, msgspec.Meta(description="The input along the rows.")]
    x_bands: Annotated[list[Band], msgspec.Meta(description="The bands a profile can state of `x`, in order.")]
    y_bands: Annotated[list[Band], msgspec.Meta(description="The bands a profile can state of `y`, in order.")]
    rows: Annotated[list[list[str]], msgspec.Meta(description="Per band of `y`, the strategy for each band of `x`.")]


def strategy_map(policy: Policy, x: str, y: str, profile: Mapping[str, Any] | None = None) -> StrategyMap:
    """Decide every combination of the bands of two inputs.

    Args:
        policy: what decides.
        x: the input along the columns.
        y: the input along the rows.
        profile: API values of the other inputs; what is None or left out is assumed.

    Raises:
        ValueError: an unknown input, the same input twice, or a value no band holds; the text says what is allowed.
    """
    across, down = (_position(policy, name) for name in (x, y))
    if across == down:
        raise ValueError(f"x and y must be two different inputs, and both are `{x}`")
    cell, _ = policy.read_profile({name: value for name, value in (profile or {}).items() if value is not None})

    def strategy(x_band: int, y_band: int) -> str:
        bands = list(cell)
        bands[across], bands[down] = x_band, y_band
        return policy.strategies[policy.diagrams.value(policy.root, bands)]

    columns, rows = policy.inputs[across], policy.inputs[down]
    return StrategyMap(
        x=x,
        y=y,
        x_bands=stated_bands(columns),
        y_bands=stated_bands(rows),
        rows=[[strategy(x_band, y_band) for x_band in columns.stated] for y_band in rows.stated],
    )


def _position(policy: Policy, name: str) -> int:
    names = [field.name for field in policy.inputs]
    if name not in names:
        raise ValueError(f"policy {policy.version} has no input `{name}`{nearest_name(name, names)}")
    return names.index(name)
