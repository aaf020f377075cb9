"""On ten thousand partial profiles of policy 1.0.0, the exact answers are those of trying everything."""

from collections.abc import Callable, Iterator
from math import prod
from random import Random

import pytest

import brute_force
import reference
import trivium
from reference import Cell
from trivium.policy import flips, load_policy, margin, unknowns
from trivium.profile import VOCABULARY


FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
POLICY = load_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)
SLOW = reference.shipped("1.0.0")
Known = tuple[bool, ...]
Partial = tuple[Cell, Known]


def partial_cells(seed: int, number: int, fits: Callable[[int], bool]) -> Iterator[Partial]:
    """Yield seeded random cells with some inputs unknown, of those whose number of completions fits."""
    random = Random(seed)  # noqa: S311 - a sample to repeat, not a secret
    assumed = SLOW.read({})
    while number:
        share = random.random()
        known = tuple(random.random() >= share for _ in assumed)
        if fits(prod(len(stated) for stated, given in zip(SLOW.stated, known, strict=True) if not given)):
            stated = [random.choice(bands) for bands in SLOW.stated]
            yield (
                tuple(band if given else start for band, start, given in zip(stated, assumed, known, strict=True)),
                known,
            )
            number -= 1


def few(completions: int) -> bool:
    return completions <= 200


def many(completions: int) -> bool:
    return 200 < completions <= 50_000


@pytest.mark.parametrize(("seed", "number", "fits"), [(1, 9_900, few), (2, 100, many)])
def test_reachable_is_the_union_over_all_completions(seed: int, number: int, fits: Callable[[int], bool]) -> None:
    for cell, known in partial_cells(seed, number, fits):
        reached = sorted(set(map(SLOW.answer, SLOW.completions(cell, known))))
        found = unknowns(POLICY, cell, known)
        assert list(found.reachable) == reached, (cell, known)
        assert POLICY.decide(cell).strategy in reached  # what is assumed is a possible answer
        assert bool(found.questions) == (len(reached) > 1)


def test_questions_come_in_the_order_and_with_the_strategies_of_trying_all_completions() -> None:
    for cell, known in partial_cells(3, 1_000, few):
        asked = [tuple(question) for question in unknowns(POLICY, cell, known).questions]
        assert asked == brute_force.questions(SLOW, cell, known)


def test_flips_of_one_and_two_changes_are_all_that_there_are() -> None:
    for cell, _ in partial_cells(4, 10_000, few):
        found = flips(POLICY, cell)
        small = {tuple(flip) for flip in found if len(flip.targets) <= 2}
        assert small == brute_force.flips(SLOW, cell, limit=2), cell


def test_flips_and_margin_of_any_size_are_those_of_trying_every_set_of_changes() -> None:
    for cell, _ in partial_cells(5, 100, few):
        wanted = brute_force.flips(SLOW, cell)
        found = flips(POLICY, cell)
        assert {tuple(flip) for flip in found} == wanted, cell
        assert margin(found) == min((len(targets) for _, targets, _ in wanted), default=None)
