"""Portfolios as streams: lines of NDJSON or CSV in whatever pieces they arrive, one use case after the other.

A line that is wrong is a case with an error. No more is kept than one line, or one record of CSV.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from trivium.decoding import UNDECODED, decode_outline
from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.columns import BadCell, Columns, ColumnsError, DecimalMark
from trivium.portfolio.files import delimiter_of, has_cells, named, row_of, unguarded
from trivium.profile import MOST_ID, Profile, make_profile


LONGEST_LINE = 1 << 17
"""Most bytes of a line, or of a row of CSV. A profile takes less than 4,000; the rest is for other columns. Up to here
the worst of lines, full of unknown names, takes three milliseconds and two MiB."""

MAX_SUGGESTING = 50
"""How many wrong cases get suggestions; looking for them takes longer than deciding."""


class Case(NamedTuple):
    """A use case as it was sent.

    Attributes:
        id: its own id, where it can be told.
        profile: what is known of it; None where that is wrong.
        errors: what is wrong with it.
    """

    id: str | None
    profile: Profile | None
    errors: Sequence[FieldError] = ()


class StreamError(Exception):
    """Nothing more of a stream can be read; the text says why."""


class TooLargeError(StreamError):
    """A part of a stream is larger than is taken.

    Attributes:
        limit: how large it may be.
    """

    def __init__(self, reason: str, limit: int) -> None:
        super().__init__(reason)
        self.limit = limit


class Lines:
    """Cuts a stream into lines without their ends.

    Args:
        limit: most bytes of a line.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, part: bytes) -> Iterator[bytes | None]:
        """Yield the lines that a part of the stream ends; None for one that is too long."""
        pieces = (self._rest + part).split(b"\n")
        self._rest = pieces.pop()
        for piece in pieces:
            if self._skipping or len(piece) > self._limit:
                self._skipping = False
                yield None
            else:
                yield piece.removesuffix(b"\r")
        if len(self._rest) > self._limit:
            self._skipping, self._rest = True, b""

    def end(self) -> Iterator[bytes | None]:
        """Yield the last line, where it has no end."""
        if self._skipping:
            yield None
        elif self._rest:
            yield self._rest.removesuffix(b"\r")
        self._skipping, self._rest = False, b""


class Reader(Protocol):
    """Makes cases of lines."""

    def read(self, line: bytes | None) -> Case | None:
        """Return the case that a line ends; None where it ends none.

        Args:
            line: the line; None for one that is too long.

        Raises:
            InvalidInputError: the first line does not say what the columns are.
            StreamError: what follows cannot be read.
        """

    def end(self) -> None:
        """Say that there are no more lines.

        Raises:
            StreamError: the last case is not whole.
        """


def _malformed(detail: str) -> Case:
    return Case(None, None, [FieldError("malformed", detail, pointer="")])


def _too_long(limit: int) -> str:
    return f"the line is too long: it has more than {limit} bytes"


class JsonCases:
    """Cases of decoded JSON.

    Args:
        defaults: fields for all of them; a profile's own field wins.
    """

    def __init__(self, defaults: Profile | None = None) -> None:
        shared = msgspec.structs.asdict(defaults or Profile())
        self._defaults = {name: value for name, value in shared.items() if value is not None}
        self._failed = 0

    def read(self, body: bytes) -> Case:
        """Return the case that JSON describes."""
        try:
            profile = _PROFILE.decode(body)
            if not self._defaults:
                return Case(profile.id, profile)
            own = msgspec.json.decode(body)
        except UNDECODED:
            try:
                own = decode_outline(body, Profile)
            except InvalidInputError as error:
                return Case(None, None, error.errors)
        return self.case(own)

    def case(self, own: Any) -> Case:
        """Return the case that an object describes."""
        fields = {**self._defaults, **own} if isinstance(own, dict) else own
        try:
            profile = make_profile(fields, suggest=self._failed < MAX_SUGGESTING)
        except InvalidInputError as error:
            self._failed += 1
            own_id = fields.get("id") if isinstance(fields, dict) else None
            return Case(own_id[:MOST_ID] if isinstance(own_id, str) else None, None, error.errors)
        return Case(profile.id, profile)


