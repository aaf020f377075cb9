"""Portfolios in files: reading rows, writing rows under a temporary name, and both by the name's extension.

A row is a mapping of column to cell, with its number as a spreadsheet or an editor shows it. What is wrong with one row
is told of that row; what makes a whole file doubtful is a `FileError`.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TextIO, TypeAlias

import msgspec

from trivium.errors import TriviumError
from trivium.recommendation import encode


MOST_LINE = 1 << 20
"""Most characters of a line, and of a cell."""

MOST_JSON = 64 << 20
"""Most bytes of a JSON file, which is read whole."""

NAMES_READ = 1 << 16
"""Bytes looked at to tell what a file is."""


class FileError(TriviumError):
    """A file cannot be read or written; the text names it and says what to do."""

    code = "invalid_file"


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        number: its number: the first row of a table is that of the names, the first line and the first item are 1.
        cells: column to cell.
        problem: what is wrong with the row itself; empty where it can be read.
    """

    number: int
    cells: dict[str, Any]
    problem: str = ""


class Table(NamedTuple):
    """What a file holds: names of columns where it has a row of them, and its rows."""

    names: list[str] | None
    rows: Iterator[Row]


Reader: TypeAlias = Callable[[IO[bytes], str], Table]


# Text


def decoded(file: IO[bytes], name: str) -> Iterator[str]:
    """Yield the lines of a file with their ends: UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        FileError: it is in another encoding, or a line is too long.
    """
    start = file.read(4)
    file.seek(0)
    is_utf16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if is_utf16 else "utf-8-sig")()
    number, rest = 1, ""
    while True:
        part = file.read(NAMES_READ)
        try:
            text = rest + decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(error.encoding, errors="ignore")
            line = number + len(_ENDS.findall(rest + good))
            raise FileError(
                f"{name}: line {line} is not {'UTF-16' if is_utf16 else 'UTF-8'}: save the file as UTF-8"
            ) from None
        if not is_utf16 and "\0" in text:
            raise FileError(f"{name}: it has null characters: save the file as UTF-8 text")
        if not part:
            if rest := text:
                yield rest
            return
        # A carriage return at the end may be half of a line end.
        held = text.endswith("\r")
        lines = _LINE.findall(text[:-1] if held else text)
        rest = lines.pop() if lines and not lines[-1].endswith(("\n", "\r")) else ""
        if held:
            rest += "\r"
        if len(rest) > MOST_LINE:
            raise FileError(f"{name}: line {number + len(lines)} has more than {MOST_LINE:,} characters")
        number += len(lines)
        yield from lines


_ENDS = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


# Tables of text


def _read_csv(file: IO[bytes], name: str) -> Table:
    return _read_table(file, name, None)


def _read_tsv(file: IO[bytes], name: str) -> Table:
    return _read_table(file, name, "\t")


def _read_table(file: IO[bytes], name: str, delimiter: str | None) -> Table:
    lines = decoded(file, name)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise FileError(f"{name}: the file is empty")
    delimiter = delimiter or delimiter_of(first)
    csv.field_size_limit(MOST_LINE)
    read = csv.reader(_chained(first, lines), delimiter=delimiter, strict=True)
    try:
        header = [unguarded(cell) for cell in next(read)]
    except csv.Error as error:
        raise FileError(f"{name}: the row of column names cannot be read: {error}") from None
    names = named(header)
    return Table(names, _table_rows(read, names, name))


def delimiter_of(line: str) -> str:
    """Return what the first line of a table has most of: commas, semicolons or tabs."""
    return max(",;\t", key=re.sub(r'"[^"]*"', "", line).count)


