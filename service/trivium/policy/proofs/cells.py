"""Sets of cells as predicates on diagrams: where a condition holds, and a cell to show."""

from __future__ import annotations

from collections.abc import Mapping

from trivium.policy.engine.compiled import Policy, outcome_among
from trivium.policy.engine.diagram import Diagram, Diagrams, Root


def predicate(policy: Policy, space: Diagrams, when: Mapping[str, str | list[str]]) -> Root:
    """Return where a condition over inputs and tables holds."""
    inputs = len(policy.inputs)
    terms = []
    for position, labels in policy.condition(when):
        if position < inputs:
            terms.append(space.among(position, labels))
        else:
            table = position - inputs
            terms.append(outcome_among(space, policy.tables[table], policy.firing[table], labels))
    return space.every(terms)


def shown(policy: Policy, space: Diagram, root: Root, value: int) -> dict[str, str] | None:
    """Name the bands of some cell in which a function has a value; None where there is none."""
    path = space.witness(root, value)
    return None if path is None else policy.describe(path)