class NdjsonReader:
    """Reads a profile from each line.

    Args:
        limit: most bytes of a line, which is told of one that is longer.
    """

    def __init__(self, limit: int = LONGEST_LINE) -> None:
        self._limit = limit
        self._cases = JsonCases()

    def read(self, line: bytes | None) -> Case | None:
        """Return the case of a line; an empty line has none."""
        if line is None:
            return _malformed(_too_long(self._limit))
        if not line.strip():
            return None
        return self._cases.read(line)

    def end(self) -> None:
        """Do nothing: every line stands alone."""


_PROFILE = msgspec.json.Decoder(Profile)


class CsvReader:
    """Reads a table with the names of its columns in the first row; cells are read as those of files.

    Args:
        limit: most bytes of a row.
        decimal: the decimal mark of numbers; None refuses what the mark would decide.
    """

    def __init__(self, limit: int = LONGEST_LINE, decimal: DecimalMark | None = None) -> None:
        self._limit = limit
        self._decimal = decimal
        self._columns: Columns | None = None
        self._names: list[str] = []
        self._delimiter = ","
        self._lines: list[str] = []
        self._size = 0
        self._is_open = False

    def read(self, line: bytes | None) -> Case | None:
        """Return the case that a line ends; a row has several lines where quotation marks are around a line end."""
        if line is None:
            return self._damaged(_too_long(self._limit))
        try:
            text = line.decode("utf-8" if self._names else "utf-8-sig")
        except UnicodeDecodeError as error:
            return self._damaged(f"not UTF-8: {error.reason}")
        if not self._lines and not text.strip():
            return None
        self._lines.append(text)
        self._size += len(line) + 1
        self._is_open ^= text.count('"') % 2 == 1
        if not self._is_open:
            return self._row()
        if self._size > self._limit:
            raise StreamError(f"a row has more than {self._limit} bytes, or a quotation mark is not closed")
        return None

    def end(self) -> None:
        """Say that there are no more lines."""
        if self._lines:
            raise StreamError("a quotation mark is not closed")

    def _row(self) -> Case | None:
        lines, self._lines, self._size = self._lines, [], 0
        if not self._names:
            self._delimiter = delimiter_of(lines[0])
        if len(lines) > 1:
            lines = [f"{one}\n" for one in lines]
        try:
            values = next(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return self._damaged(f"the row cannot be read: {error}")
        if not has_cells(values) and self._columns is not None:
            return None
        values = [unguarded(value) for value in values]
        if self._columns is None:
            self._names = named(values)
            self._columns = _understood(self._names, self._decimal)
            return None
        row = row_of(0, self._names, values)
        found = [BadCell("", "", row.problem)] if row.problem else self._columns.profile(row.cells)
        if isinstance(found, Profile):
            return Case(found.id, found)
        errors = [FieldError(bad.code, bad.reason, pointer=bad.pointer) for bad in found]
        return Case(self._columns.id_of(row.cells), None, errors)

    def _damaged(self, detail: str) -> Case:
        """Return the case of a line that is no row; without the first one, or within a row, no other can be read."""
        if self._columns is None:
            raise InvalidInputError([FieldError("malformed", f"the row of column names: {detail}", pointer="")])
        if self._is_open:
            raise StreamError(detail)
        return _malformed(detail)


def _understood(names: list[str], decimal: DecimalMark | None) -> Columns:
    try:
        columns = Columns(names, decimal=decimal)
        problem = columns.twice(names)
    except ColumnsError as error:
        problem = error.reason
    if problem:
        raise InvalidInputError([FieldError("unknown_field", problem, pointer="")])
    return columns
