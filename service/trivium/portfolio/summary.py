"""What a portfolio comes to: strategies, what is in the way of levers, and the questions that would settle most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import msgspec

from trivium.portfolio.rows import Scored


class Block(msgspec.Struct):
    """A reason for which a lever is blocked or waits, and for how many projects."""

    lever: str
    code: str
    says: str
    projects: int = 0


class Asked(msgspec.Struct):
    """A question, for how many projects it comes first, and for how many of these an answer alone can settle."""

    input: str
    question: str
    projects: int = 0
    settles: int = 0


class Summary(msgspec.Struct):
    """Counts over a portfolio. Its size does not depend on how many projects there are.

    Attributes:
        projects: rows that were scored.
        rejected: rows that were not.
        strategies: projects by strategy.
        settled_by: of these, projects whose strategy no open question can change.
        blocks: what is in the way, by rationale code and what it says.
        questions: the first open questions, by input.
    """

    strategies: dict[str, int]
    settled_by: dict[str, int]
    projects: int = 0
    rejected: int = 0
    blocks: dict[str, Block] = {}
    questions: dict[str, Asked] = {}

    @classmethod
    def of(cls, strategies: Iterable[str]) -> Self:
        """Return the summary of nothing yet, by the strategies of a policy."""
        names = list(strategies)
        return cls(dict.fromkeys(names, 0), dict.fromkeys(names, 0))

    @property
    def settled(self) -> int:
        """How many projects are settled."""
        return sum(self.settled_by.values())

    def add(self, scored: Scored) -> None:
        """Count a project."""
        cell = scored.cell
        self.projects += 1
        self.strategies[cell.strategy] += 1
        self.settled_by[cell.strategy] += cell.status == "settled"
        for one in cell.blockers:
            key = f"{one.code} {one.says}"  # what a code says depends on the bands of its inputs
            block = self.blocks.get(key)
            if block is None:
                block = self.blocks[key] = Block(one.lever, one.code, one.says)
            block.projects += 1
        if (question := cell.question) is not None:
            asked = self.questions.get(question.input)
            if asked is None:
                asked = self.questions[question.input] = Asked(question.input, question.question)
            asked.projects += 1
            asked.settles += any(answer.settles for answer in question.answers)

    def merge(self, other: Summary) -> None:
        """Add the counts of another part of the same portfolio, by the same policy."""
        self.projects += other.projects
        self.rejected += other.rejected
        for mine, counts in ((self.strategies, other.strategies), (self.settled_by, other.settled_by)):
            for name, count in counts.items():
                mine[name] = mine.get(name, 0) + count
        for key, block in other.blocks.items():
            self.blocks.setdefault(key, Block(block.lever, block.code, block.says)).projects += block.projects
        for name, asked in other.questions.items():
            own = self.questions.setdefault(name, Asked(asked.input, asked.question))
            own.projects += asked.projects
            own.settles += asked.settles

    def most_blocking(self) -> list[Block]:
        """Return what is in the way, most projects first."""
        return sorted(self.blocks.values(), key=lambda block: (-block.projects, block.code, block.says))

    def most_asked(self) -> list[Asked]:
        """Return the questions, those first whose answers can settle most projects."""
        return sorted(self.questions.values(), key=lambda asked: (-asked.settles, -asked.projects, asked.input))

    def shown(self) -> dict[str, Any]:
        """Return the summary as JSON has it: lists in the order worth reading."""
        return {
            "projects": self.projects,
            "rejected": self.rejected,
            "strategies": self.strategies,
            "settled": self.settled,
            "provisional": self.projects - self.settled,
            "blocks": self.most_blocking(),
            "questions": self.most_asked(),
        }
