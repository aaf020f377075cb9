"""Why a cell has its strategy: a smallest set of its inputs that is reason enough, whatever all others are.

Known as a prime implicant or abductive explanation (Darwiche and Hirth 2020, "On the reasons behind decisions";
Marques-Silva 2022, "Logic-based explainability in machine learning").
"""

from __future__ import annotations

from trivium.policy.engine.compiled import Known, Policy
from trivium.policy.engine.completion import UNKNOWN
from trivium.policy.engine.diagram import Cell


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
    levels, children = completion.diagram.levels, completion.diagram.children
    pattern, count = list(cell), len(cell)
    tested = [-1] * count  # per input, the node of the walk that tests it
    at = completion.root
    while at >= 0:
        level = levels[at]
        tested[level] = at
        at = children[at][pattern[level]]
    wanted = at
    assumed = [position for position in completion.telling if not known[position]]
    stated = [position for position in completion.telling if known[position]]
    for position in assumed + stated:
        if (at := tested[position]) < 0:
            pattern[position] = UNKNOWN
            continue
        at, trail = children[at][UNKNOWN], list[int]()  # what comes before is walked as before
        while at >= 0:
            trail.append(at)
            at = children[at][pattern[levels[at]]]
        if at == wanted:
            pattern[position] = UNKNOWN
            tested[position + 1 :] = [-1] * (count - position - 1)
            for node in trail:
                tested[levels[node]] = node
    return tuple([position for position, band in enumerate(pattern) if band != UNKNOWN])
