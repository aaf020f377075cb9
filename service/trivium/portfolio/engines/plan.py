"""The tasks into which a portfolio of files is divided, and which of them are done already.

A task scores one file, or some row groups of a large Parquet file, into a Parquet file of its own. The footer of that
file says what it was made from. So a run that was stopped is repeated by the same command, and does what is missing.
For a report, the footer has the first projects too.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from trivium.portfolio.engines.spec import ScorerSpec
from trivium.portfolio.files import FileError
from trivium.portfolio.job import Reading, Source, State
from trivium.portfolio.parquet_pages import read_footer
from trivium.portfolio.paths import found_files
from trivium.portfolio.ranking import Ranking
from trivium.portfolio.summary import Summary


TASK_BYTES = 128 << 20
"""Parquet files larger than this are split between row groups, into tasks of about this size."""

FOOTER = "trivium.task"
"""The key of a Parquet footer under which an output says what it was made from."""

RANKING = "trivium.ranking"
"""The key under which an output has its first projects."""

TOTALS = "_summary.json"
"""The file in the output directory that is there once all tasks are. Readers of data sets skip such names."""


class RunSpec(msgspec.Struct, frozen=True):
    """What all tasks of a run have in common.

    Attributes:
        scorer: what to score by.
        reading: how to read the inputs.
        ranked: whether to find the first projects too, for a report.
    """

    scorer: ScorerSpec
    reading: Reading
    ranked: bool = False


class Task(msgspec.Struct, frozen=True):
    """What one task scores.

    Attributes:
        source: the file to read.
        kind: its format.
        row_groups: the row groups to read, the first and the one after the last; None for the whole file.
        target: the file to write.
        identity: differs when the input, the policy or an option differs.
        size: bytes to read.
        mark: differs when the input has changed.
    """

    source: str
    kind: str
    row_groups: tuple[int, int] | None
    target: str
    identity: str
    size: int
    mark: str

    @property
    def rejects(self) -> Path:
        """Where the rejected rows go."""
        return Path(self.target).with_suffix(".rejects.csv")


class Footer(msgspec.Struct, frozen=True):
    """What the footer of an output says.

    Attributes:
        identity: of the task that wrote it.
        summary: the counts over its rows.
    """

    identity: str
    summary: Summary


class Outcome(msgspec.Struct, frozen=True):
    """What has become of a task.

    Attributes:
        task: the task.
        summary: the counts over its rows; None where they could not be scored.
        error: why they could not be scored.
    """

    task: Task
    summary: Summary | None = None
    error: str | None = None


def find_inputs(
    names: Sequence[str], output: Path, leaves_out: Callable[[Path], bool] | None = None
) -> dict[Path, Path]:
    """Return the input files, and where each belongs below the output directory.

    The layout below a directory is kept, because its folders may say something, such as `day=2026-11-01`.

    Args:
        names: files, patterns or directories.
        output: the output directory.
        leaves_out: as of `found_files`.

    Raises:
        FileError: there is no such file, none in a directory, or the output directory is among the inputs.
    """
    if output.exists() and not output.is_dir():
        raise FileError(f"{output}: it is a file; an engine writes many files, so name a directory")
    places: dict[Path, Path] = {}
    for name in names:
        given = Path(name)
        is_directory = given.is_dir()
        if is_directory and output.resolve().is_relative_to(given.resolve()):
            raise FileError(f"{output}: it is in {given}, whose files are the inputs; write to another directory")
        for path in found_files([name], leaves_out):
            if path.resolve().is_relative_to(output.resolve()):
                raise FileError(f"{path}: it is in {output}, where the outputs go; write to another directory")
            places[path] = path.relative_to(given) if is_directory else Path(path.name)
    return places


def make_tasks(
    sources: Sequence[tuple[Source, Path]], directory: Path, run: RunSpec, limit: int = TASK_BYTES
) -> list[Task]:
    """Divide a portfolio into tasks, in the order of its files.

    Args:
        sources: the input files, and where each belongs below the output directory.
        directory: the output directory.
        run: what all tasks have in common.
        limit: bytes above which a Parquet file is split.

    Raises:
        FileError: two tasks would be written to one file, or the output directory has other Parquet files.
    """
    tasks: dict[str, Task] = {}
    for source, place in sources:
        for row_groups, name, size in _pieces(source, place, limit):
            target = str(directory / name)
            if target in tasks:
                other = tasks[target].source
                raise FileError(
                    f"{other} and {source.name} would both become {target}: name the directory above them, or score"
                    " them into two directories"
                )
            identity = _identity(run, str(place), source, row_groups)
            tasks[target] = Task(source.name, source.kind, row_groups, target, identity, size, source.mark)
    if stray := next((path for path in sorted(directory.rglob("*.parquet")) if str(path) not in tasks), None):
        raise FileError(f"{stray} is not of this portfolio: remove it, or write to another directory")
    return list(tasks.values())


def finished(task: Task, *, ranked: bool = False) -> Outcome | None:
    """Return the outcome of a task that an earlier run has done with the same input and options; None if none has.

    Args:
        task: the task.
        ranked: whether its first projects are needed.
    """
    try:
        metadata = pq.read_metadata(task.target).metadata or {}
        footer = msgspec.json.decode(metadata.get(FOOTER.encode(), b""), type=Footer)
    except (OSError, pa.ArrowException, msgspec.MsgspecError):
        return None
    has_all = footer.identity == task.identity and (not ranked or RANKING.encode() in metadata)
    if footer.summary.rejected and not task.rejects.exists():  # what is wrong with its rows would be lost
        return None
    return Outcome(task, footer.summary) if has_all else None


def footer_of(run: RunSpec, task: Task, state: State) -> dict[str, str]:
    """Return what the footer of an output says."""
    footer = {FOOTER: msgspec.json.encode(Footer(task.identity, state.summary)).decode()}
    if run.ranked:
        footer[RANKING] = base64.b64encode(msgspec.msgpack.encode(state.ranking)).decode()
    return footer


def read_ranking(task: Task) -> Ranking:
    """Return the first projects of a task that is done.

    Raises:
        FileError: its output has gone, or is another.
    """
    try:
        encoded = (pq.read_metadata(task.target).metadata or {})[RANKING.encode()]
        return msgspec.msgpack.decode(base64.b64decode(encoded), type=Ranking)
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise FileError(f"{task.target}: it is not as it was written; repeat the command") from None


def _pieces(source: Source, place: Path, limit: int) -> Iterator[tuple[tuple[int, int] | None, Path, int]]:
    """Yield what to read of a file, the name of what to write, and the bytes to read."""
    groups = _row_group_sizes(source) if source.kind == "parquet" and source.size > limit else []
    ends = _ends(groups, limit)
    if len(ends) < 2:  # noqa: PLR2004 - nothing to split
        yield None, place.with_suffix(".parquet"), source.size
        return
    start = 0
    for number, end in enumerate(ends):
        yield (start, end), place.with_suffix(f".{number:05d}.parquet"), sum(groups[start:end])
        start = end


def _ends(sizes: Sequence[int], limit: int) -> list[int]:
    """Return where to end each task so that it has about as many bytes as the limit."""
    ends, size = [], 0
    for at, one in enumerate(sizes, 1):
        size += one
        if size >= limit or at == len(sizes):
            ends.append(at)
            size = 0
    return ends


def _row_group_sizes(source: Source) -> list[int]:
    """Return the compressed bytes of each row group; none if the file is damaged, which its task reports."""
    try:
        with source.open() as file:
            schema = pq.read_metadata(file).schema
            groups = read_footer(file, [schema.column(at).path for at in range(len(schema))], source.name)
    except (OSError, pa.ArrowException, FileError):
        return []
    return [sum(column.size for column in group.columns) for group in groups]


def _identity(run: RunSpec, place: str, source: Source, row_groups: tuple[int, int] | None) -> str:
    scorer = run.scorer
    told = [
        *(scorer.digest, scorer.columns, scorer.version, run.reading),
        *(place, source.kind, source.mark, row_groups),
    ]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()
