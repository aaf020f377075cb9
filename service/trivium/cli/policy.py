"""`trivium policy`: read, check, test, compare and map policies."""

from __future__ import annotations

from typing import IO, Any

import click
import msgspec

from trivium.cli import authoring, tables
from trivium.cli.common import (
    FOUND_PROBLEMS,
    INPUT,
    INVALID_INPUT,
    POLICY,
    Failure,
    console,
    find_policy,
    json_option,
    print_json,
    read_profile,
    read_text,
    served_policies,
)
from trivium.cli.examples import Tested, run_examples
from trivium.policy import Policy, PolicyError, Problem, compile_policy, diff, load_policy
from trivium.policy.engine.map import strategy_map
from trivium.policy.language.normal_form import normal_form
from trivium.policy.proofs.versions import too_small_a_step
from trivium.profile import VOCABULARY


FILES = click.argument("files", type=click.Path(exists=True, dir_okay=False), nargs=-1, required=True)


@click.group
def policy() -> None:
    """Write, read, check, test, compare, map, draw and export policies.

    Where a policy is asked for, give a version such as 1.0.0, a selector such as 1 or latest, or a YAML file.
    """


for command in (authoring.new, authoring.print_schema, authoring.draw, authoring.export):
    policy.add_command(command)


@policy.command("list")
@json_option
def list_policies(as_json: bool) -> None:
    """List the policies that ship with the package, newest first."""
    registry = served_policies().registry
    served = list(reversed(registry.by_version.values()))
    if not as_json:
        console().print(tables.policies(served, registry.default))
        return
    summaries = [
        {
            "name": one.policy.document.policy,
            "version": one.version,
            "digest": one.policy.digest,
            "title": one.policy.document.title,
            **msgspec.structs.asdict(one.lifecycle),
            "default": one is registry.default,
            "cells": one.policy.cells,
            "nodes": len(one.policy.diagrams.nodes(one.policy.root)),
        }
        for one in served
    ]
    print_json({"policies": summaries})


@policy.command
@click.argument("source", metavar="POLICY", type=POLICY)
@json_option
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the policy as its author wrote it.")
def show(source: str, as_json: bool, as_yaml: bool) -> None:
    """Show a policy: its inputs and its decision tables; as JSON, the whole document."""
    found = find_policy(source)
    if as_yaml:
        click.echo(found.parsed.text, nl=False)
    elif as_json:
        document = normal_form(found.document)
        print_json({"name": document.policy, "version": found.version, "digest": found.digest, "document": document})
    else:
        tables.show_policy(console(), found)


@policy.command
@FILES
@json_option
def check(files: tuple[str, ...], as_json: bool) -> None:
    """Check that policies would load: form, references, completeness, dead rules, promises, examples."""
    problems: list[Problem] = []
    for file in files:
        text = ""
        try:
            text = read_text(file)
            loaded = load_policy(text, file, VOCABULARY)
        except PolicyError as error:
            problems.extend(error.problems)
            click.echo("\n".join(authoring.pointed_out(problem, text) for problem in error.problems), err=True)
        else:
            if not as_json:
                click.echo(f"{file}: {loaded.document.policy} {loaded.version} is sound in all {loaded.cells:,} cells")
    if as_json:
        print_json({"files": files, "problems": problems})
    _end(bool(problems))


@policy.command
@FILES
@json_option
def test(files: tuple[str, ...], as_json: bool) -> None:
    """Run the examples in policies, and say what they cover: rules, codes, strategies, and cells by decision path."""
    tested: list[Tested] = []
    problems: list[Problem] = []
    for file in files:
        try:
            tested.append(run_examples(read_text(file), file))
        except PolicyError as error:
            problems.extend(error.problems)
            click.echo(str(error), err=True)
        else:
            if not as_json:
                tables.show_tested(console(), tested[-1])
    if as_json:
        print_json({"files": tested, "problems": problems})
    _end(bool(problems) or any(not example.passed for one in tested for example in one.examples))


@policy.command("diff")
@click.argument("old", type=POLICY)
@click.argument("new", type=POLICY)
@click.option("--enforce", is_flag=True, help="Fail when NEW's version is too small a step for what changed.")
@json_option
def compare(old: str, new: str, enforce: bool, as_json: bool) -> None:
    """Compare two policies exactly, cell by cell, and name the semantic version step that follows.

    A policy whose examples fail is compared all the same, and standard error says so.
    """
    before, after = _comparable(old), _comparable(new)
    try:
        difference = diff(before, after)
    except ValueError as error:
        raise Failure(f"Error: {error}", INVALID_INPUT) from None
    if as_json:
        print_json(difference)
    else:
        tables.show_difference(console(), difference)
    if enforce and (reason := too_small_a_step(difference)):
        raise Failure(f"Error: {reason}", FOUND_PROBLEMS)


def _comparable(source: str) -> Policy:
    """Return a policy, also one that is wrong in nothing but its examples."""
    try:
        return find_policy(source)
    except PolicyError as error:
        if any(problem.code != "failing-example" for problem in error.problems):
            raise
        click.echo(f"Warning: examples of {source} fail; see trivium policy test {source}", err=True)
        return compile_policy(read_text(source), source, VOCABULARY)


@policy.command("map")
@click.argument("source", metavar="POLICY", type=POLICY)
@click.option("--x", required=True, type=INPUT, help="The input along the columns.")
@click.option("--y", required=True, type=INPUT, help="The input along the rows.")
@click.option("--profile", type=click.File("rb"), help="The other inputs, as JSON; - reads standard input.")
@json_option
def show_map(source: str, x: str, y: str, profile: IO[bytes] | None, as_json: bool) -> None:
    """Map the strategies over the bands of two inputs; the rest is as the profile says, or assumed."""
    found = find_policy(source)
    given = _given(found, profile) if profile else {}
    try:
        made = strategy_map(found, x, y, given)
    except ValueError as error:
        raise Failure(f"Error: {error}", INVALID_INPUT) from None
    if as_json:
        print_json(made)
    else:
        tables.show_map(console(), made, found, given)


def _given(found: Policy, file: IO[bytes]) -> dict[str, Any]:
    """Return what a profile gives of the inputs that a policy reads."""
    profile = read_profile(file)
    values = {field.name: getattr(profile, field.name) for field in found.inputs}
    return {name: value for name, value in values.items() if value is not None}


def _end(failed: bool) -> None:
    if failed:
        click.get_current_context().exit(FOUND_PROBLEMS)
