"""The first projects of a portfolio found on arrays: only rows that can be among them become profiles.

Doubles tell the payback, which is rounded down to hundredths, but for a few rows close to the edge between two of them.
Those are looked at more closely where either value would make a difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trivium.portfolio.arrow import Answers, Scorer
from trivium.portfolio.arrow_input import Piece, cell_of
from trivium.portfolio.cells import CellReader
from trivium.portfolio.job import Job, Source
from trivium.portfolio.lookup import Column
from trivium.portfolio.ranking import MOST_RANKED, Ranking
from trivium.portfolio.values import numbers
from trivium.profile import Profile


class Candidates:
    """Ranks projects batch by batch.

    Args:
        job: the portfolio.
        scorer: the policy.
        ranking: takes the first projects.
    """

    def __init__(self, job: Job, scorer: Scorer, ranking: Ranking) -> None:
        self._job, self._scorer, self._ranking = job, scorer, ranking

    def add(self, source: Source, piece: Piece, reader: CellReader, fields: Any, answers: Answers) -> None:
        """Rank the rows of a batch that have been scored.

        Args:
            source: where they come from.
            piece: the rows.
            reader: reads them as the row path does.
            fields: the same rows as fields of profiles.
            answers: what was said of them.
        """
        fine = np.arange(answers.count) if answers.faulty is None else np.flatnonzero(~answers.faulty)
        ranking = self._ranking
        chosen = self._chosen(fields if len(fine) == answers.count else fields.take(fine)) if len(fine) else fine
        rows = fine[chosen]
        for at, row, profile in zip(chosen.tolist(), rows.tolist(), reader.profiles(piece.batch, rows), strict=True):
            assert isinstance(profile, Profile), f"the row path refuses row {piece.before + row + 1}"
            name = self._job.name_of(_cell(piece.batch, self._job.names[0], row), profile)
            economics = self._scorer.advisor.assess(profile)
            ranking.place(name, source.name, piece.before + row + 1, profile, economics, ranking.seen + at + 1)
        ranking.seen += len(fine)

    def _chosen(self, fields: Any) -> Column:
        """Return the rows that can be among the first ones."""
        at = fields.schema.get_field_index("requests_per_day")
        found = None if at < 0 else numbers(fields.column(at))
        requests = np.zeros(fields.num_rows) if found is None else np.nan_to_num(found.with_nan())
        never = np.full(fields.num_rows, np.inf)
        best, worst = self._scorer.reader.months(fields) or (never, never)
        rows = np.arange(len(requests))
        kept = self._ranking.kept
        if len(kept) == MOST_RANKED:
            soon, least, _ = kept[0].key
            rows = np.flatnonzero((best < -soon) | ((best == -soon) & (requests > least)))
        if len(rows) <= MOST_RANKED:
            return rows
        order = np.lexsort((-requests[rows], worst[rows]))  # which keeps the order of rows that are alike
        last = rows[order[MOST_RANKED - 1]]
        can = (best[rows] < worst[last]) | ((best[rows] == worst[last]) & (requests[rows] > requests[last]))
        can[order[:MOST_RANKED]] = True
        chosen: Column = rows[can]
        return chosen


def _cell(batch: Any, name: str, row: int) -> dict[str, Any]:
    """Return one cell of a row by the column's name; nothing where the file has no such column."""
    at = batch.schema.get_field_index(name)
    return {} if at < 0 else {name: cell_of(batch.column(at)[row].as_py())}
