"""The items of a batch as they are written: JSON, NDJSON, CSV or Arrow, each with a summary at its end."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec

from trivium.api.http.problems import ProblemError
from trivium.api.http.responses import ARROW, CSV, JSON, NDJSON
from trivium.errors import FieldError
from trivium.portfolio.files import as_text, guarded
from trivium.portfolio.streams import Case
from trivium.recommendation import encode


Index = Annotated[int, msgspec.Meta(description="Its place among the profiles sent, from 0.")]
Id = Annotated[str | None, msgspec.Meta(description="Its id, when it has one.")]


class ItemError(msgspec.Struct, frozen=True):
    """What is wrong with one profile of a batch; pointers start at the profile."""

    code: str
    detail: str
    errors: list[FieldError]


class FailedItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="status", tag="error"):
    """A profile that is wrong."""

    index: Index
    id: Id = None
    error: Annotated[ItemError, msgspec.Meta(description="What is wrong with it.")]


def item_error(problem: ProblemError) -> ItemError:
    """Return a problem as an item tells it."""
    return ItemError(problem.kind.code, problem.detail, problem.members.get("errors", []))


class ItemWriter(Protocol):
    """Writes the items of a batch in one format.

    Attributes:
        opening: what comes before the first item.
        is_cut_off: whether a batch that cannot be read any further is cut off after its end, because readers take any
            end for that of all of it.
    """

    opening: bytes
    is_cut_off: bool

    def write(self, index: int, item: Any) -> bytes:
        """Write an item: what JSON is made of, or the cells of the columns of a table. It may be kept for a while."""

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        """Say what is wrong with a profile."""

    def flush(self) -> bytes:
        """Write the items that are kept."""

    def summary(self, summary: Any) -> bytes:
        """Write the end."""

    def stopped(self, error: ItemError) -> bytes:
        """Write the end of a batch that cannot be read any further, which has no summary."""


class _AtOnce:
    """Keeps no item, and needs no cut: a reader sees that the end is missing."""

    is_cut_off = False

    def flush(self) -> bytes:
        """Write nothing: no item is kept."""
        return b""


class JsonLines(_AtOnce):
    """NDJSON: an item on each line."""

    opening = b""

    def write(self, index: int, item: Any) -> bytes:
        """Write an item."""
        del index
        return encode(item) + b"\n"

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        """Say what is wrong with a profile."""
        return self.write(index, FailedItem(index=index, id=case.id, error=error))

    def summary(self, summary: Any) -> bytes:
        """Write the last line."""
        return b'{"summary":%b}\n' % encode(summary)

    def stopped(self, error: ItemError) -> bytes:
        """Write the last line of what cannot be read any further."""
        return b'{"error":%b}\n' % encode(error)


class JsonObject(JsonLines):
    """JSON: one object with all items."""

    opening = b'{"items":['

    def write(self, index: int, item: Any) -> bytes:
        """Write an item."""
        return (b"," if index else b"") + encode(item)

    def summary(self, summary: Any) -> bytes:
        """Write the end of the object."""
        return b'],"summary":%b}' % encode(summary)

    def stopped(self, error: ItemError) -> bytes:
        """Write the end of the object of what cannot be read any further."""
        return b'],"error":%b}' % encode(error)


class Table(_AtOnce):
    """CSV: a row for each item, and a last one that has nothing but the summary.

    Args:
        columns: the columns of an item between `index` and `id`, and `summary`; `error` is one of them.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._text = io.StringIO()
        self._write = csv.writer(self._text).writerow
        self.opening = self._row(["index", "id", *columns, "summary"])

    def write(self, index: int, item: Any) -> bytes:
        """Write a row: the id and the cells of the columns."""
        return self._row([index, *item, None])

    def failed(self, index: int, case: Case, error: ItemError) -> bytes:
        """Say what is wrong with a profile."""
        return self._row([index, case.id, *self._only("error", error_text(error)), None])

    def summary(self, summary: Any) -> bytes:
        """Write the last row."""
        return self._row([None, None, *self._only("", ""), encode(summary).decode()])

    def stopped(self, error: ItemError) -> bytes:
        """Write the last row of what cannot be read any further."""
        return self._row([None, None, *self._only("error", error_text(error)), None])

    def _only(self, column: str, text: str) -> list[str | None]:
        return [text if name == column else None for name in self._columns]

    def _row(self, cells: Sequence[Any]) -> bytes:
        self._text.seek(0)
        self._text.truncate()
        self._write([guarded(as_text(cell)) for cell in cells])
        return self._text.getvalue().encode()


def error_text(error: ItemError) -> str:
    """Return what is wrong with a profile as a cell of a table tells it."""
    places = [f"{one.pointer[1:]}: {one.detail}" if one.pointer else one.detail for one in error.errors]
    return "; ".join(places) or error.detail


TABLES = frozenset({CSV, ARROW})
"""Media types whose items are cells of columns."""


def make_writer(media_type: str, columns: Sequence[str]) -> ItemWriter:
    """Return what writes items as a media type.

    Args:
        media_type: JSON, NDJSON, CSV or Arrow, which needs the extra `arrow`.
        columns: the columns of a table.
    """
    if media_type == ARROW:
        from trivium.api.batches.arrow_items import ArrowTable  # noqa: PLC0415 - an extra

        return ArrowTable(columns)
    if media_type == CSV:
        return Table(columns)
    return {NDJSON: JsonLines, JSON: JsonObject}[media_type]()
