"""What `because` rests on: on every cell of 1.0.0, and on ten thousand partial profiles of the newest policy."""

from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

import pytest

import reference
import trivium
from reference import Cell
from trivium.policy import Policy, load_policy, sufficient_reason, unknowns
from trivium.policy.engine.diagram import Root, leaf_value
from trivium.profile import VOCABULARY


def shipped(version: str) -> Policy:
    file = trivium.POLICIES / f"adaptation-{version}.yaml"
    return load_policy(file.read_text(encoding="utf-8"), file.name, VOCABULARY)


@pytest.mark.exhaustive
def test_on_all_cells_of_the_first_policy_a_reason_suffices_and_none_of_it_can_go() -> None:
    policy, slow = shipped("1.0.0"), reference.shipped("1.0.0")

    @cache
    def strategies(*agreed: tuple[int, int]) -> set[int]:
        """Return the strategies of all cells with these bands, by slicing the slow reference's table of all cells."""
        table, bands = slow.answers, dict(agreed)
        for at in reversed(range(len(slow.bands))):  # the last input is now the fastest, and comes first afterwards
            size = len(slow.bands[at])
            table = b"".join(table[band::size] for band in ([bands[at]] if at in bands else range(size)))
        return set(table)

    cells = settled = 0
    for cell in slow.cells():
        known = tuple(band in stated for band, stated in zip(cell, slow.stated, strict=True))
        reason = sufficient_reason(policy, cell, known)
        agreed = [(at, cell[at]) for at in reason]
        assert strategies(*agreed) == {slow.answer(cell)}, cell
        for member in agreed:
            assert len(strategies(*(one for one in agreed if one != member))) > 1, (cell, member)
        settled += all(known[at] for at in reason)
        cells += 1
    assert cells == policy.cells
    assert 0 < settled < cells


@pytest.mark.parametrize("number", [1000, pytest.param(10_000, marks=pytest.mark.exhaustive)])
def test_on_partial_profiles_of_the_newest_policy_a_reason_suffices_and_none_of_it_can_go(number: int) -> None:
    policy = shipped("3.0.0")
    sizes = 0
    for cell, known in partial_cells(policy, number):
        reason = sufficient_reason(policy, cell, known)
        assert reached(policy, cell, set(reason)) == {policy.decide(cell).strategy}, (cell, known)
        for member in reason:
            assert len(reached(policy, cell, set(reason) - {member})) > 1, (cell, known, member)
        assert all(known[at] for at in reason) == unknowns(policy, cell, known).settled, (cell, known)
        sizes += len(reason)
    assert sizes < 4 * number  # a reason is short: four inputs of twenty-six on average at most


def partial_cells(policy: Policy, number: int) -> Iterator[tuple[Cell, tuple[bool, ...]]]:
    random = Random(9)  # noqa: S311 - a sample to repeat, not a secret
    for _ in range(number):
        share = random.random()
        known = tuple(random.random() >= share for _ in policy.inputs)
        yield (
            tuple(
                random.choice(field.stated) if given else field.assumed
                for field, given in zip(policy.inputs, known, strict=True)
            ),
            known,
        )


def reached(policy: Policy, cell: Sequence[int], held: set[int]) -> set[int]:
    """Return the strategies of all cells that agree on some inputs, all bands of the others tried on the diagram."""
    diagram = policy.diagrams
    seen: set[Root] = set()
    stack = [policy.root]
    while stack:
        root = stack.pop()
        if root not in seen:
            seen.add(root)
            if root >= 0:
                children, level = diagram.children[root], diagram.levels[root]
                stack.extend([children[cell[level]]] if level in held else children)
    return {leaf_value(root) for root in seen if root < 0}
