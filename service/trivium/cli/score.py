"""`trivium score`: a portfolio from files."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from trivium.advisor import Advisor
from trivium.cli.common import FOUND_PROBLEMS, INVALID_INPUT, Failure, console, find_served, json_option, print_json
from trivium.cli.destinations import Destinations
from trivium.cli.portfolios import STANDARD, Given, portfolio_options
from trivium.cli.recommend import policy_option
from trivium.cli.tables import table
from trivium.errors import TriviumError
from trivium.policy import Policy
from trivium.policy.language.texts import capitalized
from trivium.portfolio.files import COLUMNAR, READERS, RESUMABLE, WRITERS, FileError, write_text
from trivium.portfolio.job import Job, Outputs, Source, State, source_of, understood
from trivium.portfolio.paths import format_of, found_files, sniffed
from trivium.portfolio.report import Report, columns_of, number_of, report_of, status_of
from trivium.portfolio.report_formats import html, markdown
from trivium.portfolio.rows import DEFAULT_COLUMNS, RowScorer
from trivium.portfolio.summary import Summary


MOST_LISTED = 5
"""Entries of each list on a terminal."""


@click.command
@portfolio_options
@policy_option
@click.option("--columns", metavar="NAME,...", help=f"What to add to each row.  [default: {','.join(DEFAULT_COLUMNS)}]")
@click.option("--resume", is_flag=True, help="Go on where a run that was stopped has got to.")
@click.option("--dry-run", is_flag=True, help="Show how the columns are understood, and stop.")
@click.option("--fail-on", type=click.Choice(["rejected"]), help="Exit with 1 when a row is rejected.")
@click.option("--engine", type=click.Choice(["ray", "spark"]), help="Score files on a cluster; OUT is a directory.")
@json_option
def score(
    given: Given,
    selector: str | None,
    columns: str | None,
    resume: bool,
    dry_run: bool,
    fail_on: str | None,
    engine: str | None,
    as_json: bool,
) -> None:
    """Recommend a strategy for each row of a portfolio.

    IN... are CSV, TSV, NDJSON, JSON, Excel, Parquet or Feather files, patterns, or directories of such files; - reads
    standard input. Columns are matched to the fields of a profile whatever their case and spaces; others are kept as
    they are. A row that is wrong is kept too, with its error.
    """
    policy = find_served(selector)
    advisor = Advisor(policy)
    outputs = Outputs()
    chosen = DEFAULT_COLUMNS if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    try:
        if engine is not None and not dry_run:
            directory = _output_directory(engine, given)
            places = Destinations(given, chosen, is_directory=True)
            rejected = _load_engine(engine).score(engine, given, directory, places, policy, chosen, as_json=as_json)
            _fail_on(fail_on, rejected)
            return
        with open_sources(given, Destinations(given, chosen, is_directory=engine is not None)) as sources:
            job = Job(sources, RowScorer(advisor, chosen), given.reading)
            if dry_run:
                _show_columns(job, as_json=as_json)
                return
            outputs = make_outputs(sources, given)
            if resume:
                outputs.check_resume()
            wants_report = bool(given.report or given.markdown)
            with show_progress(sum(source.size for source in sources)) as progress:
                if job.is_columnar(outputs):
                    from trivium.portfolio import columnar  # noqa: PLC0415 - an extra, which the inputs have needed

                    state = columnar.run(job, outputs, ranked=wants_report, progress=progress)
                else:
                    state = job.run(outputs, resume=resume, progress=progress)
            if wants_report:
                write_reports(given, report_of(advisor, state.summary, state.ranking, outputs.rejects))
    except TriviumError as error:
        raise Failure(f"Error: {error}", INVALID_INPUT) from None
    except KeyboardInterrupt:
        hint = "; --resume goes on from here" if outputs.path is not None and outputs.kind in RESUMABLE else ""
        raise Failure(f"Stopped{hint}", FOUND_PROBLEMS) from None
    _sum_up(state, outputs, advisor.policy, aside=given.fills_standard_output, as_json=as_json)
    _fail_on(fail_on, state.summary.rejected)


def _fail_on(fail_on: str | None, rejected: int) -> None:
    if fail_on is not None and rejected:
        raise Failure(f"{number_of(rejected, 'row')} {'is' if rejected == 1 else 'are'} rejected", FOUND_PROBLEMS)


def _output_directory(engine: str, given: Given) -> Path:
    """Return where an engine writes.

    Raises:
        FileError: it is not given, or an option is given that engines do not have.
    """
    others = {
        "--read": given.input_format,
        "--write": given.output_format,
    }
    if used := next((name for name, value in others.items() if value is not None), None):
        raise FileError(f"{used} cannot be combined with --engine {engine}")
    if given.output is None or given.output == STANDARD:
        raise FileError(f"--engine {engine} writes a file for each input: say -o DIRECTORY")
    return Path(given.output)


def _load_engine(engine: str) -> ModuleType:
    """Return the module that scores on an engine.

    Raises:
        FileError: an extra is not installed.
    """
    try:
        importlib.import_module(f"trivium.portfolio.engines.{engine}")
        return importlib.import_module("trivium.cli.engines")
    except ModuleNotFoundError as error:
        if error.name not in {"numpy", "pyarrow", "pyspark", "ray"}:
            raise
        raise FileError(f"--engine {engine} needs the extra `{engine}`: pip install '.[{engine}]'") from None


@contextmanager
def open_sources(given: Given, places: Destinations) -> Iterator[list[Source]]:
    """Return the files to read; standard input is copied to a temporary one, because it is read twice.

    Raises:
        FileError: there is no such file, or it is to be written too.
    """
    if STANDARD not in given.inputs:
        if given.input_format is not None:
            raise FileError("--read is for standard input; the format of a file is its extension")
        found = found_files(given.inputs, places.leaves_out)
        places.check_inputs(found)
        yield [source_of(path, format_of(path, READERS)) for path in found]
        return
    if len(given.inputs) > 1:
        raise FileError("standard input can only be scored alone")
    with tempfile.NamedTemporaryFile() as copy:
        stdin = click.open_file("-", "rb")
        while part := stdin.read(1 << 20):
            copy.write(part)
        copy.flush()
        path = Path(copy.name)
        with path.open("rb") as file:
            kind = given.input_format or sniffed(file.read(4096))
        yield [source_of(path, kind)._replace(name="<stdin>")]


def make_outputs(sources: list[Source], given: Given) -> Outputs:
    """Say what to write where.

    Raises:
        FileError: the format is not known.
    """
    output = given.output
    if output == STANDARD or output is None:
        kind = given.output_format or sources[0].kind
        if output == STANDARD and given.output_format is None and kind in {"xlsx", *COLUMNAR}:
            kind = "csv"
        stream = click.open_file("-", "w", encoding="utf-8") if output == STANDARD else None
        return Outputs(None, kind, given.rejects_path, stream)
    if given.output_format is not None:
        raise FileError("--write is for standard output; the format of a file is its extension")
    path = Path(output)
    return Outputs(path, format_of(path, WRITERS), given.rejects_path)


def write_reports(given: Given, made: Report) -> None:
    """Write a report where it is wanted.

    Raises:
        FileError: it cannot be written.
    """
    for path, write in ((given.report, html), (given.markdown, markdown)):
        if path is None:
            continue
        if str(path) == STANDARD:
            with click.open_file(STANDARD, "w", encoding="utf-8") as file:
                file.write(write(made))
                file.flush()
        else:
            write_text(path, write(made))


@contextmanager
def show_progress(total: int) -> Iterator[Callable[[int, int], None] | None]:
    """Show on a terminal how far the run is, how fast, and how long it will take."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = Progress(
        TextColumn("{task.fields[rows]:,} rows"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:,.0f} rows/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=total, rows=0, rate=0.0)

        def advance(rows: int, read: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=read, rows=rows, rate=rows / elapsed if elapsed else 0.0)

        yield advance


