"""`trivium policy new`, `schema`, `draw` and `export`: writing a policy, and taking it elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

import click
import msgspec

from trivium.advisor import Advisor
from trivium.cli.common import INVALID_INPUT, POLICY, Failure, find_policy, read_profile
from trivium.policy import Lifecycle, Policy, Problem, ServedPolicy
from trivium.policy.engine.diagram import Cell
from trivium.policy.export.dmn import export_dmn
from trivium.policy.export.drawing import draw_diagram, draw_tables
from trivium.policy.language.json_schema import NAME, schema


STARTER = Path(__file__).with_name("starter.yaml")
"""A small policy that loads as it is."""

MOST_COLUMNS = 100
"""Of a long line, so much is shown on either side of the place."""

OUTPUT = click.option("-o", "--output", type=click.Path(dir_okay=False), help="The file to write.  [default: print]")


@click.command
@click.argument("name")
@click.option("--file", type=click.Path(dir_okay=False), help="The file to write.  [default: NAME-1.0.0.yaml]")
def new(name: str, file: str | None) -> None:
    """Write a small, complete policy to start from, called NAME."""
    if not re.fullmatch(NAME, name):
        message = f"Error: `{name}` is no name for a policy: lower-case letters, digits and _, a letter first"
        raise Failure(message, INVALID_INPUT)
    path = Path(file or f"{name}-1.0.0.yaml")
    text = STARTER.read_text(encoding="utf-8").replace("\npolicy: starter\n", f"\npolicy: {name}\n")
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise Failure(f"Error: {path} is there already; choose another with --file", INVALID_INPUT) from None
    except OSError as error:
        raise Failure(f"Error: {path}: {error.strerror}", INVALID_INPUT) from None
    click.echo(f"Wrote {path}. Next: trivium policy check {path}")


@click.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the policy language, for editors."""
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """Return the JSON Schema of the policy language as it is published."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


@click.command
@click.argument("source", metavar="POLICY", type=POLICY)
@click.option("--tables/--diagram", "tables", default=True, help="What to draw.  [default: tables]")
@click.option("--profile", type=click.File("rb"), help="Show the path of this profile, JSON; - reads standard input.")
@OUTPUT
def draw(source: str, tables: bool, profile: IO[bytes] | None, output: str | None) -> None:
    """Draw what the tables of a policy read, or the diagram it compiles into, as SVG."""
    found = find_policy(source)
    cell = _cell(found, profile) if profile else None
    _write(draw_tables(found, cell) if tables else draw_diagram(found, cell), output)


@click.command
@click.argument("source", metavar="POLICY", type=POLICY)
@click.option("--dmn", "form", flag_value="dmn", required=True, help="DMN 1.3, for decision modelers.")
@OUTPUT
def export(source: str, form: str, output: str | None) -> None:
    """Export the tables of a policy."""
    del form  # there is one so far
    _write(export_dmn(find_policy(source)), output)


def pointed_out(problem: Problem, text: str) -> str:
    """Write a problem with the line of the file that it is about, and a mark below the place in it."""
    lines = text.split("\n")
    if not 0 < problem.line <= len(lines):
        return str(problem)
    line = lines[problem.line - 1].rstrip().replace("\t", " ")
    start = max(0, problem.column - MOST_COLUMNS)
    shown = line[start : start + 2 * MOST_COLUMNS]
    mark = " " * (problem.column - 1 - start)
    return f"{problem}\n{problem.line:5} | {shown}\n      | {mark}^"


def _cell(policy: Policy, file: IO[bytes]) -> Cell:
    """Return the cell of a profile, inputs derived from other fields included."""
    return policy.read_profile(Advisor(ServedPolicy(policy, Lifecycle())).stated(read_profile(file)))[0]


def _write(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"Error: {output}: {error.strerror}", INVALID_INPUT) from None
