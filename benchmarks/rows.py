"""What a benchmark reports: rows of what, measured, target, and whether it was met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from time import process_time
from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One line of the table; without a target it is there for comparison."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_least(what: str, ratio: float, target: float, detail: str) -> Row:
    """Report a speed-up."""
    return Row(what, f"{times(ratio)} ({detail})", f"at least {target:g}x", ratio >= target)


def at_most(what: str, measured: float, target: float, unit: str, detail: str = "") -> Row:
    """Report a cost."""
    shown = f"{measured:.3g}{unit}" + (f" ({detail})" if detail else "")
    return Row(what, shown, f"at most {target:g}{unit}", measured <= target)


def compared(what: str, ratio: float, detail: str) -> Row:
    """Report a ratio that has no target."""
    return Row(what, f"{times(ratio)} ({detail})")


def times(ratio: float) -> str:
    """Write a ratio."""
    return f"{ratio:#.3g}x"


class Race:
    """Calls in turn, round by round, in processor time: what else the machine does hits all alike, and hardly."""

    def __init__(self, runs: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]], rounds: int) -> None:
        self._microseconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, (call, arguments) in runs.items():
                self._microseconds[name].append(_each(call, arguments))

    def microseconds(self, name: str) -> float:
        """Return the median of the rounds, per call."""
        return median(self._microseconds[name])

    def ratio(self, slow: str, fast: str) -> float:
        """Return the median, over the rounds, of how many times longer one call takes than the other."""
        return median_ratio(self._microseconds[slow], self._microseconds[fast])


def median_ratio(above: Iterable[float], below: Iterable[float]) -> float:
    """Return the median of the ratios of what was measured in the same round."""
    return median(one / other for one, other in zip(above, below, strict=True))


def _each(call: Callable[[Any], Any], arguments: Sequence[Any]) -> float:
    start = process_time()
    for argument in arguments:
        call(argument)
    return (process_time() - start) / len(arguments) * 1e6
