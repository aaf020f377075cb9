"""`trivium template`: an empty workbook for a portfolio."""

from __future__ import annotations

from pathlib import Path

import click

from trivium.cli.common import INVALID_INPUT, Failure, find_served
from trivium.cli.recommend import policy_option
from trivium.portfolio.files import FileError
from trivium.portfolio.template import write_template


@click.command
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@policy_option
def template(file: Path, selector: str | None) -> None:
    """Write an empty workbook for a portfolio.

    FILE is the workbook to write, such as portfolio.xlsx. It has a column for each field, with drop-downs and
    definitions, and `trivium score` reads it. A file that is there already is not overwritten.
    """
    if file.suffix.lower() != ".xlsx":
        raise click.BadParameter("the name of the workbook ends with .xlsx", param_hint="FILE")
    if file.exists():
        raise Failure(f"Error: {file} exists; name another file, or remove it first", INVALID_INPUT)
    policy = find_served(selector).policy
    try:
        write_template(file, policy)
    except FileError as error:
        file.unlink(missing_ok=True)
        raise Failure(f"Error: {error}", INVALID_INPUT) from None
    except OSError as error:
        raise Failure(f"Error: {file}: {error.strerror}", INVALID_INPUT) from None
    click.echo(f"Wrote {file}")
