"""The load gate: what must hold in every cell before a policy is served. Each refutation shows a cell.

Everything is judged over the cells of the whole policy, through the chain of tables, on diagrams, so it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trivium.policy.engine.compiled import Policy
from trivium.policy.engine.diagram import FALSE, Cell, Diagrams, TooLargeError
from trivium.policy.errors import Problem
from trivium.policy.language import texts
from trivium.policy.language.document import UNMEASURED
from trivium.policy.language.parser import Path
from trivium.policy.proofs.cells import shown
from trivium.policy.proofs.consistency import contradictions
from trivium.policy.proofs.promises import broken_promises


def prove(policy: Policy) -> list[Problem]:
    """Return what keeps a policy from being served; empty when every proof succeeds."""
    problems = list(_tables(policy))
    if problems:  # the other proofs speak of strategies, which an incomplete policy does not have everywhere
        return problems
    space = Diagrams(policy.diagrams.sizes, onto=policy.diagrams)
    cells = dict(_cells_of_examples(policy))
    states = [policy.state(cell)[0] for cell in cells.values() if isinstance(cell, tuple)]
    try:
        proofs = [*_unmeasured(policy, space), *contradictions(policy, space, states), *broken_promises(policy, space)]
    except TooLargeError as error:
        message = f"it cannot be proved: {error}; use fewer bands, tables or promises"
        proofs = [policy.parsed.problem(("tables",), "too-large", message)]
    return [*_strategies(policy), *proofs, *_examples(policy, cells), *texts.check(policy.parsed)]


def _tables(policy: Policy) -> Iterator[Problem]:
    for table, root in zip((*policy.tables, policy.summary), policy.firing, strict=True):
        is_summary = table is policy.summary
        path: Path = ("summary",) if is_summary else ("tables", table.name)
        fires = policy.diagrams.values(root)
        missing = len(table.rules)
        if missing in fires:
            message = f"no rule of `{table.name}` fires in some cells: add one, or end with a rule without `when`"
            yield policy.parsed.problem(
                path, "incomplete-table", message, counterexample=shown(policy, policy.diagrams, root, missing)
            )
        for rule in table.rules:
            if rule.position not in fires:
                place = (*path, rule.position) if is_summary else (*path, "rules", rule.position)
                message = "never fires: earlier rules, or what earlier tables can say, leave no cell for it"
                yield policy.parsed.problem(place, "dead-rule", message, rule=f"{table.name}/{rule.id}")


def _strategies(policy: Policy) -> Iterator[Problem]:
    reached = policy.diagrams.values(policy.root)
    for index, strategy in enumerate(policy.strategies):
        if index not in reached:
            yield policy.parsed.problem(
                ("strategies", strategy), "unreachable-strategy", f"no cell leads to `{strategy}`"
            )


def _unmeasured(policy: Policy, space: Diagrams) -> Iterator[Problem]:
    """An unknown that nobody measured must be read like some answer, or reachable would miss the current strategy."""
    for level, field in enumerate(policy.inputs):
        if field.bands[0] != UNMEASURED:
            continue
        for strategy in range(len(policy.strategies)):
            given = space.where(policy.root, (strategy,))
            only_here = space.cofactor(given, level, 0)
            for band in field.stated:
                only_here = space.choose(space.cofactor(given, level, band), FALSE, only_here)
            if only_here != FALSE:
                yield policy.parsed.problem(
                    ("inputs", field.name),
                    "unmeasured-differs",
                    f"`{field.name}: {UNMEASURED}` gives a strategy that no stated band gives",
                    counterexample=shown(policy, space, only_here, 1),
                )
                break


def _cells_of_examples(policy: Policy) -> Iterator[tuple[int, Cell | ValueError]]:
    """Yield the cell of each example, or what is wrong with its profile."""
    for index, example in enumerate(policy.document.tests):
        try:
            yield index, policy.read_profile(example.profile)[0]
        except ValueError as error:
            yield index, error


def _examples(policy: Policy, cells: Mapping[int, Cell | ValueError]) -> Iterator[Problem]:
    for index, example in enumerate(policy.document.tests):
        path: Path = ("tests", index)
        cell = cells[index]
        if isinstance(cell, ValueError):
            yield policy.parsed.problem((*path, "profile"), "malformed", f"`{example.id}`: {cell}")
            continue
        decision = policy.decide(cell)
        strategy = policy.strategies[decision.strategy]
        codes = [code for rule in decision.fired for code in rule.because]
        outcomes = {
            table.name: table.outcomes[rule.outcome] for table, rule in zip(policy.tables, decision.fired, strict=True)
        }
        differences = [f"strategy is {strategy}, expected {example.strategy}"] if strategy != example.strategy else []
        differences += [f"code {code} is missing" for code in example.codes if code not in codes]
        differences += [f"code {code} is given" for code in example.without if code in codes]
        differences += [
            f"{table} is {outcomes[table]}, expected {expected}"
            for table, expected in example.outcomes.items()
            if outcomes[table] != expected
        ]
        if differences:
            message = f"`{example.id}`: {'; '.join(differences)}"
            yield policy.parsed.problem(path, "failing-example", message, counterexample=policy.describe(cell))
