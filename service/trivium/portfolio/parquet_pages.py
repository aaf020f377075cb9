"""The pages of Parquet files, looked at before they are read: how large they become, and how many rows to read at once.

PyArrow says how large a column chunk claims to be, and not how large its pages are when they are uncompressed, which is
what reading allocates; and of some damaged footers it dies. So footers and the headers of pages are read here: Thrift
structs in the compact protocol, as parquet.thrift and thrift-compact-protocol.md have them
(https://github.com/apache/parquet-format).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from trivium.portfolio.files import FileError


MOST_PAGE = 128 << 20
"""Most bytes of a page when it is uncompressed."""

MOST_BATCH = 64 << 20
"""Bytes of values to read at once, as far as pages tell."""

_HEADER = 1 << 10
_LONG_HEADER = 1 << 24  # statistics may hold long values

_DICTIONARY_PAGE = 2
_INDEXED = frozenset({2, 8})  # PLAIN_DICTIONARY, RLE_DICTIONARY
_PREFIXED = 7  # DELTA_BYTE_ARRAY repeats what a value begins with
_FIXED = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}  # BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE
_END = 8  # bytes after the footer
_LEVELS = 8  # bytes that an entry of a list takes at least


class Stored(NamedTuple):
    """Where a column of a row group is.

    Attributes:
        name: the column.
        kind: the number of its physical type.
        values: how many values it has, null among them.
        start: where its first page begins.
        size: the bytes of its pages in the file.
    """

    name: str
    kind: int
    values: int
    start: int
    size: int


class RowGroup(NamedTuple):
    """A row group: its rows, and its columns in the order of the schema."""

    rows: int
    columns: list[Stored]


class Page(NamedTuple):
    """A page.

    Attributes:
        kind: 0 and 3 hold data, 2 is a dictionary.
        size: its bytes when uncompressed.
        values: how many values it has, null among them.
        encoding: how they are written.
    """

    kind: int
    size: int
    values: int
    encoding: int


class Chunk(NamedTuple):
    """What the pages of a column in a row group say.

    Attributes:
        indexed: whether all values come from the dictionary.
        dictionary: bytes of the dictionary; 0 where there is none.
        density: most bytes of a value, on the average of a page, of those that do not come from the dictionary.
    """

    indexed: bool
    dictionary: int
    density: float


def read_footer(file: IO[bytes], names: Sequence[str], name: str) -> list[RowGroup]:
    """Read the row groups of a file.

    Args:
        file: the Parquet file.
        names: the columns, in the order of the schema.
        name: what messages call the file.

    Raises:
        FileError: the footer is damaged.
    """
    try:
        file.seek(-_END, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-_END - length, 2)
        return [_row_group(one, names) for one in _Compact(file.read(length)).struct()[4]]
    except (IndexError, KeyError, TypeError, ValueError, OSError):
        raise FileError(f"{name}: it is no Parquet file, or damaged: its footer cannot be read") from None


def _row_group(fields: dict[int, Any], names: Sequence[str]) -> RowGroup:
    """Return a row group; see RowGroup, ColumnChunk and ColumnMetaData in parquet.thrift."""
    columns = []
    for column, name in zip(fields[1], names, strict=True):
        described = column[3]
        start = _integer(described[9])
        if dictionary := described.get(11):
            start = min(start, _integer(dictionary))
        columns.append(Stored(name, _integer(described[1]), _integer(described[5]), start, _integer(described[7])))
    return RowGroup(_integer(fields[3]), columns)


def read_chunk(file: IO[bytes], column: Stored, name: str) -> Chunk:
    """Look through the pages of a column of a row group.

    Args:
        file: the Parquet file.
        column: where the pages are.
        name: what messages call the file.

    Raises:
        FileError: a page is too large, or the chunk is damaged.
    """
    indexed, dictionary, density = True, 0, 0.0
    for page in _pages(file, column, name):
        if page.size > MOST_PAGE:
            raise FileError(
                f"{name}: a page of column `{column.name}` has {page.size >> 20:,} MiB when uncompressed; "
                f"write it with pages of at most {MOST_PAGE >> 20} MiB"
            )
        if page.kind == _DICTIONARY_PAGE:
            dictionary = page.size
        elif page.encoding not in _INDEXED:
            indexed = False
            long = page.encoding == _PREFIXED
            density = max(density, 1 << 20 if long else page.size / max(page.values, 1))
    return Chunk(indexed and dictionary > 0, dictionary, density)


def width(column: Stored, chunk: Chunk, rows: int, longest: int | None, length: int) -> float:
    """Return how many bytes a row takes in a column at most, on the average of a page.

    Args:
        column: the column.
        chunk: what its pages say.
        rows: the rows of the row group.
        longest: the longest value of the dictionary; None where that is not known.
        length: of values that all have the same; else 0.
    """
    fixed = _FIXED.get(column.kind, length or None)
    of_value = fixed if fixed is not None else max(chunk.density, chunk.dictionary if longest is None else longest)
    entries = column.values / max(rows, 1)
    return of_value + 1 if entries <= 1 else entries * (of_value + _LEVELS)


def _pages(file: IO[bytes], column: Stored, name: str) -> Iterator[Page]:
    at, end = column.start, column.start + column.size
    while at < end:
        try:
            page, length = _header(file, at)
        except (IndexError, ValueError):
            raise FileError(f"{name}: it is damaged: column `{column.name}` has no page at {at}") from None
        yield page
        at += length


def _header(file: IO[bytes], at: int) -> tuple[Page, int]:
    """Return a page, and the bytes that it takes in the file with its header.

    Raises:
        IndexError: the file ends within the header.
        ValueError: it is no header.
    """
    for size in (_HEADER, _LONG_HEADER):
        file.seek(at)
        header = _Compact(file.read(size))
        try:
            fields = header.struct()
        except IndexError:
            if size == _LONG_HEADER:
                raise
            continue
        break
    kind, uncompressed, compressed = (_integer(fields.get(key)) for key in (1, 2, 3))
    of_kind: dict[int, Any] = next((fields[key] for key in (5, 7, 8) if isinstance(fields.get(key), dict)), {})
    encoding = of_kind.get(4 if 8 in fields else 2, 0)  # noqa: PLR2004 - the second version counts nulls and rows first
    return Page(kind, uncompressed, _integer(of_kind.get(1, 0)), encoding), header.at + compressed


def _integer(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("expected a size")
    return value


class _Compact:
    """Reads values of the compact protocol.

    Args:
        data: where they are.

    Attributes:
        at: where the next one is.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MOST_STRUCTS
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a struct by their numbers; of texts only that they are there.

        Raises:
            IndexError: the data ends.
            ValueError: it is no struct.
        """
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise ValueError("too many structs")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == _TRUE if kind in _FLAGS else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._signed()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _LISTS:
            return self._list(depth)
        if kind == _BINARY:
            self._skip(self._unsigned())
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind in {*_FLAGS, _BYTE}:
            self._skip(1)
        else:
            raise ValueError("there is no such type")
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4
        if count == _LONG:
            count = self._unsigned()
        if count > len(self._data) - self.at:  # each takes a byte at least
            raise IndexError
        return [self._value(head & 15, depth) for _ in range(count)]

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _unsigned(self) -> int:
        value = shift = 0
        while shift < _BITS:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the highest bit says that there are more
                return value
            shift += 7
        raise ValueError("a number is too long")

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)


_TRUE = 1
_FLAGS = frozenset({1, 2})
_BYTE = 3
_INTEGERS = frozenset({4, 5, 6})
_DOUBLE = 7
_BINARY = 8
_LISTS = frozenset({9, 10})
_STRUCT = 12
_LONG = 15
_DEEPEST = 12
_BITS = 70
_MOST_STRUCTS = 1 << 22
