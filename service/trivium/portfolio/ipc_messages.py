"""The messages of Arrow files and streams, looked at before they are read: how large they become.

A batch is uncompressed as a whole, and PyArrow does not say how large it will be. So that is read here: a message is a
FlatBuffers table, as Message.fbs has it (https://arrow.apache.org/docs/format/Columnar.html), and a compressed buffer
begins with its size.
"""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

from trivium.portfolio.files import FileError


MOST_BATCH = 1 << 30
"""Most bytes of a compressed batch, or dictionary, when it is uncompressed."""

_DICTIONARY, _BATCH = 2, 3
_BUFFER = 16  # bytes of a description of a buffer


def count_rows(source: Any, name: str) -> int:
    """Look through the messages of a stream, and return how many rows it has.

    Args:
        source: the stream, as a `pyarrow.NativeFile` at its beginning.
        name: what messages call the file.

    Raises:
        FileError: a batch is too large.
        pyarrow.ArrowException: the stream is damaged.
    """
    rows = 0
    for message in pa.ipc.MessageReader.open_stream(source):
        try:
            length, size = _measured(message)
        except (struct.error, IndexError):
            raise pa.ArrowInvalid("a message is damaged") from None
        rows += length
        if size > MOST_BATCH:
            raise FileError(
                f"{name}: a batch has {size >> 20:,} MiB when uncompressed; write it in batches of at most "
                f"{MOST_BATCH >> 20:,} MiB, or as Parquet"
            )
    return rows


def _measured(message: Any) -> tuple[int, int]:
    """Return the rows of a message, and its bytes when a compressed one is uncompressed."""
    table = _Table.root(memoryview(message.metadata))
    kind = table.number(1, "<B")
    header = table.table(2)
    if kind == _DICTIONARY and header is not None:
        header = header.table(1)
    if kind not in {_DICTIONARY, _BATCH} or header is None:
        return 0, 0
    rows = header.number(0, "<q") if kind == _BATCH else 0
    if header.table(3) is None:  # not compressed, and so in the file as it is
        return rows, 0
    body = memoryview(message.body)
    size = 0
    for offset, length in header.pairs(2):
        if length > 0:
            (uncompressed,) = struct.unpack_from("<q", body, offset)
            size += length if uncompressed < 0 else uncompressed
    return rows, size


class _Table:
    """A FlatBuffers table.

    Args:
        data: what it is in.
        at: where it begins.
    """

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._read(at, "<i")
        self._size = self._read(self._fields, "<H")

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        """Return the outermost table."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def number(self, field: int, form: str) -> int:
        """Return a number; 0 where the field is left out."""
        at = self._place(field)
        return 0 if at is None else self._read(at, form)

    def table(self, field: int) -> _Table | None:
        """Return a table; None where the field is left out."""
        at = self._place(field)
        return None if at is None else _Table(self._data, at + self._read(at, "<I"))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return a vector of structs of two numbers of eight bytes."""
        at = self._place(field)
        if at is None:
            return []
        at += self._read(at, "<I")
        count = self._read(at, "<I")
        return list(struct.iter_unpack("<qq", self._data[at + 4 : at + 4 + count * _BUFFER]))

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        offset = self._read(self._fields + entry, "<H") if entry < self._size else 0
        return self._at + offset if offset else None

    def _read(self, at: int, form: str) -> int:
        if at < 0:
            raise IndexError(at)
        value: int = struct.unpack_from(form, self._data, at)[0]
        return value
