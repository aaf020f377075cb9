"""An Arrow stream cut into its messages while it arrives; what they claim to hold is measured before it is read.

A message says in a flatbuffer how long its body is, how many rows it has, and how long its buffers are uncompressed
(https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format). So a few bytes that claim to be gigabytes
are refused before anything is kept or unpacked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from trivium.portfolio.streams import StreamError, TooLargeError


MOST_METADATA = 1 << 20
"""Most bytes of the metadata of a message, such as a schema."""

MOST_BODY = 16 << 20
"""Most bytes of the body of a message, also uncompressed, and of all dictionaries of a stream together."""

MOST_ROWS = 1 << 18
"""Most rows of a record batch."""

SCHEMA, DICTIONARY, RECORDS = 1, 2, 3

_CONTINUES = b"\xff\xff\xff\xff"
_PREFIX = 8  # bytes: that, and the length of the metadata
_UNCOMPRESSED = -1  # the length of a buffer that is stored as it is, in a body that is compressed


class Message(NamedTuple):
    """A message of a stream.

    Attributes:
        kind: `SCHEMA`, `DICTIONARY` or `RECORDS`.
        data: all of it.
        size: the bytes of its body, uncompressed.
        dictionary: which dictionary it is.
        is_delta: whether it adds to a dictionary that was sent before.
    """

    kind: int
    data: bytes
    size: int = 0
    dictionary: int = 0
    is_delta: bool = False


class Messages:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = 0
        self._begun = False
        self._ended = False

    def feed(self, part: bytes) -> Iterator[Message]:
        """Yield the messages that a part of the stream completes.

        Raises:
            StreamError: it is no Arrow stream, or a message is larger than is taken.
        """
        self._rest += part
        while self._rest and (whole := self._whole()) is not None:
            if self._ended:
                raise StreamError("there is more after the end of the Arrow stream")
            if len(whole) == _PREFIX:  # a message without metadata marks the end
                self._ended = True
            else:
                message = _measured(whole)
                if (message.kind == SCHEMA) == self._begun:
                    raise StreamError("an Arrow stream has one schema, which comes first")
                self._begun = True
                yield message

    def end(self) -> None:
        """Say that there is no more.

        Raises:
            StreamError: a message is not whole, or there is no schema.
        """
        if self._rest:
            raise StreamError("the Arrow stream ends in the middle of a message")
        if not self._begun:
            raise StreamError("the body has no Arrow stream")

    def _whole(self) -> bytes | None:
        """Take the next message, if it is whole."""
        self._needed = self._needed or self._size()
        if not self._needed or len(self._rest) < self._needed:
            return None
        whole = bytes(memoryview(self._rest)[: self._needed])
        del self._rest[: self._needed]
        self._needed = 0
        return whole

    def _size(self) -> int:
        """Return the bytes of the next message; 0 while its metadata have not arrived."""
        rest = self._rest
        if not rest.startswith(_CONTINUES[: len(rest)]):  # as writers of before 2019 do, and other formats
            raise StreamError("this is no Arrow stream, or it is damaged")
        if len(rest) < _PREFIX:
            return 0
        length: int = struct.unpack_from("<I", rest, 4)[0]
        if length > MOST_METADATA:
            detail = f"the metadata of a message has {length} bytes; at most {MOST_METADATA} are taken"
            raise TooLargeError(detail, MOST_METADATA)
        if not length:
            return _PREFIX
        if len(rest) < _PREFIX + length:
            return 0
        body = _Table.root(bytes(rest[_PREFIX : _PREFIX + length])).number(_BODY_LENGTH, "<q")
        if body < 0:
            raise _outside()
        if body > MOST_BODY:
            raise _too_much("a message has", body)
        return _PREFIX + length + body


def _too_much(what: str, size: int) -> TooLargeError:
    detail = f"{what} {size} bytes; at most {MOST_BODY} are taken: send fewer rows in a record batch"
    return TooLargeError(detail, MOST_BODY)


def _measured(data: bytes) -> Message:
    """Return a message, with what it would take to read it."""
    (length,) = struct.unpack_from("<i", data, 4)
    table, body = _Table.root(data[_PREFIX : _PREFIX + length]), memoryview(data)[_PREFIX + length :]
    kind, header = table.number(_KIND, "<B"), table.table(_HEADER)
    if header is None or kind not in {SCHEMA, DICTIONARY, RECORDS}:
        raise StreamError("the Arrow stream has a message that is no schema, dictionary or record batch")
    if kind == SCHEMA:
        return Message(kind, data)
    records = header.table(_DATA) if kind == DICTIONARY else header
    if records is None:
        raise StreamError("the Arrow stream has an empty dictionary message")
    size = _uncompressed(records, body)
    if size > MOST_BODY:
        raise _too_much("uncompressed, a message has", size)
    if not 0 <= records.number(_ROWS, "<q") <= MOST_ROWS:
        raise TooLargeError(f"a record batch has more than {MOST_ROWS} rows: send fewer at a time", MOST_ROWS)
    if kind == RECORDS:
        return Message(kind, data, size)
    return Message(kind, data, size, header.number(_ID, "<q"), bool(header.number(_IS_DELTA, "<B")))


def _uncompressed(records: _Table, body: memoryview) -> int:
    """Return how many bytes a body takes when it is unpacked."""
    if records.table(_COMPRESSION) is None:
        return len(body)
    size = 0
    for offset, length in struct.iter_unpack("<qq", records.vector(_BUFFERS, 16)):
        if length:
            if not (0 <= offset <= len(body) and 8 <= length <= len(body) - offset):  # noqa: PLR2004 - a length of 8 bytes
                raise StreamError("the Arrow stream has a buffer outside of its message")
            (unpacked,) = struct.unpack_from("<q", body, offset)
            if unpacked < _UNCOMPRESSED:
                raise StreamError("the Arrow stream has a compressed buffer without its length")
            size += length if unpacked == _UNCOMPRESSED else unpacked
    return size


# The fields of the tables, by their position in the format's schemas Message.fbs and Schema.fbs.
_KIND, _HEADER, _BODY_LENGTH = 1, 2, 3
_ROWS, _BUFFERS, _COMPRESSION = 0, 2, 3
_ID, _DATA, _IS_DELTA = 0, 1, 2


class _Table:
    """A table of a flatbuffer.

    Raises:
        StreamError: what is asked for is outside of the flatbuffer.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._read("<i", at)
        self._size = self._read("<H", self._fields)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """Return the table that a flatbuffer holds."""
        return cls(data, _read(data, "<I", 0))

    def number(self, field: int, form: str) -> int:
        """Return a number; 0 where the field is absent."""
        at = self._place(field)
        return self._read(form, at) if at else 0

    def table(self, field: int) -> _Table | None:
        """Return a table; None where the field is absent."""
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


def _outside() -> StreamError:
    return StreamError("this is no Arrow stream: the metadata of a message is malformed")
