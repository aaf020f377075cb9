"""Portfolios in Parquet and Feather files, scored batch by batch in constant memory: what `job` does row by row.

Every row of the inputs is in the output, with the same answers and errors. An output cannot be resumed, because such a
file is of no use without its end; it has a temporary name until it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Self

import numpy as np
import pyarrow as pa

from trivium.portfolio.arrow import Answers, Scorer
from trivium.portfolio.arrow_input import BatchFile, Piece, spread
from trivium.portfolio.arrow_output import BatchWriter, stored_schema
from trivium.portfolio.candidates import Candidates
from trivium.portfolio.cells import CellReader
from trivium.portfolio.files import FileError, Writer, make_writer
from trivium.portfolio.job import REJECTS, SHOWN_REJECTS, Job, Outputs, Progress, Reading, Source, State, schema_of
from trivium.portfolio.parts import Part
from trivium.portfolio.profiles import Profiles
from trivium.portfolio.rows import RowScorer
from trivium.portfolio.tally import Tally


def score_file(
    source: Source,
    outputs: Outputs,
    scorer: Scorer,
    reading: Reading | None = None,
    *,
    groups: Sequence[int] | None = None,
    metadata: Mapping[str, str] | None = None,
    footer: Callable[[State], Mapping[str, str]] | None = None,
    ranked: bool = False,
) -> State:
    """Score one Parquet or Feather file, or some row groups of it, into one.

    It is written under a temporary name and renamed when it is whole, so whoever finds it finds all of it.

    Args:
        source: the file; see `trivium.portfolio.job.source_of`.
        outputs: what to write; without a path nothing is written, and rows are counted only.
        scorer: the policy and the columns to add. It takes a while to make, and may be shared.
        reading: how to read the columns.
        groups: the row groups to score; None for all. Rows keep the numbers that they have in the whole file.
        metadata: what to note in the schema of the output.
        footer: what to note in the footer of a Parquet file, by the counts over its rows.
        ranked: whether to find the first projects too, for a report.

    Returns:
        The counts and the first rejected rows. `Summary.merge` adds the counts of several files up.

    Raises:
        ColumnsError: the columns cannot be understood.
        FileError: the file cannot be read, or the output cannot be written; then nothing is left of it.
    """
    job = Job([source], RowScorer(scorer.advisor, scorer.columns), reading or Reading())
    return run(
        job,
        outputs,
        scorer=scorer,
        groups=groups,
        metadata=metadata,
        footer=footer,
        may_be_empty=True,
        ranked=ranked,
    )


def run(
    job: Job,
    outputs: Outputs,
    *,
    scorer: Scorer | None = None,
    groups: Sequence[int] | None = None,
    metadata: Mapping[str, str] | None = None,
    footer: Callable[[State], Mapping[str, str]] | None = None,
    may_be_empty: bool = False,
    ranked: bool = False,
    progress: Progress | None = None,
) -> State:
    """Score every row of a job whose files are columnar.

    Args:
        job: the inputs, and how they are understood.
        outputs: what to write.
        scorer: the same policy and columns as arrays, where they have been made before.
        groups: the row groups to score of each input; None for all.
        metadata: what to note in the schema of the output.
        footer: what to note in the footer of a Parquet file, by the counts over its rows.
        may_be_empty: whether inputs without rows give an output without rows.
        ranked: whether to find the first projects too, for a report.
        progress: told how far it is.

    Raises:
        FileError: an input is damaged or none has rows, or an output cannot be written.
    """
    scorer = scorer or Scorer(job.scorer.advisor, job.scorer.columns)
    told = progress or (lambda _rows, _bytes: None)
    schema = stored_schema([(source.name, schema_of(source)) for source in job.sources], outputs.kind)
    if metadata:
        schema = schema.with_metadata({**(schema.metadata or {}), **metadata})
    done = before = 0
    try:
        with _Output(job, outputs, scorer, schema, ranked=ranked) as output:
            for source in job.sources:
                with source.open() as file:
                    found = BatchFile(file, source.name, source.kind)
                    reader = CellReader(job.columns, found.schema.names)
                    for piece in found.pieces(groups):
                        output.add(source, piece, reader)
                        done += piece.batch.num_rows
                        told(done, before + file.tell())
                before += source.size
            if not done and not may_be_empty:
                raise FileError(f"{job.sources[-1].name}: there are columns and no rows")
            return output.publish(footer)
    except OSError as error:
        raise FileError(f"{error.filename or outputs.path or 'output'}: {error.strerror or error}") from None


class _Output:
    """The outputs of a run, and what was counted.

    Args:
        job: the inputs.
        outputs: what to write.
        scorer: the policy.
        schema: the columns of the inputs.
        ranked: whether to find the first projects.
    """

    def __init__(self, job: Job, outputs: Outputs, scorer: Scorer, schema: Any, *, ranked: bool) -> None:
        self._scorer, self._schema = scorer, schema
        self._tally = Tally(scorer.advisor, scorer.kernel)
        self._state = State("", job.empty_summary())
        self._candidates = Candidates(job, scorer, self._state.ranking) if ranked else None
        self._stored = reduce(lambda known, field: known.append(field), scorer.fields(job.reading.prefix), schema)
        self._writer: BatchWriter | None = None
        self._scored = Part(outputs.path, 0)
        self._rejected = Part(None, 0)
        try:
            self._rejected = Part(outputs.rejects, 0)
            if (file := self._scored.file or getattr(outputs.stream, "buffer", None)) is not None:
                self._writer = BatchWriter(file, outputs.kind, self._stored)
        except BaseException:
            self._close(remove=True)
            raise
        text = self._rejected.text
        self._reject: Writer | None = make_writer("csv", text, REJECTS) if text else None

    def add(self, source: Source, piece: Piece, reader: CellReader) -> None:
        """Score some rows."""
        fields = reader.read(piece.batch)
        codes, faults = self._scorer.reader.codes(fields.batch)
        wrong = [*faults.values(), *([] if fields.wrong is None else [fields.wrong])]
        errors = {}
        if wrong:
            rows = np.flatnonzero(reduce(np.logical_or, wrong))
            errors = dict(self._refuse(source, piece, reader, rows))
        answers = self._scorer.answer(fields.batch, Profiles(codes, errors))
        self._tally.add(answers)
        if self._candidates is not None:
            self._candidates.add(source, piece, reader, fields.batch, answers)
        if self._writer is not None:
            self._writer.write(self._joined(piece.batch, answers))

    def publish(self, footer: Callable[[State], Mapping[str, str]] | None = None) -> State:
        """Give the files their names, and return what was counted."""
        self._state.summary.merge(self._tally.summary())
        if self._writer is not None:
            self._writer.close(footer(self._state) if footer else None)
        self._rejected.publish(keep=self._state.summary.rejected > 0)
        self._scored.publish()
        return self._state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._writer is not None:
            self._writer.discard()
        self._close(remove=kind is not None)

    def _close(self, *, remove: bool) -> None:
        for part in (self._scored, self._rejected):
            part.close(remove=remove)

    def _refuse(self, source: Source, piece: Piece, reader: CellReader, rows: Any) -> Any:
        """Let the row path say what is wrong with rows, and note it; yields each with its error."""
        for row, bad in zip(rows.tolist(), reader.profiles(piece.batch, rows), strict=True):
            assert isinstance(bad, list), f"the row path reads row {piece.before + row + 1}"
            number = piece.before + row + 1
            error = "; ".join(map(str, bad))
            if len(self._state.rejects) < SHOWN_REJECTS:
                self._state.rejects.append(f"{source.name}: row {number}: {error}")
            for one in bad:
                if self._reject is not None:
                    self._reject.write({"file": source.name, "row": number, **one._asdict()})
            yield row, error

    def _joined(self, batch: Any, answers: Answers) -> Any:
        """Return rows as they are written: with the columns of all inputs, and those that are added."""
        columns = []
        for field in self._schema:
            at = batch.schema.get_field_index(field.name)
            columns.append(pa.nulls(len(batch), field.type) if at < 0 else spread(batch.column(at), field.type))
        return pa.RecordBatch.from_arrays([*columns, *self._scorer.added(answers)], schema=self._stored)
