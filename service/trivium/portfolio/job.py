"""One run over a portfolio: every row of the inputs is scored, or rejected with its reasons, and none is lost.

What is written stays under a temporary name until it is whole. Now and then a checkpoint says how far it is, so that a
run that was stopped can go on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, Self, TypeAlias

import msgspec

from trivium.advisor import Advisor
from trivium.portfolio.columns import BadCell, Columns, ColumnsError, DecimalMark
from trivium.portfolio.files import COLUMNAR, READERS, RESUMABLE, FileError, Row, as_text, make_writer, sync
from trivium.portfolio.parts import Part
from trivium.portfolio.ranking import Ranking
from trivium.portfolio.rows import Scored
from trivium.portfolio.summary import Summary
from trivium.profile import Profile


CHECKPOINT_ROWS = 2000
"""Rows between two checkpoints."""

REJECTS = ("file", "row", "column", "value", "reason")
"""The columns of the file of rejected rows."""

MOST_NAME = 200
"""Most characters of the name of a project."""

_REJECTS_START = ",".join(REJECTS).encode() + b"\r\n"

SHOWN_REJECTS = 5
"""Rejected rows that are kept to be shown."""


class Source(NamedTuple):
    """A file to score.

    Attributes:
        name: what messages call it.
        kind: its format.
        open: opens it from its start.
        mark: differs when the file has changed.
        size: its bytes.
    """

    name: str
    kind: str
    open: Callable[[], IO[bytes]]
    mark: str
    size: int


class Reading(msgspec.Struct, frozen=True):
    """How to read the inputs.

    Attributes:
        mapping: column to field, where their names differ.
        decimal: the decimal mark of numbers in texts.
        prefix: what the names of output columns begin with.
    """

    mapping: dict[str, str] = {}
    decimal: DecimalMark | None = None
    prefix: str = ""


class Outputs(msgspec.Struct, frozen=True):
    """What to write.

    Attributes:
        path: the scored rows; None for nowhere.
        kind: the format of it.
        rejects: the rejected rows; None for nowhere.
        stream: takes the scored rows in place of a file.
    """

    path: Path | None = None
    kind: str = "csv"
    rejects: Path | None = None
    stream: Any = None

    def check_resume(self) -> None:
        """Check that a run that was stopped can go on.

        Raises:
            FileError: the output has to be written in one go.
        """
        if self.path is None or self.kind not in RESUMABLE:
            kinds = ", ".join(sorted(RESUMABLE))
            raise FileError(f"only files of the formats {kinds} can be resumed; run it again without --resume")


class State(msgspec.Struct):
    """How far a run is.

    Attributes:
        run: what tells runs apart: the inputs, the policy and the options.
        summary: the counts.
        ranking: the first projects.
        rejects: the first rejected rows: where they are, and why.
        source: which input is read.
        number: the last row of it that is done.
        written: bytes of the scored rows.
        rejected: bytes of the rejected rows.
    """

    run: str
    summary: Summary
    ranking: Ranking = msgspec.field(default_factory=Ranking)
    rejects: list[str] = []
    source: int = 0
    number: int = 0
    written: int = 0
    rejected: int = 0


class Scorer(Protocol):
    """Scores rows.

    Attributes:
        advisor: recommends.
        columns: what is added to each row.
        digests: of all policies that decide.
    """

    advisor: Advisor
    columns: tuple[str, ...]
    digests: tuple[str, ...]

    def score(self, profile: Profile) -> Scored:
        """Score a profile; the values are those of the columns."""

    def failed(self, error: str) -> list[Any]:
        """Return the values of the columns for a row that is wrong."""


Progress: TypeAlias = Callable[[int, int], None]
"""Told now and then how many rows and bytes have been read."""


def source_of(path: Path, kind: str) -> Source:
    """Return a file as a source.

    Raises:
        FileError: it cannot be read.
    """
    try:
        found = path.stat()
        path.open("rb").close()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    return Source(str(path), kind, lambda: path.open("rb"), f"{found.st_size} {found.st_mtime_ns}", found.st_size)


def is_rejects(path: Path) -> bool:
    """Say whether a file is one of rejected rows, as its first line tells."""
    try:
        with path.open("rb") as file:
            return file.read(len(_REJECTS_START)) == _REJECTS_START
    except OSError:
        return False


class Job:
    """A portfolio, and how it is understood.

    Args:
        sources: the inputs.
        scorer: scores each row.
        reading: how to read the inputs.

    Attributes:
        names: the columns of the inputs, in the order in which they first appear.
        columns: what they mean.

    Raises:
        ColumnsError: the columns cannot be understood.
        FileError: an input cannot be read, or has no rows.
    """

    def __init__(self, sources: list[Source], scorer: Scorer, reading: Reading) -> None:
        self.sources = sources
        self.scorer = scorer
        self.reading = reading
        tables = [(source, names_of(source)) for source in sources]
        self.names = list(dict.fromkeys(name for _, names in tables for name in names))
        self.columns = Columns(self.names, reading.mapping, reading.decimal)
        for source, names in tables:
            if source.kind not in _WITHOUT_HEADER and (problem := self.columns.twice(names)):
                raise ColumnsError(f"{source.name}: {problem}")
        self.added = [reading.prefix + name for name in scorer.columns]
        if both := [(source.name, name) for name in self.added for source, names in tables if name in names]:
            place, name = both[0]
            raise ColumnsError(
                f"{place}: it has a column `{name}` of its own: leave the file out if an earlier run has written it, or"
                " say --prefix, such as --prefix new_"
            )

    def run(
        self,
        outputs: Outputs,
        *,
        resume: bool = False,
        progress: Progress | None = None,
        footer: Callable[[State], Mapping[str, str]] | None = None,
    ) -> State:
        """Score every row.

        Args:
            outputs: what to write.
            resume: whether to go on where a run with the same inputs and options was stopped.
            progress: told how far it is.
            footer: what to note in the footer of a Parquet file, by the counts over its rows.

        Raises:
            FileError: an input is damaged, an output cannot be written, or there is nothing to go on with.
        """
        if resume:
            outputs.check_resume()
        told = progress or (lambda _rows, _bytes: None)
        state = State(self._identity(outputs), self.empty_summary())
        try:
            names = [*self.names, *self.added]
            with _Written(outputs, state, names, self._schema, footer, resume=resume) as written:
                for done, (row, place) in enumerate(self._rows(written.state), 1):
                    self._score(row, written)
                    if done % CHECKPOINT_ROWS == 0:
                        written.save()
                    if done % _PROGRESS_ROWS == 0:
                        told(done, place())
                summary = written.state.summary
                if not summary.projects and not summary.rejected:
                    raise FileError(f"{self.sources[-1].name}: there are columns and no rows")
                written.publish()
        except OSError as error:
            raise FileError(f"{error.filename or outputs.path or 'output'}: {error.strerror}") from None
        return written.state

    def empty_summary(self) -> Summary:
        """Return the summary before the first row."""
        targets = self.columns.targets
        columns = {name: targets[name].name if name in targets else None for name in self.names}
        return Summary.of(self.scorer.advisor.policy.strategies, columns)

    def is_columnar(self, outputs: Outputs) -> bool:
        """Say whether all files are of columnar formats, so that `columnar.run` does the same faster."""
        return outputs.kind in COLUMNAR and all(source.kind in COLUMNAR for source in self.sources)

    def _rows(self, state: State) -> Iterator[tuple[Row, Callable[[], int]]]:
        """Yield the rows that are still to be scored, each with what says how many bytes were read."""
        before = 0
        for index, source in enumerate(self.sources):
            if index >= state.source:
                if index > state.source:
                    state.source, state.number = index, 0
                done = state.number
                with source.open() as file:
                    start = before

                    def place(file: IO[bytes] = file, start: int = start) -> int:
                        return start + file.tell()

                    for row in READERS[source.kind](file, source.name).rows:
                        if row.number > done:
                            state.number = row.number
                            yield row, place
            before += source.size

    def _score(self, row: Row, written: _Written) -> None:
        state = written.state
        source = self.sources[state.source].name
        profile = [BadCell("", "", row.problem)] if row.problem else self.columns.profile(row.cells)
        if isinstance(profile, list):
            values = self.scorer.failed("; ".join(map(str, profile)))
            state.summary.rejected += 1
            if len(state.rejects) < SHOWN_REJECTS:
                state.rejects.append(f"{source}: row {row.number}: {'; '.join(map(str, profile))}")
            for bad in profile:
                written.reject({"file": source, "row": row.number, **bad._asdict()})
        else:
            scored = self.scorer.score(profile)
            values = scored.values
            state.summary.add(scored)
            if scored.listed:
                state.ranking.add(self.name_of(row.cells, profile), source, row.number, profile, scored)
        written.write({**row.cells, **dict(zip(self.added, values, strict=True))})

    def name_of(self, cells: Mapping[str, Any], profile: Profile) -> str:
        """Return what a project is called: its id, else what is in the first column where that is no field."""
        if profile.id is not None:
            return profile.id
        first = self.names[0]
        return "" if first in self.columns.targets else as_text(cells.get(first))[:MOST_NAME]

    def _schema(self) -> Any:
        """Return the types of the columns of the output, for a format that has any."""
        from trivium.portfolio.arrow_output import row_schema  # noqa: PLC0415 - an extra

        added = dict(zip(self.added, self.scorer.columns, strict=True))
        return row_schema(self.names, map(schema_of, self.sources), added)

    def _identity(self, outputs: Outputs) -> str:
        told = [
            [(source.name, source.kind, source.mark) for source in self.sources],
            self.scorer.digests,
            self.scorer.columns,
            self.reading,
            outputs.kind,
            str(outputs.rejects),
        ]
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


_PROGRESS_ROWS = 250
_WITHOUT_HEADER = frozenset({"json", "ndjson"})


def schema_of(source: Source) -> Any:
    """Return the `pyarrow.Schema` of an input; None where its format has none."""
    if source.kind not in COLUMNAR:
        return None
    from trivium.portfolio.arrow_input import BatchFile  # noqa: PLC0415 - an extra

    with source.open() as file:
        return BatchFile(file, source.name, source.kind).schema


def names_of(source: Source) -> list[str]:
    """Return the columns of an input; where it has no row of names, they are those of all its rows.

    Raises:
        FileError: it cannot be read.
    """
    try:
        with source.open() as file:
            table = READERS[source.kind](file, source.name)
            if table.names is not None:
                return table.names
            names: dict[str, None] = {}
            for row in table.rows:
                names.update(dict.fromkeys(row.cells))
                if len(names) > _NAMES_LIMIT:
                    break
            return list(names)
    except OSError as error:
        raise FileError(f"{source.name}: {error.strerror}") from None


_NAMES_LIMIT = 10_000
"""Names after which no more are collected; there are too many already."""


class _Written:
    """The outputs of a run, and how far it is.

    Where an input turns out to be damaged, nothing is left behind; a stop leaves what can be resumed.

    Args:
        outputs: what to write.
        state: the state of a run that begins.
        names: the columns of the scored rows.
        schema: gives their types.
        footer: what to note in the footer of a Parquet file.
        resume: whether to take up the state of a run that was stopped.
    """

    def __init__(
        self,
        outputs: Outputs,
        state: State,
        names: list[str],
        schema: Callable[[], Any],
        footer: Callable[[State], Mapping[str, str]] | None,
        *,
        resume: bool,
    ) -> None:
        self.state = state
        self._checkpoint: Path | None = None
        if outputs.path is not None and outputs.kind in RESUMABLE:
            self._checkpoint = outputs.path.with_name(f".{outputs.path.name}.state")
            if resume and self._checkpoint.exists():
                self.state = _read_state(self._checkpoint, state.run)
            else:
                self._checkpoint.unlink(missing_ok=True)
        resumed = self.state is not state
        self._scored = Part(outputs.path, self.state.written)
        self._rejected = Part(outputs.rejects, self.state.rejected)
        text = self._scored.text or outputs.stream
        try:
            noted = partial(footer, self.state) if footer else None
            self._write = (
                make_writer(outputs.kind, text, names, resumed=resumed, schema=schema, footer=noted) if text else None
            )
        except FileError:
            self._close(remove=True)
            raise
        text = self._rejected.text
        self._reject = make_writer("csv", text, REJECTS, resumed=resumed) if text else None

    def write(self, cells: Mapping[str, Any]) -> None:
        if self._write is not None:
            self._write.write(cells)

    def reject(self, cells: Mapping[str, Any]) -> None:
        if self._reject is not None:
            self._reject.write(cells)

    def save(self) -> None:
        """Have all that is written reach the disk, and note how much it is."""
        self.state.written, self.state.rejected = self._scored.saved(), self._rejected.saved()
        if self._checkpoint is not None:
            new = self._checkpoint.with_name(f"{self._checkpoint.name}.new")
            with new.open("wb") as file:
                file.write(msgspec.msgpack.encode(self.state))
                sync(file)
            new.replace(self._checkpoint)

    def publish(self) -> None:
        """Give the files their names."""
        if self._write is not None:
            self._write.close()
        self._rejected.publish(keep=self.state.summary.rejected > 0)
        self._scored.publish(keep=True)
        if self._checkpoint is not None:
            self._checkpoint.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # An interrupt comes in the middle of a row, so what can be resumed is the last checkpoint.
        if kind is not None and self._write is not None:
            self._write.discard()
        kept = kind is KeyboardInterrupt and self._checkpoint is not None and self._checkpoint.exists()
        self._close(remove=kind is not None and not kept)
        if kind is not None and not kept and self._checkpoint is not None:
            self._checkpoint.unlink(missing_ok=True)

    def _close(self, *, remove: bool) -> None:
        for part in (self._scored, self._rejected):
            part.close(remove=remove)


def _read_state(path: Path, run: str) -> State:
    try:
        state = msgspec.msgpack.decode(path.read_bytes(), type=State)
    except msgspec.MsgspecError:
        raise FileError(f"{path}: it cannot be read, so the run cannot be resumed; start anew") from None
    if state.run != run:
        raise FileError("the inputs, the policy or the options are others than before; start anew without --resume")
    return state


def understood(columns: Columns, names: list[str]) -> list[Mapping[str, str | None]]:
    """Return how each column is understood: the field that it gives, or nothing where it passes through."""
    return [
        {"column": name, "field": columns.targets[name].name if name in columns.targets else None} for name in names
    ]
