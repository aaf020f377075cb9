"""An Arrow stream cut into its messages while it arrives; what they claim to hold is measured before it is read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from trivium.portfolio.ipc import (
    DICTIONARY,
    RECORDS,
    SCHEMA,
    Header,
    MalformedMessageError,
    body_length,
    read_header,
)
from trivium.portfolio.streams import StreamError, TooLargeError


MOST_METADATA = 1 << 20
"""Most bytes of the metadata of a message, such as a schema."""

MOST_BODY = 16 << 20
"""Most bytes of the body of a message, also uncompressed, and of all dictionaries of a stream together."""

MOST_ROWS = 1 << 18
"""Most rows of a record batch."""

_CONTINUES = b"\xff\xff\xff\xff"
_PREFIX = 8  # bytes: that, and the length of the metadata
_DAMAGED = "this is no Arrow stream, or it is damaged"


class Message(NamedTuple):
    """A message of a stream.

    Attributes:
        data: all of it.
        header: what it says of itself; its kind is `SCHEMA`, `DICTIONARY` or `RECORDS`.
    """

    data: bytes
    header: Header


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
                if (message.header.kind == SCHEMA) == self._begun:
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
            raise StreamError(_DAMAGED)
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
        try:
            body = body_length(bytes(rest[_PREFIX : _PREFIX + length]))
        except MalformedMessageError as error:
            raise StreamError(f"{_DAMAGED}: {error}") from None
        if body > MOST_BODY:
            raise _too_much("a message has", body)
        return _PREFIX + length + body


def _too_much(what: str, size: int) -> TooLargeError:
    detail = f"{what} {size} bytes; at most {MOST_BODY} are taken: send fewer rows in a record batch"
    return TooLargeError(detail, MOST_BODY)


def _measured(data: bytes) -> Message:
    """Return a message, with what it would take to read it."""
    (length,) = struct.unpack_from("<i", data, 4)
    try:
        header = read_header(data[_PREFIX : _PREFIX + length], memoryview(data)[_PREFIX + length :])
    except MalformedMessageError as error:
        raise StreamError(f"{_DAMAGED}: {error}") from None
    if header.kind not in {SCHEMA, DICTIONARY, RECORDS}:
        raise StreamError("the Arrow stream has a message that is no schema, dictionary or record batch")
    if header.size > MOST_BODY:
        raise _too_much("uncompressed, a message has", header.size)
    if header.rows > MOST_ROWS:
        raise TooLargeError(f"a record batch has more than {MOST_ROWS} rows: send fewer at a time", MOST_ROWS)
    return Message(data, header)
