"""Portfolios in Excel workbooks: the first sheet that can be seen is read; what is written holds values only.

Nothing in a workbook is run: of formulas the results that are stored with them are read. A workbook is a compressed
archive, so before it is read its parts are measured, and a sheet is looked through for what the reader would take for
empty cells: errors, and formulas without a result.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

from trivium.portfolio.files import FileError, Row, Table, as_text, named, row_of


MOST_BYTES = 512 << 20
"""Most bytes of the parts of a workbook, uncompressed."""

MOST_CELLS = 5_000_000
"""Most cells of a sheet, empty ones too."""

MOST_ROWS = 1 << 20
"""Rows of a sheet."""

MOST_TEXT = 32_767
"""Characters of a cell."""

_EXACT = 1 << 53
"""Whole numbers up to here are exact in a workbook."""

EXTRA = "Excel files need the extra `excel`: pip install '.[excel]'"


def read_excel(file: IO[bytes], name: str) -> Table:
    """Return the table on the first visible sheet; columns to its left and right that are empty are left out.

    Raises:
        FileError: it is no workbook, is damaged or too large, or has cells whose value is not known.
    """
    try:
        import python_calamine  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: {EXTRA}") from None
    _check(file, name)
    file.seek(0)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(file)
        visible = python_calamine.SheetVisibleEnum.Visible
        sheets = [number for number, sheet in enumerate(book.sheets_metadata) if sheet.visible == visible]
        rows = enumerate(book.get_sheet_by_index(sheets[0]).iter_rows(), 1)
    except (python_calamine.CalamineError, IndexError) as error:
        raise FileError(f"{name}: the workbook cannot be read: {error}") from None
    for _, header in rows:
        if any(cell != "" for cell in header):
            names = named(header)
            return Table(names, _rows(rows, names))
    raise FileError(f"{name}: the first sheet is empty")


def _rows(rows: Iterator[tuple[int, list[Any]]], names: Sequence[str]) -> Iterator[Row]:
    for number, values in rows:
        if any(value != "" for value in values):
            yield row_of(number, names, [_value(value) for value in values])


def _value(value: Any) -> Any:
    """Return a cell as JSON has it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return str(value) if isinstance(value, date | datetime | time | timedelta) else value


