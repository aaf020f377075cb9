"""Policies and what is known of them, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from trivium.cli.examples import Coverage, Tested
from trivium.cli.words import in_words, shown
from trivium.policy import CompiledInput, Difference, Policy, ServedPolicy
from trivium.policy.engine.bands import Band
from trivium.policy.engine.map import StrategyMap
from trivium.policy.language.document import Rule
from trivium.policy.language.document import Table as WrittenTable
from trivium.policy.proofs.coverage import PathCoverage


COLORS = ("blue", "green", "yellow", "magenta", "cyan", "red")
"""For the strategies, in document order."""


def table(*columns: str) -> Table:
    """Make a table that folds what is too wide."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def policies(served: Sequence[ServedPolicy], default: ServedPolicy) -> Table:
    """List policies."""
    made = table("version", "status", "released", "cells", "nodes", "digest")
    for one in served:
        lifecycle = one.lifecycle
        status = f"{lifecycle.status}, default" if one is default else lifecycle.status
        nodes = len(one.policy.diagrams.nodes(one.policy.root))
        released = str(lifecycle.released or "")
        made.add_row(one.version, status, released, f"{one.policy.cells:,}", f"{nodes:,}", one.policy.digest[:12])
    return made


def show_policy(out: Console, policy: Policy) -> None:
    """Print a policy: its inputs, then its decision tables."""
    document = policy.document
    out.print(Text.assemble((f"{document.policy} {document.version}", "bold"), f"  {document.title}"))
    out.print(Text(f"{policy.cells:,} cells, sha256:{policy.digest}", "dim"))
    inputs = table("input", "bands (assumed when unknown)", "changed by")
    for field in policy.inputs:
        bands = [_band(field, band) for band in range(len(field.bands))]
        bands[field.assumed] = f"({bands[field.assumed]})"
        inputs.add_row(field.name, ", ".join(bands), field.spec.changed_by)
    out.print(Text("\nInputs", "bold"), inputs, sep="\n")
    for name, written in document.tables.items():
        wide = _decision_table(written)
        fits = Measurement.get(out, out.options.update(max_width=10_000), wide).minimum <= out.width
        out.print(Text(name, "bold"), wide if fits else _narrow_table(written), sep="\n")


def _band(field: CompiledInput, band: int) -> str:
    name = field.bands[band]
    return f"{name}: {in_words(field.lowest(band), field.limit(band))}" if field.cuts and band in field.stated else name


def _decision_table(written: WrittenTable) -> Table:
    """Lay a decision table out with a column for each input."""
    made = table("rule", *written.inputs, "then", "because")
    for rule in written.rules:
        conditions = [_labels(rule, read) if read in rule.when else "-" for read in written.inputs]
        made.add_row(rule.id, *conditions, Text(rule.then, "bold"), "\n".join(rule.because))
    return made


def _narrow_table(written: WrittenTable) -> Table:
    """Lay a decision table out with all conditions in one column."""
    made = table("rule", "when", "then", "because")
    for rule in written.rules:
        conditions = [f"{read}: {_labels(rule, read)}" for read in rule.when]
        made.add_row(rule.id, "\n".join(conditions) or "-", Text(rule.then, "bold"), "\n".join(rule.because))
    return made


def _labels(rule: Rule, read: str) -> str:
    labels = rule.when[read]
    return labels if isinstance(labels, str) else " or ".join(labels)


def show_tested(out: Console, tested: Tested) -> None:
    """Print which examples passed, and what they cover."""
    made = table("example", "", "")
    for example in tested.examples:
        verdict = Text("passed", "green") if example.passed else Text("FAILED", "bold red")
        made.add_row(example.id, verdict, example.detail)
    out.print(Text(f"{tested.file}: {tested.policy} {tested.version}", "bold"), made, sep="\n")
    failed = sum(not example.passed for example in tested.examples)
    out.print(Text(f"{len(tested.examples) - failed} passed, {failed} failed", "red" if failed else "green"))
    for what, coverage in (("rules", tested.rules), ("codes", tested.codes), ("strategies", tested.strategies)):
        out.print(Text(_covered(what, coverage)))
    out.print(Text(_paths(tested.paths)))


def _paths(paths: PathCoverage | None) -> str:
    if paths is None:
        return "decision paths: too many to count"
    share = f"{paths.cells:,} of {paths.all_cells:,} cells, {paths.cells / paths.all_cells:.2%}"
    return f"decision paths: {paths.covered:,} of {paths.total:,} covered; they stand for {share}"


def _covered(what: str, coverage: Coverage) -> str:
    said = f"{what}: {coverage.covered} of {coverage.total} covered"
    return f"{said}; not: {', '.join(coverage.missing)}" if coverage.missing else said


def show_difference(out: Console, difference: Difference) -> None:
    """Print what differs between two policies."""
    share = difference.changed_cells / difference.cells
    out.print(
        Text.assemble(
            (f"{difference.from_} -> {difference.to}: {difference.bump}", "bold"),
            f"\n{difference.changed_cells:,} of {difference.cells:,} cells change strategy ({share:.4%})",
        )
    )
    if difference.changes:
        made = table("from", "to", "cells", "for example")
        for change in difference.changes:
            samples = ["; ".join(f"{name}: {shown(value)}" for name, value in one.items()) for one in change.samples]
            made.add_row(change.from_, change.to, f"{change.cells:,}", samples[0] if samples else "")
        out.print(made)
    for what in ("codes", "rules", "inputs"):
        for sign in ("added", "removed"):
            if names := getattr(difference, f"{what}_{sign}"):
                out.print(Text(f"{what} {sign}: {', '.join(names)}"))
    if difference.when_unknown_changed:
        out.print(Text(f"read differently when unknown: {', '.join(difference.when_unknown_changed)}"))


def show_map(out: Console, made: StrategyMap, policy: Policy, given: Mapping[str, Any]) -> None:
    """Print a grid of strategies; the cell of the profile, where it gives both inputs, is marked."""
    names = policy.document.strategies
    colors = dict(zip(names, COLORS * len(names), strict=False))
    here = _here(made, policy, given)
    grid = table(f"{made.y} \\ {made.x}", *map(_axis, made.x_bands))
    for row, (band, strategies) in enumerate(zip(made.y_bands, made.rows, strict=True)):
        cells = [
            Text(f"[{names[strategy]}]" if (column, row) == here else names[strategy], colors[strategy])
            for column, strategy in enumerate(strategies)
        ]
        grid.add_row(_axis(band), *cells)
    out.print(grid)
    rest = [f"{name}: {shown(value)}" for name, value in given.items() if name not in {made.x, made.y}]
    said = f"With {', '.join(rest)}; all else" if rest else "All else"
    out.print(Text(f"{said} is assumed.", "dim"))
    if here is not None:
        out.print(Text("[ ] marks the profile's own place.", "dim"))


def _here(made: StrategyMap, policy: Policy, given: Mapping[str, Any]) -> tuple[int, int] | None:
    if made.x not in given or made.y not in given:
        return None
    cell, _ = policy.read_profile(given)
    column, row = (
        cell[policy.positions[name]] - policy.inputs[policy.positions[name]].stated[0] for name in (made.x, made.y)
    )
    return column, row


def _axis(band: Band) -> str:
    """Name a band; a number's with its range."""
    if band.range is None:
        return band.band
    return f"{band.band}\n{in_words(band.range.at_least, band.range.below)}"
