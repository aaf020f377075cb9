"""A run of a portfolio on an engine: hand out the tasks that are not done, and sum up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from trivium.errors import TriviumError
from trivium.portfolio.engines.attempt import attempt_target
from trivium.portfolio.engines.plan import TOTALS, Outcome, RunSpec, Task, finished
from trivium.portfolio.engines.spec import load_scorer
from trivium.portfolio.files import FileError, write_text
from trivium.portfolio.summary import Summary
from trivium.recommendation import encode


class EngineError(TriviumError):
    """An engine is not installed, does not start, or gave up."""

    code = "engine"


class Failed(msgspec.Struct, frozen=True):
    """A file that could not be scored."""

    file: str
    error: str


class Result(msgspec.Struct):
    """What a run comes to.

    Attributes:
        summary: the counts over all outputs, of this run and of earlier ones.
        tasks: how many tasks there are.
        skipped: how many of them an earlier run has done.
        failed: the files that could not be scored.
    """

    summary: Summary
    tasks: int
    skipped: int = 0
    failed: list[Failed] = []


Engine: TypeAlias = Callable[[RunSpec, Sequence[Task]], Iterator[Outcome]]
"""Does tasks, and yields the outcome of each as it is known."""

Progress: TypeAlias = Callable[[int, int], None]
"""Told now and then how many rows and bytes are done."""


def score_tasks(
    run: RunSpec, tasks: Sequence[Task], directory: Path, engine: Engine, progress: Progress | None = None
) -> Result:
    """Do the tasks that are not done yet.

    Args:
        run: what all tasks have in common.
        tasks: what to do.
        directory: the output directory.
        engine: does them; it is not started where nothing is missing.
        progress: told how far the run is.

    Raises:
        EngineError: the engine does not start, or gave up; what it has done is kept.
        FileError: the output directory cannot be written.
    """
    told = progress or (lambda _rows, _bytes: None)
    totals = directory / TOTALS
    try:
        for folder in {Path(task.target).parent for task in tasks}:
            folder.mkdir(parents=True, exist_ok=True)
        totals.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{error.filename or directory}: {error.strerror}") from None
    result = Result(Summary.of(load_scorer(run.scorer).advisor.policy.strategies), len(tasks))
    done = 0

    def count(outcome: Outcome) -> None:
        nonlocal done
        done += outcome.task.size
        if outcome.summary is not None:
            result.summary.merge(outcome.summary)
        else:
            result.failed.append(Failed(outcome.task.source, outcome.error or ""))
        told(result.summary.projects + result.summary.rejected, done)

    missing = []
    for task in tasks:
        if (outcome := finished(task, ranked=run.ranked)) is not None:
            result.skipped += 1
            count(outcome)
        else:
            missing.append(task)
    if missing:
        for outcome in engine(run, missing):
            count(outcome)
    _remove_temporary(tasks)
    result.failed.sort(key=lambda failed: failed.file)
    if not result.failed:
        write_text(totals, encode(result.summary.shown()).decode())
    return result


def _remove_temporary(tasks: Sequence[Task]) -> None:
    """Remove what attempts have left that were killed while they wrote."""
    targets = [Path(task.target) for task in tasks]
    names = {target.name for target in targets} | {task.rejects.name for task in tasks}
    for folder in {target.parent for target in targets}:
        for path in folder.glob(".*"):
            if (target := attempt_target(path.name)) is not None and target in names:
                with suppress(OSError):  # the attempt may be alive after all, and done just now
                    path.unlink()
