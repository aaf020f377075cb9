"""Random profiles as codes and as Arrow, and what the row path says of them."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import trivium
from trivium import Advisor, Registry
from trivium.explanation import Explanation, Facts
from trivium.policy import Policy, load_directory
from trivium.portfolio.kernel import Kernel
from trivium.portfolio.questions import FirstQuestion
from trivium.portfolio.reasons import Rationale, listed, sufficient_reasons, unknown_inputs
from trivium.portfolio.sorting import Ragged
from trivium.profile import PAYBACK, VOCABULARY
from trivium.recommendation import PolicyReference
from trivium.wording import Wording


Codes = list[NDArray[np.uint8]]
VERSIONS = Registry(load_directory(trivium.POLICIES, VOCABULARY))
NEWEST = list(VERSIONS.by_version)[-1]
REFERENCE = PolicyReference("", "", "", "active")
NUMBERS = (0, 1, 9, 10, 49, 50, 199, 200, 499, 500, 999, 1000, 1999, 2000, 7999, 8000, 9999, 10_000, 200_000, 200_001)


class Answer(NamedTuple):
    """What is compared."""

    strategy: str
    settled: bool
    reachable: tuple[int, ...]
    rules: tuple[str, ...]
    codes: tuple[str, ...]
    because: tuple[str, ...]
    first: int | None


@cache
def advisor(version: str = NEWEST) -> Advisor:
    return Advisor(VERSIONS.by_version[version])


def codes(policy: Policy, count: int, seed: int) -> Codes:
    """Draw rows of codes, on average three of ten unknown; some rows state everything, and some hardly anything."""
    random = np.random.default_rng(seed)
    share = random.uniform(0, 0.6, count)
    drawn = []
    for field in policy.inputs:
        column = random.choice(np.array(field.stated, np.uint8), count)
        column[random.random(count) < share] = len(field.bands)
        drawn.append(column)
    return drawn


def batch(count: int, seed: int, unknown: float = 0.3) -> Any:
    """Draw a record batch of valid profiles, without costs."""
    random = np.random.default_rng(seed)
    columns = {}
    for name, field in VOCABULARY.items():
        if name != PAYBACK:
            values = {"choice": field.choices, "flag": (False, True), "number": NUMBERS}[field.kind]
            chosen = pa.array(random.integers(0, len(values), count), mask=random.random(count) < unknown)
            columns[name] = pa.array(values).take(chosen)
    return pa.RecordBatch.from_pydict(columns)


def by_row(policy: Policy, wording: Wording, row: Sequence[int]) -> Answer:
    """Return what the row path says of a row of codes."""
    known = tuple(code != len(field.bands) for code, field in zip(row, policy.inputs, strict=True))
    cell = tuple(
        int(code) if given else field.assumed for code, given, field in zip(row, known, policy.inputs, strict=True)
    )
    facts = Facts({field.name: 0 for field in policy.inputs}, "", None, [], None, ())
    said = Explanation(policy, wording, cell, known, facts, 1)
    because = said.brief(REFERENCE).because
    return Answer(
        said.strategy,
        said.open.settled,
        said.open.reachable,
        tuple(rules[0].id for rules in said.holding),
        tuple(reason.code for reason in said.reasons),
        (*because.stated, *because.assumed),
        said.open.questions[0].position if said.open.questions else None,
    )


class Columns:
    """What the columnar path says, row by row."""

    def __init__(self, policy: Policy, entries: int | None = None) -> None:
        self.kernel = Kernel(policy) if entries is None else Kernel(policy, entries)
        self._first, self._rationale = FirstQuestion(self.kernel), Rationale(self.kernel)

    def answers(self, codes: Codes) -> Iterator[Answer]:
        kernel, policy = self.kernel, self.kernel.policy
        decided = kernel.decide(codes)
        reason, unknown = sufficient_reasons(kernel, codes, decided), unknown_inputs(kernel, codes)
        explained = self._rationale.explain(decided, reason, unknown)
        told = lists(explained.codes)
        because = lists(listed(reason, unknown, explained.supporting, len(codes)))
        first = self._first(codes, decided).tolist()
        fired = [column.tolist() for column in kernel.fired(decided)]
        for row, (strategy, reached) in enumerate(
            zip(decided.strategy.tolist(), decided.reachable.tolist(), strict=True)
        ):
            yield Answer(
                policy.strategies[strategy],
                len(kernel.reachable[reached]) == 1,
                kernel.reachable[reached],
                tuple(table.rules[rows[row]].id for table, rows in zip(policy.tables, fired, strict=True)),
                tuple(self._rationale.codes[code] for code in told[row]),
                tuple(policy.inputs[position].name for position in because[row]),
                None if first[row] == len(codes) else first[row],
            )


def lists(ragged: Ragged) -> list[list[int]]:
    ends = np.cumsum(ragged.counts).tolist()
    values = ragged.values.tolist()
    return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def disagreements(columns: Columns, codes: Codes) -> Iterator[tuple[list[int], Answer, Answer]]:
    """Yield the rows in which the two paths say something else: codes, the row path's answer, the columnar one's."""
    policy = columns.kernel.policy
    wording = Wording(policy)
    for row, answer in zip(np.stack(codes, axis=1).tolist(), columns.answers(codes), strict=True):
        if (slow := by_row(policy, wording, row)) != answer:
            yield row, slow, answer