def _chained(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def named(header: Iterable[Any]) -> list[str]:
    """Return the names of columns; one without a name is called after its place."""
    names = ["" if one is None else str(one).strip() for one in header]
    while names and not names[-1]:
        names.pop()  # spreadsheets leave empty columns at the right
    return [name or f"column_{place}" for place, name in enumerate(names, 1)]


def _table_rows(read: Iterator[list[str]], names: Sequence[str], name: str) -> Iterator[Row]:
    number = 1
    while True:
        number += 1
        try:
            values = next(read)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field larger" in str(error):
                raise FileError(f"{name}: row {number}: a quotation mark is not closed") from None
            yield Row(number, {}, f"the row cannot be read: {error}")
            continue
        if has_cells(values):
            yield row_of(number, names, [unguarded(value) for value in values])


def has_cells(values: Sequence[str]) -> bool:
    """Say whether a row of text has any cell; spreadsheets write rows of nothing but delimiters."""
    return any(map(str.strip, values))


def row_of(number: int, names: Sequence[str], values: Sequence[Any]) -> Row:
    """Make a row of a table; one with more cells than there are columns is wrong."""
    cells = dict(zip(names, values, strict=False))
    if any(value not in ("", None) for value in values[len(names) :]):
        return Row(number, cells, f"the row has {len(values)} cells, and there are {len(names)} columns")
    if len(values) < len(names):
        return Row(number, cells, f"the row has {len(values)} cells only, and there are {len(names)} columns")
    return Row(number, cells)


# JSON


def _read_ndjson(file: IO[bytes], name: str) -> Table:
    return Table(None, _ndjson_rows(file, name))


def _ndjson_rows(file: IO[bytes], name: str) -> Iterator[Row]:
    empty = True
    for number, line in enumerate(decoded(file, name), 1):
        if not line.strip():
            continue
        empty = False
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            yield Row(number, {}, f"not JSON: {str(error)[:200]}")
            continue
        yield object_row(number, value)
    if empty:
        raise FileError(f"{name}: the file is empty")


def object_row(number: int, value: Any) -> Row:
    """Make a row of a JSON value: an object whose `costs` are spread over columns."""
    if not isinstance(value, dict):
        return Row(number, {}, "expected a JSON object")
    if isinstance(costs := value.get("costs"), dict):
        value = {name: cell for name, cell in value.items() if name != "costs"}
        value |= {f"costs.{name}": cell for name, cell in costs.items()}
    return Row(number, value)


def _read_json(file: IO[bytes], name: str) -> Table:
    body = file.read(MOST_JSON + 1)
    if len(body) > MOST_JSON:
        raise FileError(f"{name}: a JSON file is read whole, and may have {MOST_JSON >> 20} MiB; write NDJSON instead")
    if not body.strip():
        raise FileError(f"{name}: the file is empty")
    try:
        found = msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FileError(f"{name}: not JSON: {error}") from None
    items = found.get("profiles") if isinstance(found, dict) else found
    if not isinstance(items, list):
        raise FileError(f"{name}: expected an array of objects, or an object with such an array as `profiles`")
    return Table(None, (object_row(number, item) for number, item in enumerate(items, 1)))


def _read_excel(file: IO[bytes], name: str) -> Table:
    from trivium.portfolio.excel import read_excel  # noqa: PLC0415 - for what few use

    return read_excel(file, name)


def _read_parquet(file: IO[bytes], name: str) -> Table:
    return _read_arrow(file, name, "parquet")


def _read_feather(file: IO[bytes], name: str) -> Table:
    return _read_arrow(file, name, "feather")


def _read_arrow(file: IO[bytes], name: str, kind: str) -> Table:
    try:
        from trivium.portfolio.arrow_input import read_rows  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _without_arrow(error, f"{name}: ") from None
    return read_rows(file, name, kind)


def _without_arrow(error: ModuleNotFoundError, where: str = "") -> Exception:
    """Return what to raise where a module is missing."""
    if error.name not in {"numpy", "pyarrow"}:
        return error
    return FileError(f"{where}Parquet and Feather files need the extra `arrow`: pip install '.[arrow]'")


READERS: dict[str, Reader] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "ndjson": _read_ndjson,
    "json": _read_json,
    "xlsx": _read_excel,
    "parquet": _read_parquet,
    "feather": _read_feather,
}

COLUMNAR = frozenset({"parquet", "feather"})
"""Formats that are read and written as record batches, by `columnar`."""


# Writing


