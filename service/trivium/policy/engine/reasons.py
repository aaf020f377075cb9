"""Why a cell has its strategy: a smallest set of its inputs that is reason enough, whatever all others are.

Known as a prime implicant or abductive explanation (Darwiche and Hirth 2020, "On the reasons behind decisions";
Marques-Silva 2022, "Logic-based explainability in machine learning").
"""

from __future__ import annotations

from trivium.policy.engine.compiled import Known, Policy
from trivium.policy.engine.completion import UNKNOWN
from trivium.policy.engine.diagram import Cell, leaf


def sufficient_reason(policy: Policy, cell: Cell, known: Known) -> tuple[int, ...]:
    """Return the inputs whose bands alone settle the strategy of a cell, in document order.

    Every cell that agrees with this one on them has the same strategy, and this holds without none of them: the set is
    minimal by inclusion, since what more completions reach is never less. Inputs that are not known are tried for
    removal first, then the least telling ones, so that what remains rests on what was stated where it can: no member is
    assumed exactly when the strategy is settled. Derived inputs count as inputs.

    Args:
        policy: what decides.
        cell: per input its band; that of an unknown input is the one assumed.
        known: per input, whether the profile stated it.
    """
    completion = policy.completion
    root, levels, children = completion.root, completion.diagram.levels, completion.diagram.children
    wanted = leaf(completion.reachable(cell))
    assumed = [position for position in completion.telling if not known[position]]
    stated = [position for position in completion.telling if known[position]]
    pattern = list(cell)
    for position in assumed + stated:
        pattern[position] = UNKNOWN
        at = root
        while at >= 0:
            at = children[at][pattern[levels[at]]]
        if at != wanted:
            pattern[position] = cell[position]
    return tuple([position for position, band in enumerate(pattern) if band != UNKNOWN])
