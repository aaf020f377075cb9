"""Every question about a policy, answered by trying all that can be tried with the slow reference."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from math import log2
from typing import TypeAlias

from reference import Cell, Reference


Flip: TypeAlias = tuple[int, tuple[tuple[int, int], ...], bool]


def questions(slow: Reference, cell: Cell, known: Sequence[bool]) -> list[tuple[int, tuple[int, ...]]]:
    """Rank the unknown inputs that can matter, each with the strategies it is pivotal for."""
    answers = {one: slow.answer(one) for one in slow.completions(cell, known)}
    ranked = []
    for at in (at for at, given in enumerate(known) if not given):
        others = {one: {answers[(*one[:at], band, *one[at + 1 :])] for band in slow.stated[at]} for one in answers}
        if pivotal := {answer for one, answer in answers.items() if others[one] != {answer}}:
            split = [Counter(answer for one, answer in answers.items() if one[at] == band) for band in slow.stated[at]]
            expected = [sum(map(measure, split)) / len(split) for measure in (len, entropy)]
            ranked.append((round(expected[0], 9), round(expected[1], 9), at, tuple(sorted(pivotal))))
    return [(at, pivotal) for *_, at, pivotal in sorted(ranked)]


def flips(slow: Reference, cell: Cell, limit: int = 99) -> set[Flip]:
    """Try every set of at most `limit` changes, by anybody and by action alone; keep each strategy's smallest."""
    changed_by = [spec["changed_by"] for spec in slow.inputs.values()]
    found: set[Flip] = set()
    for changers in ({"action", "circumstance"}, {"action"}):
        free = [at for at, changer in enumerate(changed_by) if changer in changers]
        smallest = {slow.answer(cell): 0}
        for chosen in (some for size in range(1, limit + 1) for some in combinations(free, size)):
            nearest: dict[int, tuple[int, Cell]] = {}
            for bands in product(*([band for band in slow.stated[at] if band != cell[at]] for at in chosen)):
                moved = dict(zip(chosen, bands, strict=True))
                answer = slow.answer([moved.get(at, band) for at, band in enumerate(cell)])
                if smallest.setdefault(answer, len(chosen)) == len(chosen):
                    target = (sum(abs(band - cell[at]) for at, band in moved.items()), bands)
                    nearest[answer] = min(target, nearest.get(answer, target))
            for answer, (_, bands) in nearest.items():
                acted = all(changed_by[at] == "action" for at in chosen)
                found.add((answer, tuple(zip(chosen, bands, strict=True)), acted))
    return found


def entropy(counts: Counter[int]) -> float:
    return -sum(count / counts.total() * log2(count / counts.total()) for count in counts.values())
