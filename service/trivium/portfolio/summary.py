"""What a portfolio comes to: strategies, what is in the way of levers, and the questions that would settle most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec

from trivium.policy.language.texts import Slot, fill
from trivium.portfolio.rows import Blocker, Scored


class Block(msgspec.Struct):
    """A reason for which a lever is blocked or waits, and for how many projects.

    Attributes:
        lever: the lever.
        code: the rationale code.
        parts: the message of the code; in the place of each input that it speaks of, the phrases of all bands that
            these projects are in.
        projects: how many projects.
    """

    lever: str
    code: str
    parts: list[str | dict[int, str]]
    projects: int = 0

    @classmethod
    def of(cls, blocker: Blocker) -> Self:
        """Return the block of a reason, for no project yet."""
        return cls(blocker.lever, blocker.code, [part if isinstance(part, str) else {} for part in blocker.parts])

    def add(self, blocker: Blocker, projects: int = 1) -> None:
        """Count projects that have the reason."""
        self.projects += projects
        for own, part in zip(self.parts, blocker.parts, strict=True):
            if isinstance(own, dict) and isinstance(part, tuple):
                own[part[0]] = part[1]

    def merge(self, other: Block) -> None:
        """Add the projects of another part of the same portfolio."""
        self.projects += other.projects
        for own, part in zip(self.parts, other.parts, strict=True):
            if isinstance(own, dict) and isinstance(part, dict):
                own.update(part)

    @property
    def says(self) -> str:
        """What the code says of all these projects."""
        text = tuple(
            part if isinstance(part, str) else Slot("input", either([part[band] for band in sorted(part)]))
            for part in self.parts
        )
        return fill(text, lambda slot: slot.name)


def either(phrases: Sequence[str]) -> str:
    """Join phrases by "or"; words that all of them begin with are said once.

    So are words that all end with, unless these may belong to different clauses: where the phrases have the same
    beginning, or each has a number.
    """
    if len(phrases) == 1:
        return phrases[0]
    split = [phrase.split(" ") for phrase in phrases]
    begin = _shared(split)
    is_same_clause = begin > 0 or all(any(map(str.isdigit, phrase)) for phrase in phrases)
    end = _shared([words[begin:][::-1] for words in split]) if is_same_clause else 0
    rest = [" ".join(words[begin : len(words) - end]) for words in split]
    joined = f"{', '.join(rest[:-1])} or {rest[-1]}"
    return " ".join([*split[0][:begin], joined, *split[0][len(split[0]) - end :]])


def _shared(split: Sequence[Sequence[str]]) -> int:
    """Return how many words all begin with, so that each keeps one of its own."""
    most = min(map(len, split)) - 1
    return next((at for at in range(most) if len({words[at] for words in split}) > 1), most)


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
        blocks: what is in the way, by rationale code.
        questions: the first open questions, by input.
        columns: the columns of the inputs, each with the field that it gives; None where it gives none.
    """

    strategies: dict[str, int]
    settled_by: dict[str, int]
    projects: int = 0
    rejected: int = 0
    blocks: dict[str, Block] = {}
    questions: dict[str, Asked] = {}
    columns: dict[str, str | None] = {}

    @classmethod
    def of(cls, strategies: Iterable[str], columns: Mapping[str, str | None] | None = None) -> Self:
        """Return the summary of nothing yet, by the strategies of a policy and the columns of the inputs."""
        names = list(strategies)
        return cls(dict.fromkeys(names, 0), dict.fromkeys(names, 0), columns=dict(columns or {}))

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
            block = self.blocks.get(one.code)
            if block is None:
                block = self.blocks[one.code] = Block.of(one)
            block.add(one)
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
        for code, block in other.blocks.items():
            if (known := self.blocks.get(code)) is None:
                empty: list[str | dict[int, str]] = [part if isinstance(part, str) else {} for part in block.parts]
                known = self.blocks[code] = Block(block.lever, code, empty)
            known.merge(block)
        for name, asked in other.questions.items():
            own = self.questions.setdefault(name, Asked(asked.input, asked.question))
            own.projects += asked.projects
            own.settles += asked.settles
        if not self.columns:
            self.columns = dict(other.columns)
        elif other.columns and list(other.columns) != list(self.columns):  # the order does not depend on that of parts
            self.columns = dict(sorted((self.columns | other.columns).items()))

    def most_blocking(self) -> list[Block]:
        """Return what is in the way, most projects first."""
        return sorted(self.blocks.values(), key=lambda block: (-block.projects, block.code))

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
            "blocks": [
                {"lever": block.lever, "code": block.code, "says": block.says, "projects": block.projects}
                for block in self.most_blocking()
            ],
            "questions": self.most_asked(),
            "columns": [{"column": name, "field": field} for name, field in self.columns.items()],
        }
