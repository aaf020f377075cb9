"""`trivium score --engine`: files on Ray or Spark. It needs an extra, so it is imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from trivium.advisor import Advisor
from trivium.cli.common import FOUND_PROBLEMS, Failure, console, print_json
from trivium.cli.destinations import Destinations
from trivium.cli.portfolios import STANDARD, Given
from trivium.cli.score import show_progress, show_summary, write_reports
from trivium.policy import ServedPolicy
from trivium.portfolio.engines.gather import check_apart, join_rejects, ranking_of
from trivium.portfolio.engines.plan import RunSpec, find_inputs, make_tasks
from trivium.portfolio.engines.run import Engine, EngineError, Result, score_tasks
from trivium.portfolio.engines.spec import ScorerSpec
from trivium.portfolio.files import READERS
from trivium.portfolio.job import source_of
from trivium.portfolio.paths import format_of
from trivium.portfolio.report import report_of


def score(
    engine: str,
    given: Given,
    directory: Path,
    places: Destinations,
    policy: ServedPolicy,
    columns: Sequence[str],
    *,
    as_json: bool,
) -> int:
    """Score files on an engine into files below a directory, print the summary, and return how many rows are rejected.

    Args:
        engine: `ray` or `spark`.
        given: the options: the inputs, and how to read them.
        directory: where the outputs go.
        places: the files that are written beside them.
        policy: the policy that decides.
        columns: the columns to add.
        as_json: whether to print the summary as JSON.

    Raises:
        FileError: an input or the output directory will not do.
        InvalidInputError: a name is not that of a column, or is given twice.
        Failure: the engine does not start, or some files are not scored.
    """
    do_tasks: Engine = importlib.import_module(f"trivium.portfolio.engines.{engine}").score_tasks
    wants_report = bool(given.report or given.markdown)
    run = RunSpec(ScorerSpec.of(policy, columns), given.reading, wants_report)
    inputs = find_inputs(given.inputs, directory, places.leaves_out)
    places.check_inputs(inputs)
    sources = [(source_of(path, format_of(path, READERS)), place) for path, place in inputs.items()]
    tasks = make_tasks(sources, directory, run)
    for path in (given.rejects, given.report, given.markdown):
        if path is not None and str(path) != STANDARD:
            check_apart(tasks, Path(path))
    try:
        # Ray prints the deaths of workers, and standard output is for the summary.
        with show_progress(sum(task.size for task in tasks)) as progress, redirect_stdout(sys.stderr):
            result = score_tasks(run, tasks, directory, do_tasks, progress)
    except EngineError as error:
        raise Failure(f"Error: {error}", FOUND_PROBLEMS) from None
    for failed in result.failed:
        click.echo(f"{failed.file}: {failed.error.removeprefix(f'{failed.file}: ')}", err=True)
    _show(result, directory, policy, aside=given.fills_standard_output, as_json=as_json)
    if result.failed:
        missing = " (no report is written)" if wants_report else ""
        raise Failure(f"{len(result.failed):,} of {result.tasks:,} files are not scored{missing}", FOUND_PROBLEMS)
    if given.rejects is not None:
        join_rejects(tasks, Path(given.rejects))
    if wants_report:
        rejects = given.rejects or f"the files *.rejects.csv in {directory}"
        write_reports(given, report_of(Advisor(policy), result.summary, ranking_of(tasks), rejects))
    return result.summary.rejected


def _show(result: Result, directory: Path, policy: ServedPolicy, *, aside: bool, as_json: bool) -> None:
    if as_json and not aside:
        run = {"output": str(directory), "tasks": result.tasks, "skipped": result.skipped, "failed": result.failed}
        print_json({**result.summary.shown(), **run})
        return
    out = Console(stderr=True, highlight=False, markup=False, emoji=False) if aside else console()
    show_summary(out, result.summary, policy.policy)
    done = result.tasks - len(result.failed)
    earlier = f", {result.skipped:,} of them from an earlier run" if result.skipped else ""
    out.print(Text(f"{done:,} of {result.tasks:,} outputs are in {directory}{earlier}"))
