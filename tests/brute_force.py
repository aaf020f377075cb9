"""Every question about a policy, answered by trying all that can be tried with the slow reference."""

from collections import Counter
from collections.abc import Sequence
from math import log2, prod
from typing import TypeAlias

from reference import Cell, Reference, holds


Question: TypeAlias = tuple[int, tuple[tuple[int, tuple[int, ...]], ...]]
"""An input, and per stated band the strategies that are then reachable."""


def questions(slow: Reference, cell: Cell, known: Sequence[bool]) -> list[Question]:
    """Rank the unknown inputs that can matter."""
    answers = {one: slow.answer(one) for one in slow.completions(cell, known)}
    ranked = []
    for at in (at for at, given in enumerate(known) if not given):
        others = {one: {answers[(*one[:at], band, *one[at + 1 :])] for band in slow.stated[at]} for one in answers}
        if any(len(reached) > 1 for reached in others.values()):
            split = []
            for band in slow.stated[at]:
                here: Counter[int] = Counter()
                for one, answer in answers.items():
                    if one[at] == band:
                        here[answer] += prod(slow.weights[at][band] for at, band in enumerate(one) if not known[at])
                split.append(here)
            reachable = tuple((band, tuple(sorted(here))) for band, here in zip(slow.stated[at], split, strict=True))
            ranked.append((*worth(slow, at, cell, known, split), at, reachable))
    return [(at, reachable) for *_, at, reachable in sorted(ranked)]


def worth(
    slow: Reference, at: int, cell: Cell, known: Sequence[bool], split: Sequence[Counter[int]]
) -> tuple[bool, float, float]:
    """Return what questions are ranked by: pointless or not, expected strategies, and expected entropy."""
    weights = [slow.weights[at][band] for band in slow.stated[at]]
    expected = [
        round(sum(weight * measure(here) for weight, here in zip(weights, split, strict=True)) / sum(weights), 9)
        for measure in (len, entropy)
    ]
    return (pointless(slow, at, cell, known), expected[0], expected[1])


def pointless(slow: Reference, at: int, cell: Cell, known: Sequence[bool]) -> bool:
    names = list(slow.inputs)
    asked_when = slow.inputs[names[at]].get("asked_when", {})
    state = {name: slow.bands[other][cell[other]] for other, name in enumerate(names) if known[other]}
    return not holds({name: wanted for name, wanted in asked_when.items() if name in state}, state)


def entropy(counts: Counter[int]) -> float:
    return -sum(count / counts.total() * log2(count / counts.total()) for count in counts.values())


Flips: TypeAlias = tuple[set[tuple[int, tuple[tuple[int, int], ...]]], set[tuple[int, tuple[tuple[int, int], ...]]]]
"""Paths and risks, each as strategy and targets."""


def paths_and_risks(slow: Reference, cell: Cell, known: Sequence[bool]) -> Flips:
    """Try every cell to move to; keep, per kind of move and strategy, the smallest sets with their nearest targets."""
    specs = list(slow.inputs.values())
    kinds: tuple[dict[int, dict[tuple[int, ...], tuple[int, Cell]]], ...] = ({}, {}, {})
    for moved in slow.cells():
        changed = tuple(at for at, band in enumerate(moved) if band != cell[at])
        if slow.answer(moved) == slow.answer(cell) or not all(moved[at] in slow.stated[at] for at in changed):
            continue
        own = [is_own(slow, cell, moved, at) for at in changed]
        world = [not known[at] or specs[at]["changed_by"] == "circumstance" for at in changed]
        either = [by_world or by_team for by_world, by_team in zip(world, own, strict=True)]
        target = (sum(abs(moved[at] - cell[at]) for at in changed), tuple(moved[at] for at in changed))
        for sets, allowed in zip(kinds, (own, world, either), strict=True):
            if all(allowed):
                found = sets.setdefault(slow.answer(moved), {})
                found[changed] = min(target, found.get(changed, target))
    paths, alone, together = map(smallest, kinds)
    taken = {(answer, tuple(at for at, _ in targets)) for answer, targets in paths}
    risks = {
        (answer, targets)
        for answer, targets in alone | together
        if (answer, tuple(at for at, _ in targets)) not in taken
    }
    return paths, risks


def is_own(slow: Reference, cell: Cell, moved: Cell, at: int) -> bool:
    """Say whether a team can make this change for the better, and what it needs holds afterwards."""
    spec = list(slow.inputs.values())[at]
    better = {"more": moved[at] > cell[at], "fewer": moved[at] < cell[at]}.get(spec.get("better", "none"), False)
    bands = {name: slow.bands[other][moved[other]] for other, name in enumerate(slow.inputs)}
    return (
        spec["changed_by"] == "action"
        and cell[at] in slow.stated[at]
        and better
        and holds(spec.get("changing_needs"), bands)
    )


def smallest(
    sets: dict[int, dict[tuple[int, ...], tuple[int, Cell]]],
) -> set[tuple[int, tuple[tuple[int, int], ...]]]:
    return {
        (answer, tuple(zip(changed, bands, strict=True)))
        for answer, found in sets.items()
        for changed, (_, bands) in found.items()
        if len(changed) == min(map(len, found))
    }