class Writer(Protocol):
    """Writes rows of a known set of columns."""

    def write(self, cells: Mapping[str, Any]) -> None:
        """Write a row."""

    def close(self) -> None:
        """Write what comes after the last row."""

    def discard(self) -> None:
        """Give up what is not closed yet."""


class _TableWriter:
    """CSV or TSV. Cells that a spreadsheet would take for formulas begin with an apostrophe."""

    def __init__(self, file: TextIO, names: Sequence[str], delimiter: str, *, resumed: bool) -> None:
        self._names = names
        self._write = csv.writer(file, delimiter=delimiter).writerow  # lines end as RFC 4180 has it
        if not resumed:
            self._write([guarded(name) for name in names])

    def write(self, cells: Mapping[str, Any]) -> None:
        self._write([guarded(as_text(cells.get(name))) for name in self._names])

    def close(self) -> None:
        pass

    def discard(self) -> None:
        pass


class _LineWriter:
    """NDJSON."""

    def __init__(self, file: TextIO, *, resumed: bool) -> None:
        del resumed
        self._file = file

    def write(self, cells: Mapping[str, Any]) -> None:
        self._file.write(encode(cells).decode() + "\n")

    def close(self) -> None:
        pass

    def discard(self) -> None:
        pass


class _JsonWriter:
    """A JSON array, an item a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._before = "[\n"

    def write(self, cells: Mapping[str, Any]) -> None:
        self._file.write(self._before + encode(cells).decode())
        self._before = ",\n"

    def close(self) -> None:
        self._file.write("[]\n" if self._before == "[\n" else "\n]\n")

    def discard(self) -> None:
        pass


def as_text(value: Any) -> str:
    """Write a value into a cell of text: lists with semicolons, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ";".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}]")
_PLAIN_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?", re.ASCII)


def guarded(text: str) -> str:
    """Keep a text from being run as a formula when a spreadsheet opens it; numbers and a lone `-` stay as they are.

    A text that looks as if it were guarded already is guarded too, so that `unguarded` always gives the text back.
    """
    return f"'{text}" if _FORMULA.match(text) and not (text == "-" or _PLAIN_NUMBER.fullmatch(text)) else text


def unguarded(text: str) -> str:
    """Return a text as it was before it was guarded."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text


WRITERS = ("csv", "tsv", "ndjson", "json", "xlsx", "parquet", "feather")
RESUMABLE = frozenset({"csv", "tsv", "ndjson"})
"""Formats that a stopped run can go on with."""


def make_writer(
    kind: str,
    file: TextIO,
    names: Sequence[str],
    *,
    resumed: bool = False,
    schema: Callable[[], Any] | None = None,
    footer: Callable[[], Mapping[str, str]] | None = None,
) -> Writer:
    """Return a writer of a format.

    Args:
        kind: the format.
        file: takes the rows.
        names: the columns.
        resumed: whether the file has rows already.
        schema: gives the types of the columns, for a columnar format.
        footer: gives what to note in the footer of a Parquet file, after the last row.

    Raises:
        FileError: the extra that the format needs is not installed.
    """
    if kind in COLUMNAR and schema is not None:
        return _row_writer(kind, file, schema, footer)
    if kind == "ndjson":
        return _LineWriter(file, resumed=resumed)
    if kind == "json":
        return _JsonWriter(file)
    if kind == "xlsx":
        from trivium.portfolio.excel import ExcelWriter  # noqa: PLC0415 - for what few use

        return ExcelWriter(file.buffer, names)
    return _TableWriter(file, names, "\t" if kind == "tsv" else ",", resumed=resumed)


def _row_writer(
    kind: str, file: TextIO, schema: Callable[[], Any], footer: Callable[[], Mapping[str, str]] | None
) -> Writer:
    try:
        from trivium.portfolio.arrow_output import RowWriter  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _without_arrow(error) from None
    return RowWriter(file.buffer, kind, schema(), footer)


def sync(file: IO[Any]) -> None:
    """Have what was written reach the disk."""
    file.flush()
    os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, and rename it.

    Raises:
        FileError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            sync(file)
        part.replace(path)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
