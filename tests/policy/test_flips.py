"""Paths and risks are those of trying every cell to move to."""

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

import brute_force
import generators
from reference import Reference
from trivium.policy import compile_policy, nearest_changes, paths_and_risks, unknowns
from trivium.policy.engine.families import NONE, Families
from trivium.policy.engine.flips import LISTED


@given(generators.documents(), st.integers(0, 2**32))
def test_paths_and_risks_are_those_of_trying_every_cell(document: generators.Part, seed: int) -> None:
    text = generators.text(document)
    policy, slow = compile_policy(text), Reference(text)
    random, assumed = Random(seed), slow.read({})  # noqa: S311 - a sample to repeat, not a secret
    for cell in random.sample(list(slow.cells()), min(40, len(slow.answers))):
        known = tuple(random.random() < 0.7 and band in stated for band, stated in zip(cell, slow.stated, strict=True))
        cell = tuple(band if given else start for band, given, start in zip(cell, known, assumed, strict=True))  # noqa: PLW2901
        found = paths_and_risks(policy, cell, known)
        paths, risks = brute_force.paths_and_risks(slow, cell, known)
        assert set(found.paths) == paths, (cell, known)
        assert set(found.risks) == risks, (cell, known)
        assert (found.more_paths, found.more_risks) == (0, 0)
        assert len(found.paths + found.risks) == len(paths) + len(risks)
        for listed in (found.paths, found.risks):
            order = [(len(flip.targets), flip.strategy, [at for at, _ in flip.targets]) for flip in listed]
            assert order == sorted(order)
        firsts = [next(iter(listed), None) for listed in (found.paths, found.risks)]
        assert list(nearest_changes(policy, cell, known)) == firsts, (cell, known)
        assert found.margin == min((len(targets) for _, targets in paths | risks), default=None)
        if not unknowns(policy, cell, known).settled:
            assert found.paths + found.risks  # an answer that is not settled can be overturned


@given(st.lists(st.sets(st.frozensets(st.integers(0, 4))), min_size=2, max_size=2))
def test_families_are_sets_of_sets(two: list[set[frozenset[int]]]) -> None:
    space = Families()
    one, other = (family(space, sets) for sets in two)
    for made, wanted in (
        (one, two[0]),
        (space.union(one, other), two[0] | two[1]),
        (space.difference(one, other), two[0] - two[1]),
        (space.adding(one, 5), {some | {5} for some in two[0]}),
    ):
        assert list(space.sets(made)) == sorted((tuple(sorted(some)) for some in wanted), key=after_the_last)
        assert space.count(made) == len(wanted)
        assert made == family(space, wanted)  # equal families are one


def after_the_last(some: tuple[int, ...]) -> tuple[int, ...]:
    """Sort a set before the sets that it begins only where one follows the other: further inputs come first."""
    return (*some, 99)


def family(space: Families, sets: set[frozenset[int]], level: int = 0) -> int:
    """Build a family from its definition."""
    if not sets:
        return NONE
    if level == 6:
        return 1
    without = family(space, {some for some in sets if level not in some}, level + 1)
    return space.node(level, without, family(space, {some for some in sets if level in some}, level + 1))


STAGES = 14


def test_there_may_be_more_sets_than_are_listed_and_they_are_counted_exactly() -> None:
    """Strategy `many` needs half of the inputs: any half."""
    text = counting(STAGES, STAGES // 2)
    policy = compile_policy(text)
    found = paths_and_risks(policy, *policy.read_profile({}))
    halves = list(combinations(range(STAGES), STAGES // 2))
    assert len(found.risks) == LISTED
    assert found.more_risks == len(halves) - LISTED
    assert [tuple(at for at, _ in flip.targets) for flip in found.risks] == halves[:LISTED]
    assert found.margin == STAGES // 2
    assert paths_and_risks(policy, *policy.read_profile({}), listed=3).risks == found.risks[:3]


def counting(inputs: int, wanted: int) -> str:
    """Write a policy that counts how many of its inputs are high, by a chain of tables."""
    part = {"question": "?", "values": ["low", "high"], "when_unknown": "low", "changed_by": "circumstance"}
    tables: generators.Part = {}
    for at in range(inputs):
        before = {f"t{at - 1}": [f"n{count}" for count in range(at + 1)]} if at else {}
        rules = []
        for count in range(at + 1) if at else range(1):
            when = {f"t{at - 1}": f"n{count}"} if at else {}
            rules += [
                {"id": f"high{count}", "when": {**when, f"x{at}": "high"}, "then": f"n{count + 1}"},
                {"id": f"low{count}", "when": {**when, f"x{at}": "low"}, "then": f"n{count}"},
            ]
        tables[f"t{at}"] = {"inputs": [*before, f"x{at}"], "rules": rules}
    enough = {f"t{inputs - 1}": [f"n{count}" for count in range(wanted, inputs + 1)]}
    tables["strategy"] = {
        "inputs": [f"t{inputs - 1}"],
        "rules": [{"id": "many", "when": enough, "then": "many"}, {"id": "few", "then": "few"}],
    }
    return generators.text(
        {
            "policy": "counting",
            "version": "1.0.0",
            "title": "Counting",
            "sources": {},
            "inputs": {f"x{at}": {**part, "check": generators.CHECK} for at in range(inputs)},
            "strategies": {"few": "Few", "many": "Many"},
            "levers": {},
            "tables": tables,
            "codes": {},
            "summary": [{"id": "said", "text": "So."}],
        }
    )
