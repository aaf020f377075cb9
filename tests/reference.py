"""The slow reference: what a policy says, read straight off its YAML.

It shares no code with the engine. A cell is one band index per input; `unmeasured`, where an input has it, is index 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import product
from math import prod
from operator import mul
from typing import Any, TypeAlias

import yaml

import trivium


Cell: TypeAlias = tuple[int, ...]

LATER = {"machine_verified": "mixed"}
"""Choices that were added later, and what a policy that does not list them reads instead."""


class Reference:
    """A policy by brute force. Every scalar stays text, so that `no` is a word."""

    def __init__(self, text: str) -> None:
        self.written = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - text only
        self.inputs: dict[str, Any] = self.written["inputs"]
        self.strategies = list(self.written["strategies"])
        self.tables = {name: table["rules"] for name, table in self.written["tables"].items()}
        told = [spec.get("cuts") or spec["values"] for spec in self.inputs.values()]
        self.values: list[list[str]] = [list(one.values() if isinstance(one, dict) else one) for one in told]
        starts = [["unmeasured"] * (spec["when_unknown"] == "unmeasured") for spec in self.inputs.values()]
        self.bands: list[list[str]] = [[*start, *one] for start, one in zip(starts, told, strict=True)]
        self.stated: list[range] = [
            range(len(start), len(bands)) for start, bands in zip(starts, self.bands, strict=True)
        ]
        self.weights: list[list[int]] = [
            [int(spec.get("likelihood", {}).get(band, 1)) for band in bands]
            for spec, bands in zip(self.inputs.values(), self.bands, strict=True)
        ]
        self.strides = [prod(map(len, self.bands[at + 1 :])) for at in range(len(self.bands))]
        self._rows = cache(self._row)

    def read(self, profile: Mapping[str, Any]) -> Cell:
        """Return the cell of a profile of API values; what it leaves out, or has as None, is read as assumed."""
        return tuple(self.band(at, profile.get(name)) for at, name in enumerate(self.inputs))

    def band(self, at: int, value: Any) -> int:
        spec = list(self.inputs.values())[at]
        if value is None:
            return self.bands[at].index(spec["when_unknown"])
        if "cuts" in spec:
            return self.stated[at][len([cut for cut in self.values[at] if float(cut) <= value]) - 1]
        word = str(value).lower()
        return self.stated[at][self.values[at].index(word if word in self.values[at] else LATER[word])]

    def cells(self) -> Iterator[Cell]:
        """Yield every cell in document order, the last input fastest."""
        return product(*(range(len(bands)) for bands in self.bands))

    def state(self, cell: Sequence[int]) -> tuple[dict[str, Any], list[int | None]]:
        """Return the label of every input and table, and per table the row of the first rule that holds."""
        state: dict[str, Any] = {name: self.bands[at][cell[at]] for at, name in enumerate(self.inputs)}
        rows = []
        for name, table in self.written["tables"].items():
            rows.append(row := self._rows(name, *[state[read] for read in table["inputs"]]))
            state[name] = None if row is None else table["rules"][row]["then"]
        return state, rows

    def _row(self, name: str, *labels: str) -> int | None:
        state = dict(zip(self.written["tables"][name]["inputs"], labels, strict=True))
        return next((row for row, rule in enumerate(self.tables[name]) if holds(rule.get("when"), state)), None)

    @cached_property
    def answers(self) -> bytes:
        """The index of every cell's strategy, in the order of `cells`."""
        return bytes(self.strategies.index(self.state(cell)[0]["strategy"]) for cell in self.cells())

    def answer(self, cell: Sequence[int]) -> int:
        at: int = sum(map(mul, cell, self.strides))
        return self.answers[at]

    def completions(self, cell: Cell, known: Sequence[bool]) -> list[Cell]:
        stated = (self.stated[at] if not known[at] else (band,) for at, band in enumerate(cell))
        return list(product(*stated))


def holds(when: Mapping[str, Any] | None, state: Mapping[str, Any]) -> bool:
    """Say whether every named label is the wanted one, or among the wanted ones."""
    return all(state[name] in ([one] if isinstance(one, str) else one) for name, one in (when or {}).items())


@cache
def shipped(version: str = "1.0.0") -> Reference:
    return Reference((trivium.POLICIES / f"adaptation-{version}.yaml").read_text(encoding="utf-8"))
