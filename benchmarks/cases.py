"""Random profiles: complete ones, partial ones, and others of the same cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

from trivium.policy import CompiledInput, Policy


Fields: TypeAlias = dict[str, Any]

ABOVE = 3
"""The last band of a number reaches this many times as high as it begins."""


class Cases:
    """Draws profiles for a policy, the same ones in every run.

    Args:
        policy: what they are for.
        seed: of the draw.
    """

    def __init__(self, policy: Policy, seed: int = 1) -> None:
        self._policy = policy
        self._random = Random(seed)  # noqa: S311 - test data, no secret

    def complete(self) -> Fields:
        """Draw a profile that states everything the policy reads, costs aside."""
        return {
            field.name: self._value(field, self._random.choice(field.stated))
            for field in self._policy.inputs
            if field.spec.derived_from is None  # no profile states those
        }

    def partial(self) -> Fields:
        """Draw a profile that states each input with probability one half."""
        return {name: value for name, value in self.complete().items() if self._random.random() < 0.5}  # noqa: PLR2004 - one half

    def mixed(self) -> Fields:
        """Draw a complete or a partial profile, one as likely as the other."""
        return self._random.choice((self.complete, self.partial))()

    def again(self, fields: Fields) -> Fields:
        """Draw another profile of the same cell: the same words, other numbers."""
        cell, _ = self._policy.read_profile(fields)
        bands = dict(zip(self._policy.inputs, cell, strict=True))
        return {field.name: self._value(field, band) for field, band in bands.items() if field.name in fields}

    def distinct(self, count: int, draw: Callable[[], Fields]) -> list[Fields]:
        """Draw profiles that all lie in cells of their own, as `Advisor` tells cells apart."""
        found: dict[Any, Fields] = {}
        while len(found) < count:
            fields = draw()
            found.setdefault(self._policy.read_profile(fields), fields)
        return list(found.values())

    def at_edges(self, count: int) -> Iterator[Fields]:
        """Draw profiles whose numbers lie on a cut or just below one."""
        edges = {
            field.name: [edge for cut in field.cuts for edge in (cut, cut - 1) if edge >= field.cuts[0]]
            for field in self._policy.inputs
            if field.cuts
        }
        for _ in range(count):
            yield {
                name: self._random.choice(edges[name]) if name in edges else value
                for name, value in self.mixed().items()
            }

    def _value(self, field: CompiledInput, band: int) -> Any:
        if field.cuts is None:
            return field.spec.api_values[field.bands[band]]
        lowest = int(field.lowest(band) or 0)
        return self._random.randrange(lowest, int(field.limit(band) or lowest * ABOVE))
