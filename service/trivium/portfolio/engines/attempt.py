"""One attempt at a task, as a worker makes it; several may run at once, and any may be killed."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path

from trivium.errors import TriviumError
from trivium.portfolio.columnar import score_file
from trivium.portfolio.engines.plan import Outcome, RunSpec, Task, footer_of
from trivium.portfolio.engines.spec import load_scorer
from trivium.portfolio.files import COLUMNAR
from trivium.portfolio.job import Job, Outputs, source_of
from trivium.portfolio.rows import RowScorer
from trivium.portfolio.summary import Summary


def attempt(run: RunSpec, task: Task) -> Outcome:
    """Do a task, and give the output its name once it is complete.

    An engine may make a second attempt while it takes the first for lost. Each writes to a file of its own, and both
    give it the same name. Their content is the same, so it does not matter which is last.

    Args:
        run: what all tasks have in common.
        task: what to do.

    Returns:
        The outcome. Whatever goes wrong is its `error`: one file must not stop the others.
    """
    try:
        return Outcome(task, summary=_score(run, task))
    except TriviumError as error:
        return Outcome(task, error=str(error))
    except OSError as error:
        return Outcome(task, error=f"{error.filename or task.target}: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - an engine would try again, and then give up the other files too
        return Outcome(task, error=f"{task.source}: {type(error).__name__}: {error}")


def _score(run: RunSpec, task: Task) -> Summary:
    target, rejects = Path(task.target), task.rejects
    source = source_of(Path(task.source), task.kind)
    if source.mark != task.mark:
        raise TriviumError(f"{task.source}: it has changed since the run began; repeat the command")
    output, rejected = attempt_path(target), attempt_path(rejects)
    groups = None if task.row_groups is None else range(*task.row_groups)
    outputs, footer = Outputs(output, "parquet", rejected), partial(footer_of, run, task)
    scorer = load_scorer(run.scorer)
    try:
        if task.kind in COLUMNAR:
            state = score_file(source, outputs, scorer, run.reading, groups=groups, footer=footer, ranked=run.ranked)
        else:
            job = Job([source], RowScorer(scorer.advisor, scorer.columns), run.reading)
            state = job.run(outputs, footer=footer)
        # The output comes last: where it is, all of the task is done.
        if rejected.exists():
            rejected.replace(rejects)
        else:
            rejects.unlink(missing_ok=True)
        output.replace(target)
    finally:
        for path in (output, rejected):
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return state.summary


def attempt_path(target: Path) -> Path:
    """Return the name under which an attempt of this process writes."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(8)}")


def attempt_target(name: str) -> str | None:
    """Return the name of the target of an attempt, by the name under which it writes; None if it is no such name."""
    found = _ATTEMPT.match(name)
    return found["target"] if found else None


_ATTEMPT = re.compile(r"\.+(?P<target>.+)\.[0-9]+-[0-9a-f]{16}")
