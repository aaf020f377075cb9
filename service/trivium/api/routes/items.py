"""The items of a batch as they are answered: JSON, NDJSON or CSV, each with a summary at its end."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec

from trivium.api.http.responses import CSV, JSON, NDJSON
from trivium.api.openapi.components import REF
from trivium.api.routes.recommend import ANSWER
from trivium.errors import FieldError
from trivium.portfolio.files import as_text, guarded
from trivium.portfolio.rows import DEFAULT_COLUMNS, RowScorer
from trivium.portfolio.streams import Case
from trivium.profile import Profile
from trivium.recommendation import View, encode
from trivium.rendering import Outcome, Renderer, shared_outcome


class ItemError(msgspec.Struct, frozen=True):
    """What is wrong with one profile of a batch; pointers start at the profile."""

    code: str
    detail: str
    errors: list[FieldError]


class SucceededItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="ok"):
    """A profile that was decided."""

    index: Annotated[int, msgspec.Meta(description="Its place among the profiles sent, from 0.")]
    id: Annotated[str | None, msgspec.Meta(description="Its id, when it has one.")] = None
    result: Annotated[
        Any, msgspec.Meta(description="The recommendation.", extra_json_schema={"$ref": REF.format(name=ANSWER.name)})
    ]


class FailedItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="error"):
    """A profile that is wrong."""

    index: Annotated[int, msgspec.Meta(description="Its place among the profiles sent, from 0.")]
    id: Annotated[str | None, msgspec.Meta(description="Its id, when it has one.")] = None
    error: Annotated[ItemError, msgspec.Meta(description="What is wrong with it.")]


BatchItem = Annotated[SucceededItem | FailedItem, msgspec.Meta(title="BatchItem")]


class BatchSummary(msgspec.Struct, frozen=True):
    """Counts over a batch."""

    total: int
    succeeded: int
    failed: int
    strategies: dict[str, int]


class BatchResult(msgspec.Struct, frozen=True):
    """Per profile, in the order sent, a result or an error."""

    items: list[BatchItem]
    summary: BatchSummary


def summary_of(outcomes: Counter[Outcome], failed: int, strategies: Sequence[str]) -> BatchSummary:
    """Count what was answered."""
    counts = dict.fromkeys(strategies, 0)
    for outcome, count in outcomes.items():
        counts[outcome.strategy] += count
    succeeded = outcomes.total()
    return BatchSummary(succeeded + failed, succeeded, failed, counts)


class ItemWriter(Protocol):
    """Writes the items of a batch in one format.

    Attributes:
        opening: what comes before the first item.
    """

    opening: bytes

    def succeeded(self, index: int, profile: Profile) -> tuple[bytes, Outcome]:
        """Answer a profile."""

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        """Say what is wrong with a profile."""

    def summary(self, summary: BatchSummary) -> bytes:
        """Write the end."""

    def stopped(self, error: ItemError) -> bytes:
        """Write the end of a batch that cannot be read any further, which has no summary."""


class _JsonLines:
    """NDJSON: an item on each line."""

    opening = b""

    def __init__(self, renderer: Renderer, view: View) -> None:
        self._renderer = renderer
        self._view: View = view

    def succeeded(self, index: int, profile: Profile) -> tuple[bytes, Outcome]:
        body, advice = self._renderer.json(profile, self._view)
        result: Any = msgspec.Raw(body)  # encoded already
        return encode(SucceededItem(index=index, id=profile.id, result=result)) + b"\n", advice.outcome

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        return encode(FailedItem(index=index, id=case.id, error=error)) + b"\n"

    def summary(self, summary: BatchSummary) -> bytes:
        return b'{"summary":%b}\n' % encode(summary)

    def stopped(self, error: ItemError) -> bytes:
        return b'{"error":%b}\n' % encode(error)


class _JsonObject(_JsonLines):
    """JSON: one object with all items."""

    opening = b'{"items":['

    def succeeded(self, index: int, profile: Profile) -> tuple[bytes, Outcome]:
        item, outcome = super().succeeded(index, profile)
        return (b"," if index else b"") + item[:-1], outcome

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        return (b"," if index else b"") + super().failed(index, case, error)[:-1]

    def summary(self, summary: BatchSummary) -> bytes:
        return b'],"summary":%b}' % encode(summary)

    def stopped(self, error: ItemError) -> bytes:
        return b'],"error":%b}' % encode(error)


class _Table:
    """CSV: a row for each item, and a last one that has nothing but the summary."""

    columns = ("index", "id", *DEFAULT_COLUMNS, "summary")
    opening = f"{','.join(columns)}\r\n".encode()

    def __init__(self, renderer: Renderer) -> None:
        self._scorer = RowScorer(renderer.advisor)
        self._reference = renderer.advisor.reference
        self._text = io.StringIO()
        self._write = csv.writer(self._text).writerow

    def _row(self, cells: Sequence[Any]) -> bytes:
        self._text.seek(0)
        self._text.truncate()
        self._write([guarded(as_text(cell)) for cell in cells])
        return self._text.getvalue().encode()

    def succeeded(self, index: int, profile: Profile) -> tuple[bytes, Outcome]:
        scored = self._scorer.score(profile)
        codes = tuple(scored.cell.values["codes"])
        outcome = shared_outcome(scored.cell.strategy, scored.cell.status, codes, self._reference)
        return self._row([index, profile.id, *scored.values, None]), outcome

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        return self._row([index, case.id, *self._scorer.failed(_told(error)), None])

    def summary(self, summary: BatchSummary) -> bytes:
        return self._row([None] * (len(self.columns) - 1) + [encode(summary).decode()])

    def stopped(self, error: ItemError) -> bytes:
        return self._row([None, None, *self._scorer.failed(_told(error)), None])


def _told(error: ItemError) -> str:
    places = [f"{one.pointer[1:]}: {one.detail}" if one.pointer else one.detail for one in error.errors]
    return "; ".join(places) or error.detail


def make_writer(media_type: str, renderer: Renderer, view: View) -> ItemWriter:
    """Return what writes items as a media type; a table has the same columns in each view."""
    if media_type == CSV:
        return _Table(renderer)
    return {NDJSON: _JsonLines, JSON: _JsonObject}[media_type](renderer, view)