def _check(file: IO[bytes], name: str) -> None:
    """Look at the parts of a workbook without keeping them."""
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(file) as archive:
            first = _first_sheet(archive)
            for member in archive.infolist():
                left -= member.file_size
                if left < 0:
                    raise FileError(f"{name}: the workbook has more than {MOST_BYTES >> 20} MiB when uncompressed")
                with archive.open(member) as part:  # which reads no more than it says, and compares the check sum
                    _look_through(part, name, is_first=member.filename == first)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, KeyError, RuntimeError) as error:
        raise FileError(f"{name}: it is no Excel workbook, or damaged: {error}") from None


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Return the part that holds the first visible sheet; nothing where that cannot be told."""
    if any(archive.getinfo(one).file_size > MOST_BYTES for one in (_BOOK, _RELATIONS)):
        return ""
    book, relations = archive.read(_BOOK).decode(errors="replace"), archive.read(_RELATIONS).decode(errors="replace")
    for sheet in re.findall(r"<(?:\w+:)?sheet\s[^>]*>", book):
        found = re.search(r'\sr:id="([^"]*)"', sheet)
        if found is None or re.search(r'\sstate="(?:hidden|veryHidden)"', sheet):
            continue
        for relation in re.findall(r"<Relationship\s[^>]*>", relations):
            target = re.search(r'\sTarget="([^"]*)"', relation)
            if f'Id="{found[1]}"' in relation and target is not None:
                return target[1].removeprefix("/") if target[1].startswith("/") else f"xl/{target[1]}"
    return ""


_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_PIECE = 1 << 20
_OVERLAP = 4096
_PLACE = re.compile(rb'<c\s[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')
_ERROR = re.compile(rb'<c\s[^>]*?\bt="e"[^>]*>')
_NO_RESULT = re.compile(rb'r="([A-Z]+\d+)"[^>]*><f(?:\s[^>]*)?(?:/>|>[^<]*</f>)(?:<v\s*/>|<v></v>)?</c>')


def _look_through(part: IO[bytes], name: str, *, is_first: bool) -> None:
    """Read a part to its end; of a sheet, refuse what would be read as something else than it is.

    Raises:
        FileError: with the cell.
    """
    before = b""
    rows = columns = 0
    while piece := part.read(_PIECE):
        text = before + piece
        before = text[-_OVERLAP:]
        for column, row in _PLACE.findall(text) if part.name.startswith("xl/worksheets/") else ():
            rows, columns = max(rows, int(row)), max(columns, _number(column))
        if rows * columns > MOST_CELLS:
            raise FileError(f"{name}: a sheet has more than {MOST_CELLS:,} cells; delete what is far out, or write CSV")
        if is_first and (found := _ERROR.search(text)):
            place = re.search(rb'\br="(\w+)"', found[0])
            cell = "a cell" if place is None else f"cell {place[1].decode()}"
            raise FileError(f"{name}: {cell} is an error, such as #N/A: correct or empty it")
        if is_first and (found := _NO_RESULT.search(text)):
            raise FileError(
                f"{name}: cell {found[1].decode()} has a formula without a result: open the file in a spreadsheet "
                "program and save it"
            )


def _number(column: bytes) -> int:
    number = 0
    for letter in column:
        number = number * 26 + letter - 64
    return number


class ExcelWriter:
    """Writes rows to the one sheet of a workbook, in constant memory.

    Args:
        file: takes the workbook.
        names: the columns.

    Raises:
        FileError: the extra is not installed.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="trivium-")
        self._book = workbook(file, {"constant_memory": True, "tmpdir": self._folder.name})
        self._sheet = self._book.add_worksheet("Projects")
        self._sheet.freeze_panes(1, 0)
        self._names = names
        self._row = 0
        self._write(dict(zip(names, names, strict=True)), self._book.add_format({"bold": True}))

    def write(self, cells: Mapping[str, Any]) -> None:
        """Write a row.

        Raises:
            FileError: the sheet is full, or a text is too long for a cell.
        """
        self._write(cells)

    def close(self) -> None:
        """Write the workbook."""
        self._sheet.autofilter(0, 0, self._row - 1, len(self._names) - 1)
        self._book.close()
        self._folder.cleanup()

    def discard(self) -> None:
        """Give the workbook up; its temporary files go with it."""
        self._book.filename = f"{self._folder.name}/discarded"
        self._book.close()
        self._folder.cleanup()

    def _write(self, cells: Mapping[str, Any], form: Any = None) -> None:
        if self._row >= MOST_ROWS:
            raise FileError(f"a sheet has {MOST_ROWS:,} rows, and there are more; write CSV")
        for column, name in enumerate(self._names):
            value = cells.get(name)
            if isinstance(value, bool):
                self._sheet.write_boolean(self._row, column, value, form)
            elif isinstance(value, int | float | Decimal) and -_EXACT <= value <= _EXACT:
                self._sheet.write_number(self._row, column, float(value), form)
            elif value is not None and value != "":
                text = as_text(value)
                if len(text) > MOST_TEXT:
                    raise FileError(f"row {self._row + 1}: `{name}` is too long for a cell; write CSV")
                self._sheet.write_string(self._row, column, text, form)
        self._row += 1


def workbook(file: Any, options: Mapping[str, Any]) -> Any:
    """Return a workbook to write, in which no text becomes a formula or a link.

    Raises:
        FileError: the extra is not installed.
    """
    try:
        import xlsxwriter  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(EXTRA) from None
    return xlsxwriter.Workbook(file, {"strings_to_formulas": False, "strings_to_urls": False, **options})
