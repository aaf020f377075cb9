"""What a policy says has to fit together: nothing in it is said nowhere, and its levers are those of its strategies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trivium.policy.engine.compiled import Policy, outcome_among
from trivium.policy.engine.diagram import FALSE, Diagrams, Root
from trivium.policy.engine.tables import Conditional
from trivium.policy.errors import Problem
from trivium.policy.proofs.cells import predicate, shown


def contradictions(policy: Policy, space: Diagrams, states: Sequence[Sequence[int]]) -> Iterator[Problem]:
    """Yield every part that holds in no cell, and every lever that is at odds with the strategy in some cell.

    Args:
        policy: what is judged.
        space: where predicates are made.
        states: states that the policy can be in; a condition that holds in one of them needs no proof.
    """
    yield from _dead_parts(policy, space, states)
    yield from _levers(policy, space)


def _dead_parts(policy: Policy, space: Diagrams, states: Sequence[Sequence[int]]) -> Iterator[Problem]:
    document = policy.document
    parts = (
        ("steps", "dead-step", [step.when for step in document.steps]),
        ("recheck", "dead-event", [event.when for event in document.recheck]),
        ("warnings", "dead-warning", [warning.when for warning in document.warnings]),
    )
    stated = space.every(space.among(level, field.stated) for level, field in enumerate(policy.inputs))
    for section, code, conditions in parts:
        told = Conditional([(policy.condition(when), index) for index, when in enumerate(conditions)], policy.variables)
        witnessed: set[int] = set() if section == "warnings" else set().union(*map(told.holding, states))
        for index, when in enumerate(conditions):
            if index in witnessed:
                continue
            where = predicate(policy, space, when)
            if section == "warnings":  # they speak of what a profile states
                where = space.every([where, stated])
            if where == FALSE:
                yield policy.parsed.problem(
                    (section, index), code, "its condition holds in no cell, so it is never said"
                )


def _levers(policy: Policy, space: Diagrams) -> Iterator[Problem]:
    """Where a document says which levers its strategies adopt, just those are adopted in every cell."""
    document = policy.document
    for name, lever in document.levers.items():
        if lever.always or not document.adopts:
            continue
        adopted = _adopted(policy, space, name)
        wanted = space.where(
            policy.root,
            [index for index, strategy in enumerate(policy.strategies) if name in document.adopts.get(strategy, ())],
        )
        if adopted != wanted:
            odd = space.choose(adopted, space.negated(wanted), wanted)
            message = f"`{name}` is adopted and its strategy does not say so, or the other way round"
            yield policy.parsed.problem(
                ("levers", name), "contradicting-lever", message, counterexample=shown(policy, space, odd, 1)
            )


def _adopted(policy: Policy, space: Diagrams, name: str) -> Root:
    """Return where a lever is adopted."""
    lever = policy.document.levers[name]
    table = policy.positions[lever.table or ""] - len(policy.inputs)
    outcomes = policy.tables[table].outcomes
    adopting = frozenset(index for index, outcome in enumerate(outcomes) if lever.verdict(outcome) == "adopt")
    return outcome_among(space, policy.tables[table], policy.firing[table], adopting)
