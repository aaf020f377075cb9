"""The summary of a portfolio counted on arrays, with the counts that `Summary.add` gives row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trivium.advisor import Advisor
from trivium.explanation import Explanation
from trivium.policy.language.texts import compile_text, slots
from trivium.portfolio.arrow import Answers
from trivium.portfolio.kernel import Kernel
from trivium.portfolio.lookup import Column
from trivium.portfolio.rows import NO_FACTS, WAITING, blockers, is_blocker
from trivium.portfolio.summary import Asked, Block, Summary


class _Blocking(NamedTuple):
    """A code that can be in the way of a lever.

    Attributes:
        lever: the lever.
        name: the code.
        mentioned: the tables that mention it, each with whether it is among what holds, per entry.
        spoken: positions of the inputs that its message speaks of.
        sizes: how many codes each of them has.
    """

    lever: str
    name: str
    mentioned: list[tuple[int, Column]]
    spoken: tuple[int, ...]
    sizes: tuple[int, ...]


class Tally:
    """Counts answers. What is in the way is counted by code and by the bands that its message speaks of.

    Args:
        advisor: the policy.
        kernel: the same as arrays.
    """

    def __init__(self, advisor: Advisor, kernel: Kernel) -> None:
        policy = advisor.policy
        self._advisor, self._kernel = advisor, kernel
        self._strategies = np.zeros(len(policy.strategies), np.int64)
        self._settled = np.zeros(len(policy.strategies), np.int64)
        self._rejected = 0
        self._asked = np.zeros(len(policy.inputs) + 1, np.int64)
        self._settling = np.zeros(len(policy.inputs) + 1, np.int64)
        self._waiting = dict(_waiting(kernel))
        self._blocking = list(_blocking(kernel, self._waiting))
        self._counts = [np.zeros(int(np.prod(one.sizes, dtype=np.int64)), np.int64) for one in self._blocking]
        self._seen: dict[tuple[int, int], tuple[int, ...]] = {}
        self._question: dict[int, tuple[int, ...]] = {}

    def add(self, answers: Answers) -> None:
        """Count some rows."""
        decided, codes, first = answers.decided, answers.codes, answers.first
        strategy, holding, reachable = decided.strategy, list(decided.holding), decided.reachable
        if answers.faulty is not None:
            fine = np.flatnonzero(~answers.faulty)
            self._rejected += answers.count - len(fine)
            codes, holding = [one.take(fine) for one in codes], [one.take(fine) for one in holding]
            strategy, reachable, first = strategy.take(fine), reachable.take(fine), first.take(fine)
        if not len(strategy):
            return
        strategies = len(self._strategies)
        several = self._kernel.several(reachable)
        self._strategies += np.bincount(strategy, minlength=strategies)
        self._settled += np.bincount(strategy[~several], minlength=strategies)
        self._count_questions(codes, first, np.flatnonzero(several))
        self._count_blocks(codes, holding)

    def summary(self) -> Summary:
        """Return what was counted, in words."""
        names = self._advisor.policy.strategies
        summary = Summary(
            dict(zip(names, self._strategies.tolist(), strict=True)),
            dict(zip(names, self._settled.tolist(), strict=True)),
            int(self._strategies.sum()),
            self._rejected,
        )
        for (at, place), codes in self._seen.items():
            one = self._blocking[at]
            blocker = next(blocker for blocker in blockers(self._explain(codes)) if blocker.code == one.name)
            block = summary.blocks.setdefault(one.name, Block.of(blocker))
            block.add(blocker, int(self._counts[at][place]))
        for position, codes in self._question.items():
            question = self._explain(codes).first_question
            assert question is not None
            asked = summary.questions.setdefault(question.input, Asked(question.input, question.question))
            asked.projects += int(self._asked[position])
            asked.settles += int(self._settling[position])
        return summary

    def _count_questions(self, codes: Sequence[Column], first: Column, rows: Column) -> None:
        """Count first questions, and those of them of which an answer alone settles the strategy."""
        asked = first.take(rows)
        self._asked += np.bincount(asked, minlength=len(self._asked))
        varied = None
        for position in np.flatnonzero(np.bincount(asked)).tolist():
            few = rows[asked == position]
            if position not in self._question:
                self._question[position] = _row(codes, int(few[0]))
            varied = varied or self._kernel.completion.vary(codes)
            settles = np.zeros(len(few), bool)
            for leaves in varied.answers(position, self._kernel.policy.inputs[position].stated, few):
                settles |= ~self._kernel.several(leaves)
            self._settling[position] += np.count_nonzero(settles)

    def _count_blocks(self, codes: Sequence[Column], holding: Sequence[Column]) -> None:
        waiting = {lever: (where.take(holding[table])) for lever, (table, where) in self._waiting.items()}
        for at, one in enumerate(self._blocking):
            found = np.zeros(len(codes[0]), bool)
            for table, where in one.mentioned:
                found |= where.take(holding[table])
            found &= waiting[one.lever]
            rows = np.flatnonzero(found)
            if not len(rows):
                continue
            places: Column = np.zeros(len(rows), np.int64)
            for position, size in zip(one.spoken, one.sizes, strict=True):
                places = places * size + codes[position].take(rows)
            counts = np.bincount(places, minlength=len(self._counts[at]))
            for place in np.flatnonzero(counts * (self._counts[at] == 0)).tolist():
                self._seen[at, place] = _row(codes, int(rows[np.argmax(places == place)]))
            self._counts[at] += counts

    def _explain(self, codes: Sequence[int]) -> Explanation:
        """Return what there is to say of a row of codes."""
        return self._advisor.explain(*self._kernel.read(codes), NO_FACTS, nearest=True)


def _row(codes: Sequence[Column], row: int) -> tuple[int, ...]:
    return tuple([int(column[row]) for column in codes])


def _waiting(kernel: Kernel) -> Iterator[tuple[str, tuple[int, Column]]]:
    """Yield, per lever that can be blocked or wait, its table, and per entry of it whether it is or does."""
    policy = kernel.policy
    for name, lever in policy.document.levers.items():
        if lever.table is None:
            continue
        at = policy.positions[lever.table] - len(policy.inputs)
        waiting = np.array([lever.verdict(label) in WAITING for label in policy.tables[at].outcomes], bool)
        yield name, (at, waiting.take(kernel.tables[at].outcomes))


def _blocking(kernel: Kernel, waiting: dict[str, tuple[int, Column]]) -> Iterator[_Blocking]:
    """Yield the codes that can be in the way."""
    policy = kernel.policy
    for name, code in policy.document.codes.items():
        if code.lever not in waiting or not is_blocker(code.effect):
            continue
        mentioned = []
        for at, table in enumerate(kernel.tables):
            where = np.array([any(name in rule.because for rule in rules) for rules in table.holding], bool)
            if where.any():
                mentioned.append((at, where))
        spoken = {policy.positions[slot.name] for slot in slots(compile_text(code.message, policy.document.inputs))}
        sizes = tuple(kernel.unknown[position] + 1 for position in sorted(spoken))
        yield _Blocking(code.lever, name, mentioned, tuple(sorted(spoken)), sizes)
