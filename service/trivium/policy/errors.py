"""What can be wrong with a policy, said so that its author can fix it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

import msgspec


LONGEST_NAME = 80
"""Characters of a name that are compared; what takes long must not depend on what a caller sends."""

MOST_NAMES = 40
"""Most names that an error lists."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong in a policy document.

    Attributes:
        code: stable kebab-case name of the kind of problem, such as `dead-rule`.
        message: what is wrong and what to do about it.
        file: the document's name.
        line: 1-based line in the document; 0 when the problem is not at one place.
        column: 1-based column; 0 with `line` 0.
        rule: `table/rule` when one rule is at fault.
        counterexample: a profile, as input name to band, that shows the problem.
    """

    code: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    rule: str = ""
    counterexample: dict[str, str] | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: "
        rule = f" (rule {self.rule})" if self.rule else ""
        shown = ""
        if self.counterexample is not None:
            bands = ", ".join(f"{name}={band}" for name, band in self.counterexample.items())
            shown = f"\n    for example with: {bands or 'any profile'}"
        return f"{place}{self.code}: {self.message}{rule}{shown}"


class PolicyError(Exception):
    """A policy document that must not be served; carries every problem found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Say ", did you mean `x`?" when some name is close, else list them, or the first of many."""
    return _nearest(name, names, 0.5)


def nearest_choice(word: str, choices: Iterable[str]) -> str:
    """Say ", did you mean `x`?" when a choice is very close and not the opposite, else list them.

    Words that share many letters may mean the opposite, as `real time` and `relaxed` do, or `inconsistent` and
    `consistent`.
    """
    return _nearest(word, choices, 0.7, _is_opposite)


def _is_opposite(word: str, other: str) -> bool:
    long, short = sorted((word, other), key=len, reverse=True)
    return long.endswith(short) and long.removesuffix(short).strip(" _-").lower() in _NEGATIONS


_NEGATIONS = frozenset({"dis", "im", "in", "ir", "no", "non", "not", "un", "never"})


def _nearest(
    name: str, names: Iterable[str], cutoff: float, is_wrong: Callable[[str, str], bool] = lambda _one, _other: False
) -> str:
    names = list(names)
    name = name[:LONGEST_NAME]
    close = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    if close and not is_wrong(name, close[0]):
        return f"; did you mean `{close[0]}`?"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return "; known: " + ", ".join(f"`{known}`" for known in names[:MOST_NAMES]) + more
