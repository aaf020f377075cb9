"""The messages of an Arrow stream as record batches, and the rows of these as use cases.

Each batch is read on its own, with the schema and the dictionaries that came before it, so that no thread has to wait
for what has not arrived yet.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.arrow_bounds import check_spread, check_texts, of_wrong_type
from trivium.portfolio.arrow_messages import MOST_BODY, Message
from trivium.portfolio.columns import MOST_COLUMNS
from trivium.portfolio.ipc import DICTIONARY, SCHEMA
from trivium.portfolio.profiles import mappings, profile_columns
from trivium.portfolio.streams import Case, JsonCases, StreamError, TooLargeError
from trivium.portfolio.values import is_text, value_type


PIECE = 128
"""Rows that become Python values at a time: few, so that other requests need not wait for them."""


class BatchReader:
    """Reads the messages of a stream, which are given to it in their order, each in whatever thread.

    Args:
        begin: takes the `pyarrow.Schema` of all batches, and may refuse it.
    """

    def __init__(self, begin: Callable[[Any], object] = bool) -> None:
        self._begin = begin
        self._schema = b""
        self._dictionaries: dict[int, list[Message]] = {}
        self._size = 0

    def read(self, message: Message) -> Any:
        """Return the `pyarrow.RecordBatch` of a message; None for the schema, and for a dictionary.

        Raises:
            InvalidInputError: the schema has no profiles, or columns that no profile can have.
            StreamError: the message is damaged, a text is too long for a profile, or there is too much.
        """
        if message.header.kind == SCHEMA:
            self._take(message)
        elif message.header.kind == DICTIONARY:
            self._keep(message)
        else:
            return self._batch(message)
        return None

    def _take(self, message: Message) -> None:
        self._schema = message.data
        with _reading():
            schema = _opened([message.data]).schema
            if len(schema) > MOST_COLUMNS:
                detail = f"there are more than {MOST_COLUMNS} columns; leave out those that are not needed"
                raise InvalidInputError([FieldError("malformed", detail, pointer="")])
            if errors := list(of_wrong_type(schema)):
                raise InvalidInputError(errors)
            self._begin(schema)

    def _keep(self, message: Message) -> None:
        kept = self._dictionaries.setdefault(message.header.dictionary, [])
        if not message.header.is_delta:
            self._size -= sum(map(_room, kept))
            kept.clear()
        kept.append(message)
        self._size += _room(message)
        if self._size > MOST_BODY:
            raise TooLargeError(f"the dictionaries have {self._size} bytes; at most {MOST_BODY} are taken", MOST_BODY)

    def _batch(self, message: Message) -> Any:
        dictionaries = [one.data for messages in self._dictionaries.values() for one in messages]
        with _reading():
            batch = _opened([self._schema, *dictionaries, message.data]).read_next_batch()
            batch.validate()
            check_spread(batch)
            batch.validate(full=True)  # what is damaged could crash what works on it
            check_texts(batch, profile_columns(batch.schema))
        return batch


def _room(message: Message) -> int:
    """Return what a dictionary takes: its bytes, kept or unpacked, and a KiB, as each record batch reads it again."""
    return max(len(message.data), message.header.size) + 1024


class CaseReader:
    """Makes cases of record batches. A column `id` of texts or whole numbers says how a case is called."""

    def __init__(self) -> None:
        self._cases = JsonCases()

    def read(self, batch: Any) -> Iterator[Case]:
        """Yield the case of each row.

        Raises:
            TooLargeError: an id is longer than any id.
        """
        columns = profile_columns(batch.schema)
        if _has_ids(batch.schema):
            columns["id"] = batch.schema.get_field_index("id")
            check_texts(batch, {"id": columns["id"]})
        for start in range(0, batch.num_rows, PIECE):
            rows = np.arange(start, min(start + PIECE, batch.num_rows))
            for fields in mappings(batch, rows, columns):
                if isinstance(own := fields.get("id"), int):
                    fields["id"] = str(own)
                yield self._cases.case(fields)


def _has_ids(schema: Any) -> bool:
    """Say whether there is one column `id`, and it can be one of ids; any other is of no interest."""
    if (at := schema.get_field_index("id")) < 0:
        return False
    kind = value_type(schema.types[at])
    return is_text(kind) or bool(pa.types.is_integer(kind))


class _Chain(io.RawIOBase):
    """Messages one after the other, without a copy of them."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        super().__init__()
        self._messages = [memoryview(one) for one in reversed(messages)]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> Any:
        """Return some bytes: of one message only, as whoever reads messages asks for them."""
        if not self._messages:
            return b""
        first = self._messages.pop()
        if 0 <= size < len(first):
            self._messages.append(first[size:])
            return first[:size]
        return first


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, StopIteration, UnicodeDecodeError) as error:
        said = (str(error).splitlines() or [""])[0][:200]
        raise StreamError(f"the Arrow stream is damaged: {said or 'a record batch is missing'}") from None


def _opened(messages: Sequence[bytes]) -> Any:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    return pa.ipc.open_stream(_Chain(messages), options=options)
