"""What the commands over portfolios share: which files to read and write, and how."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from trivium.portfolio.columns import DecimalMark
from trivium.portfolio.files import READERS, WRITERS, FileError
from trivium.portfolio.job import Reading


STANDARD = "-"
"""Standard input or output in place of a file."""


class Given(NamedTuple):
    """The options that all commands over portfolios have.

    Attributes:
        inputs: the files to read.
        output: where to write the rows; None for nowhere.
        mapping: column to field, as `COLUMN=FIELD`.
        decimal: the decimal mark of numbers in texts.
        prefix: what the names of added columns begin with.
        rejects: where to write what is wrong with rows; None for beside the output.
        report: where to write a page of HTML; None for nowhere.
        markdown: where to write that as Markdown; None for nowhere.
        input_format: the format of standard input; None for what it looks like.
        output_format: the format of standard output; None for that of the input.
    """

    inputs: tuple[str, ...]
    output: str | None
    mapping: tuple[str, ...]
    decimal: DecimalMark | None
    prefix: str
    rejects: str | None
    report: Path | None
    markdown: Path | None
    input_format: str | None
    output_format: str | None

    @property
    def rejects_path(self) -> Path | None:
        """Where what is wrong with rows goes, if the output is a file."""
        if self.rejects is not None:
            return Path(self.rejects)
        return None if self.output in {None, STANDARD} else Path(str(self.output)).with_suffix(".rejects.csv")

    @property
    def fills_standard_output(self) -> bool:
        """Whether standard output has the rows or a report, so that the summary must go elsewhere."""
        return STANDARD in {self.output, str(self.report), str(self.markdown)}

    @property
    def reading(self) -> Reading:
        """How to read the files.

        Raises:
            FileError: a value of --map has no `=`.
        """
        mapping = {}
        for entry in self.mapping:
            column, equals, field = entry.rpartition("=")
            if not equals:
                raise FileError(f"--map {entry}: expected COLUMN=FIELD")
            mapping[column] = field.strip()
        return Reading(mapping, self.decimal, self.prefix)


_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.argument("inputs", nargs=-1, required=True, metavar="IN..."),
    click.option("-o", "--output", metavar="OUT", help="Where to write the rows; - for standard output."),
    click.option(
        "--map", "mapping", multiple=True, metavar="COLUMN=FIELD", help="Which field a column gives; nothing for none."
    ),
    click.option("--decimal", type=click.Choice([".", ","]), help="The decimal mark of numbers that leave it open."),
    click.option("--prefix", default="", metavar="TEXT", help="What the names of added columns begin with."),
    click.option(
        "--rejects", metavar="FILE", help="Where to write what is wrong with rows.  [default: OUT.rejects.csv]"
    ),
    click.option("--report", type=_FILE, help="Where to write a page of HTML; - for standard output."),
    click.option("--markdown", type=_FILE, help="Where to write that as Markdown; - for standard output."),
    click.option("--read", "input_format", type=click.Choice(list(READERS)), help="The format of standard input."),
    click.option("--write", "output_format", type=click.Choice(WRITERS), help="The format of standard output."),
)


def portfolio_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `Given`; the command gets them as its first argument."""

    @wraps(command)
    def call(**values: Any) -> Any:
        given = Given(**{name: values.pop(name) for name in Given._fields})
        return command(given, **values)

    for option in reversed(_OPTIONS):
        call = option(call)
    return call
