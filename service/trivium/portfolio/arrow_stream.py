"""An Arrow stream scored message by message: record batches in, the same batches with their answers out.

Each batch is read on its own, with the schema and the dictionaries that came before it, so that no thread has to wait
for what has not arrived yet.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.errors import FieldError, InvalidInputError
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.arrow_bounds import check_spread, check_texts, of_wrong_type
from trivium.portfolio.arrow_messages import MOST_BODY, Message
from trivium.portfolio.columns import MOST_COLUMNS
from trivium.portfolio.rows import DEFAULT_COLUMNS
from trivium.portfolio.streams import StreamError, TooLargeError


_STRATEGY, _STATUS, _CODES = map(DEFAULT_COLUMNS.index, ("strategy", "status", "codes"))


class ArrowStream:
    """Scores the messages of a stream, which are given to it in their order, each in whatever thread.

    Args:
        scorer: scores record batches; adds the default columns.

    Attributes:
        decided: how many rows were decided so far, by strategy and status.
        codes: the rationale codes given so far.
        failed: how many rows were wrong.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.decided: Counter[tuple[str, str]] = Counter()
        self.codes: Counter[str] = Counter()
        self.failed = 0
        self._scorer = scorer
        self._schema = b""
        self._dictionaries: dict[int, list[Message]] = {}
        self._sink = _Sink()
        self._writer: Any = None
        self._last: Any = None

    def begin(self, message: Message) -> None:
        """Take the schema.

        Raises:
            InvalidInputError: it has no profiles, or columns that no profile can have.
            StreamError: it is damaged.
        """
        self._schema = message.data
        with _reading():
            schema = _opened([message.data]).schema
            if len(schema) > MOST_COLUMNS:
                detail = f"there are more than {MOST_COLUMNS} columns; leave out those that are not needed"
                raise InvalidInputError([FieldError("malformed", detail, pointer="")])
            scored = self._scorer.schema(schema)
            if errors := list(of_wrong_type(schema)):
                raise InvalidInputError(errors)
            self._writer = pa.ipc.new_stream(self._sink, scored)
            self._last = pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in scored.types], schema=scored)

    def keep(self, message: Message) -> None:
        """Take a dictionary.

        Raises:
            TooLargeError: there is too much in all of them.
        """
        kept = self._dictionaries.setdefault(message.header.dictionary, [])
        if not message.header.is_delta:
            kept.clear()
        kept.append(message)
        size = sum(one.header.size for messages in self._dictionaries.values() for one in messages)
        if size > MOST_BODY:
            raise TooLargeError(f"the dictionaries have {size} bytes; at most {MOST_BODY} are taken", MOST_BODY)

    def read(self, message: Message) -> Any:
        """Return the `pyarrow.RecordBatch` of a message.

        Raises:
            StreamError: it is damaged, or a text is too long for a profile.
        """
        dictionaries = [one.data for messages in self._dictionaries.values() for one in messages]
        with _reading():
            batch = _opened([self._schema, *dictionaries, message.data]).read_next_batch()
            batch.validate()
            check_spread(batch)
            batch.validate(full=True)  # what is damaged could crash what works on it
            check_texts(batch)
        return batch

    def score(self, rows: Any) -> list[Any]:
        """Return the columns to add to some rows, and count them."""
        added: list[Any] = self._scorer.score(rows).columns[rows.num_columns :]
        self._count(added)
        return added

    def write(self, batch: Any, added: Sequence[Sequence[Any]]) -> list[bytes]:
        """Return a batch with the columns that were added to all of its rows, piece by piece; in parts."""
        columns = [pa.concat_arrays(pieces) for pieces in zip(*added, strict=True)] if added else self._none()
        whole = pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=self._last.schema)
        self._writer.write_batch(whole)
        self._last = pa.RecordBatch.from_arrays(list(map(_without_rows, whole.columns)), schema=whole.schema)
        return self._sink.taken()

    def close(self, name: str, says: bytes) -> list[bytes]:
        """Return the end of the stream: a batch without rows, whose metadata say what there is to say.

        Args:
            name: `summary` or `error`.
            says: what it is, as JSON.
        """
        self._writer.write_batch(self._last, custom_metadata={name: says})
        self._writer.close()
        return self._sink.taken()

    def _none(self) -> Sequence[Any]:
        return self._last.columns[-len(DEFAULT_COLUMNS) :]  # type: ignore[no-any-return]  # a list

    def _count(self, added: Sequence[Any]) -> None:
        strategy, status = added[_STRATEGY], added[_STATUS]
        strategies, statuses = strategy.dictionary.to_pylist(), status.dictionary.to_pylist()
        wrong = len(strategies)
        places = [
            one.indices.fill_null(null).to_numpy().astype(np.intp) for one, null in ((strategy, wrong), (status, 0))
        ]
        counts = np.bincount(places[0] * len(statuses) + places[1], minlength=(wrong + 1) * len(statuses))
        self.failed += int(counts[wrong * len(statuses) :].sum())
        for at in np.flatnonzero(counts[: wrong * len(statuses)]).tolist():
            self.decided[strategies[at // len(statuses)], statuses[at % len(statuses)]] += int(counts[at])
        codes = added[_CODES].flatten()
        names = codes.dictionary.to_pylist()
        counts = np.bincount(codes.indices.to_numpy(), minlength=len(names))
        self.codes.update({names[at]: int(counts[at]) for at in np.flatnonzero(counts).tolist()})


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken, in parts of some size."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._small = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        size = memoryview(part).nbytes
        if size < _SMALL:
            self._small += part
        if size >= _SMALL or len(self._small) >= _SMALL:
            self._flush()
        if size >= _SMALL:
            self._parts.append(bytes(part))
        return size

    def taken(self) -> list[bytes]:
        self._flush()
        parts, self._parts = self._parts, []
        return parts

    def _flush(self) -> None:
        if self._small:
            self._parts.append(bytes(self._small))
            self._small.clear()


_SMALL = 1 << 16


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


def _without_rows(array: Any) -> Any:
    """Return an array of the same type, and the same dictionary, that keeps as little as there is to keep."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        none = pa.nulls(0, kind.index_type)
        return pa.DictionaryArray.from_arrays(none, array.dictionary, ordered=kind.ordered)
    return array.slice(0, 0) if kind.num_fields else pa.nulls(0, kind)
