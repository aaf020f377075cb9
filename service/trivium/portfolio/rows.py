"""Scoring one use case at a time: a profile in, the values of the chosen columns out.

What most columns say depends on the cell of the profile alone, so it is kept per cell. The others are worked out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from trivium.advisor import Advisor
from trivium.economics import Economics
from trivium.errors import TriviumError
from trivium.explanation import Explanation, Facts
from trivium.pages import joined
from trivium.policy.errors import nearest_name
from trivium.policy.language.texts import capitalized
from trivium.profile import Profile
from trivium.recommendation import Flip, Question, Recommendation


CELLS = 2048
"""Cells whose answers are kept."""

DEFAULT_COLUMNS = ("strategy", "status", "codes", "first_question", "policy_version", "error")
"""The columns that are added unless others are named, to files and frames alike."""


WAITING = frozenset({"later", "blocked"})
"""Verdicts on a lever that something is in the way of."""


def is_blocker(effect: str) -> bool:
    """Say whether a reason of this effect is in the way of its lever."""
    return effect in {"opposes", "blocks"}


class OutputError(TriviumError):
    """A column was asked for that there is not; the text names the nearest."""

    code = "unknown_column"


class Blocker(NamedTuple):
    """Why a lever is blocked or waits.

    Attributes:
        lever: the lever.
        code: the rationale code.
        parts: its message; in the place of each input that it speaks of, the band, and the phrase of the band without
            a note of what is assumed.
    """

    lever: str
    code: str
    parts: tuple[str | tuple[int, str], ...]


def blockers(explained: Explanation) -> Iterator[Blocker]:
    """Yield what keeps levers from being adopted that are blocked, or wait."""
    waiting = {name for name, verdict in explained.verdicts.items() if verdict in WAITING}
    cell, wording, positions = explained.cell, explained.wording, explained.policy.positions
    for reason in explained.reasons:
        if reason.lever in waiting and is_blocker(reason.effect):
            parts: list[str | tuple[int, str]] = []
            for part in wording.codes[reason.code].message:
                if isinstance(part, str):
                    parts.append(part)
                else:
                    at = positions[part.name]
                    parts.append((cell[at], wording.phrases[at][cell[at]]))
            yield Blocker(reason.lever, reason.code, tuple(parts))


class CellAnswer(msgspec.Struct, frozen=True, eq=False):
    """What there is to say of a cell.

    Attributes:
        strategy: the recommended strategy.
        status: settled or provisional.
        question: the first open question; None where nothing is open.
        blockers: what keeps levers from being adopted that are blocked, or wait.
        values: the values of the columns that depend on the cell alone.
    """

    strategy: str
    status: str
    question: Question | None
    blockers: tuple[Blocker, ...]
    values: dict[str, Any]


class Scored(NamedTuple):
    """A profile with its answer.

    Attributes:
        cell: what there is to say of its cell.
        economics: the money, where it gives costs and the policy reads them.
        values: the values of the chosen columns, in their order.
        listed: whether a report lists it.
    """

    cell: CellAnswer
    economics: Economics | None
    values: list[Any]
    listed: bool = True


class RowScorer:
    """Scores profiles by one policy.

    Args:
        advisor: what recommends.
        columns: what to say of each.

    Attributes:
        digests: of the policy; what tells runs apart.

    Raises:
        OutputError: there is no such column.
    """

    def __init__(self, advisor: Advisor, columns: Sequence[str] = DEFAULT_COLUMNS) -> None:
        for name in columns:
            if name not in OUTPUTS:
                raise OutputError(f"no output column `{name}`{nearest_name(name, list(OUTPUTS))}")
        if len(set(columns)) < len(columns):
            raise OutputError("an output column is given twice")
        self.advisor = advisor
        self.columns = tuple(columns)
        self.digests: tuple[str, ...] = (advisor.policy.digest,)
        self._of_cell = [name for name in self.columns if name in _OF_CELL]
        self._cell = lru_cache(maxsize=CELLS)(self._explain)

    def score(self, profile: Profile) -> Scored:
        """Score a profile."""
        economics = self.advisor.assess(profile)
        inputs = self.advisor.inputs(profile, economics)
        cell = self._cell(self.advisor.policy.rounded(inputs))
        values = [
            cell.values[name] if name in _OF_CELL else self._value(name, profile, economics) for name in self.columns
        ]
        return Scored(cell, economics, values)

    def failed(self, error: str) -> list[Any]:
        """Return the values of the chosen columns for a row that is wrong."""
        return [error if name == "error" else None for name in self.columns]

    def _explain(self, inputs: tuple[Any, ...]) -> CellAnswer:
        answer = _Cell(self.advisor, inputs)
        explained = answer.explained
        return CellAnswer(
            explained.strategy,
            explained.status,
            explained.first_question,
            tuple(blockers(explained)),
            {name: _OF_CELL[name](answer) for name in self._of_cell},
        )

    def _value(self, name: str, profile: Profile, economics: Economics | None) -> Any:
        if name in _OF_MONEY:
            return None if economics is None else _OF_MONEY[name](economics)
        return _OF_PROFILE[name](self.advisor, profile)


class _Cell:
    """A cell, and what is worked out for the columns that ask for it."""

    def __init__(self, advisor: Advisor, inputs: tuple[Any, ...]) -> None:
        self.advisor = advisor
        self.explained: Explanation = advisor.explain(*advisor.policy.read(inputs), NO_FACTS, nearest=True)

    @cached_property
    def made(self) -> Recommendation:
        return self.advisor.advise(self.explained)


NO_FACTS = Facts(numbers={}, decision_id="", id=None, ignored=[], economics=None, cautions=())


class Nearest(msgspec.Struct, frozen=True):
    """The nearest changes that lead to another strategy: which, of what, and the changed values in words."""

    strategy: str
    inputs: list[str]
    says: str

    def __str__(self) -> str:
        return f"{self.strategy}: {self.says}"


def _nearest(flips: Sequence[Flip]) -> Nearest | None:
    if not flips:
        return None
    changes = flips[0].changes
    says = joined([change.says for change in changes])
    return Nearest(flips[0].strategy, [change.input for change in changes], says)


def warnings_of(made: Recommendation) -> str | None:
    """Return the warnings of a recommendation, and why no payback is known although there are costs."""
    said = [warning.message for warning in made.warnings]
    if made.economics is not None and made.economics.payback is None:
        said.append(f"{capitalized(made.economics.says)}.")
    return " ".join(said) or None


_OF_CELL: Mapping[str, Callable[[_Cell], Any]] = {
    "strategy": lambda cell: cell.explained.strategy,
    "status": lambda cell: cell.explained.status,
    "codes": lambda cell: [reason.code for reason in cell.explained.reasons],
    "first_question": lambda cell: None if (asked := cell.explained.first_question) is None else asked.input,
    "policy_version": lambda cell: cell.advisor.policy.version,
    "error": lambda _: None,
    "reachable": lambda cell: cell.made.reachable,
    "because": lambda cell: [premise.input for premise in cell.made.because],
    "margin": lambda cell: cell.explained.changes.margin,
    "nearest_path": lambda cell: _nearest(cell.made.paths),
    "nearest_risk": lambda cell: _nearest(cell.made.risks),
}

_OF_MONEY: Mapping[str, Callable[[Economics], Any]] = {
    name: attrgetter(name)
    for name in (
        "payback",
        "payback_months",
        "monthly_prompted",
        "monthly_tuned",
        "monthly_saving",
        "upfront",
        "break_even_requests_per_day",
    )
}

_OF_PROFILE: Mapping[str, Callable[[Advisor, Profile], Any]] = {
    "summary": lambda advisor, profile: advisor.recommend(profile).summary,
    "next_step": lambda advisor, profile: next((one.action for one in advisor.recommend(profile).steps), None),
    "warnings": lambda advisor, profile: warnings_of(advisor.recommend(profile)),
    "decision_id": Advisor.identify,
}

OUTPUTS: tuple[str, ...] = (*_OF_CELL, *_OF_MONEY, *_OF_PROFILE)
"""All columns that can be asked for."""
