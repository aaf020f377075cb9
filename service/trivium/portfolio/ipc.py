"""What a message of Arrow says of itself: its kind, its rows, and how large it becomes.

PyArrow unpacks a batch as a whole, and does not say how large it will be. A message has that in a table of FlatBuffers,
as Message.fbs and Schema.fbs have it (https://arrow.apache.org/docs/format/Columnar.html), and a compressed buffer
begins with its size. So a few bytes that claim to be gigabytes are noticed before anything is unpacked.
"""

from __future__ import annotations

import struct
from typing import NamedTuple


SCHEMA, DICTIONARY, RECORDS = 1, 2, 3

# The fields of the tables, by their position in the schemas.
_KIND, _HEADER, _BODY_LENGTH = 1, 2, 3
_ROWS, _BUFFERS, _COMPRESSION = 0, 2, 3
_ID, _DATA, _IS_DELTA = 0, 1, 2

_UNCOMPRESSED = -1  # the length of a buffer that is stored as it is, in a body that is compressed
_BUFFER = 16  # bytes of a description of a buffer
_LENGTH = 8  # bytes before a compressed buffer


class MalformedMessageError(ValueError):
    """A message is none, or says what cannot be."""


class Header(NamedTuple):
    """What a message says of itself.

    Attributes:
        kind: `SCHEMA`, `DICTIONARY`, `RECORDS`, or the number of another one.
        rows: of a record batch.
        size: the bytes of its body, unpacked.
        dictionary: which dictionary it is.
        is_delta: whether it adds to a dictionary that was sent before.
    """

    kind: int
    rows: int = 0
    size: int = 0
    dictionary: int = 0
    is_delta: bool = False


def body_length(metadata: bytes) -> int:
    """Return how many bytes the body of a message has.

    Raises:
        MalformedMessageError: it has no such metadata.
    """
    length = _Table.root(metadata).number(_BODY_LENGTH, "<q")
    if length < 0:
        raise _outside()
    return length


def read_header(metadata: bytes, body: memoryview) -> Header:
    """Read what a message says of itself.

    Args:
        metadata: its metadata.
        body: its body, packed as it is.

    Raises:
        MalformedMessageError: it says what cannot be.
    """
    table = _Table.root(metadata)
    kind, header = table.number(_KIND, "<B"), table.table(_HEADER)
    if header is None:
        raise MalformedMessageError("a message says nothing of what it is")
    if kind not in {DICTIONARY, RECORDS}:
        return Header(kind)
    records = header.table(_DATA) if kind == DICTIONARY else header
    if records is None:
        raise MalformedMessageError("a dictionary message is empty")
    size = _unpacked(records, body)
    if kind == RECORDS:
        rows = records.number(_ROWS, "<q")
        if rows < 0:
            raise _outside()
        return Header(kind, rows, size)
    return Header(kind, 0, size, header.number(_ID, "<q"), bool(header.number(_IS_DELTA, "<B")))


def _unpacked(records: _Table, body: memoryview) -> int:
    """Return how many bytes a body takes when it is unpacked."""
    if records.table(_COMPRESSION) is None:
        return len(body)
    size = 0
    for offset, length in struct.iter_unpack("<qq", records.vector(_BUFFERS, _BUFFER)):
        if length:
            if not (0 <= offset <= len(body) and _LENGTH <= length <= len(body) - offset):
                raise MalformedMessageError("a buffer is outside of its message")
            (unpacked,) = struct.unpack_from("<q", body, offset)
            if unpacked < _UNCOMPRESSED:
                raise MalformedMessageError("a compressed buffer has no length")
            size += length if unpacked == _UNCOMPRESSED else unpacked
    return size


class _Table:
    """A table of FlatBuffers.

    Raises:
        MalformedMessageError: what is asked for is outside of the data.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._read("<i", at)
        self._size = self._read("<H", self._fields)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """Return the outermost table."""
        return cls(data, _read(data, "<I", 0))

    def number(self, field: int, form: str) -> int:
        """Return a number; 0 where the field is left out."""
        at = self._place(field)
        return self._read(form, at) if at else 0

    def table(self, field: int) -> _Table | None:
        """Return a table; None where the field is left out."""
        at = self._place(field)
        return _Table(self._data, at + self._read("<I", at)) if at else None

    def vector(self, field: int, size: int) -> bytes:
        """Return the bytes of a vector of structs of a size."""
        at = self._place(field)
        if not at:
            return b""
        at += self._read("<I", at)
        count = self._read("<I", at)
        found = self._data[at + 4 : at + 4 + count * size]
        if len(found) < count * size:
            raise _outside()
        return found

    def _place(self, field: int) -> int:
        slot = 4 + 2 * field
        offset = self._read("<H", self._fields + slot) if slot < self._size else 0
        return self._at + offset if offset else 0

    def _read(self, form: str, at: int) -> int:
        return _read(self._data, form, at)


def _read(data: bytes, form: str, at: int) -> int:
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise _outside()
    number: int = struct.unpack_from(form, data, at)[0]
    return number


def _outside() -> MalformedMessageError:
    return MalformedMessageError("the metadata of a message are malformed")