def _show_columns(job: Job, *, as_json: bool) -> None:
    found = understood(job.columns, job.names)
    if as_json:
        print_json({"columns": found, "added": job.added})
        return
    shown = table("column", "gives")
    for one in found:
        shown.add_row(one["column"], one["field"] or Text("kept as it is", "dim"))
    console().print(shown)
    console().print(Text(f"Added: {', '.join(job.added)}"))


def _sum_up(state: State, outputs: Outputs, policy: Policy, *, aside: bool, as_json: bool) -> None:
    """Print the summary: on standard error where the rows or a report go to standard output."""
    for rejected in state.rejects:
        click.echo(rejected, err=True)
    if aside:
        show_summary(Console(stderr=True, highlight=False, markup=False, emoji=False), state.summary, policy)
    elif as_json:
        files = {"output": outputs.path, "rejects": outputs.rejects if state.summary.rejected else None}
        print_json({**state.summary.shown(), **{name: file and str(file) for name, file in files.items()}})
    else:
        show_summary(console(), state.summary, policy)
        if outputs.rejects is not None and state.summary.rejected:
            console().print(Text(f"What is wrong with rejected rows is in {outputs.rejects}"))


def show_summary(out: Console, summary: Summary, policy: Policy) -> None:
    """Print a summary as tables."""
    projects = summary.projects
    rejected = f", {summary.rejected:,} rejected" if summary.rejected else ""
    out.print(Text(f"{number_of(projects, 'project')}{rejected}", "bold"))
    for line in columns_of(summary):
        out.print(Text(capitalized(line)))
    shown = table("strategy", "projects", "")
    for name, count in summary.strategies.items():
        shown.add_row(policy.document.strategies[name], f"{count:,}", _share(count, projects))
    out.print(shown)
    out.print(Text(f"{status_of(summary)}\n"))
    for lever, spec in policy.document.levers.items():
        if blocks := [block for block in summary.most_blocking() if block.lever == lever][:MOST_LISTED]:
            shown = table(f"what keeps projects from {spec.label.lower()}", "projects", "code")
            for block in blocks:
                shown.add_row(block.says, f"{block.projects:,}", block.code)
            out.print(shown)
    if asked := summary.most_asked()[:MOST_LISTED]:
        shown = table("question to answer first", "projects", "can settle", "column")
        for one in asked:
            shown.add_row(one.question, f"{one.projects:,}", f"{one.settles:,}", one.input)
        out.print(shown)


def _share(count: int, total: int) -> str:
    return f"{count / total:.0%}" if total else ""
