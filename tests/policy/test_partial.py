"""On ten thousand partial profiles of policy 1.0.0, the exact answers are those of trying everything.

Sampled profiles state most inputs, since each completion is tried by itself. Those that state next to nothing are too
large for that, but few: all of them are tried, by slicing the slow reference's table of all cells.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import chain, combinations, product
from math import prod
from operator import or_
from random import Random

import pytest

import brute_force
import reference
import trivium
from reference import Cell
from trivium.policy import load_policy, unknowns
from trivium.profile import VOCABULARY


pytestmark = pytest.mark.exhaustive

FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
# Without likelihoods, so that completions can be counted by slices; random policies prove the order with them.
TEXT = re.sub(r"^    likelihood: .*\n", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
POLICY = load_policy(TEXT, FILE.name, VOCABULARY)
SLOW = reference.Reference(TEXT)
BITS = bytes.maketrans(bytes(range(8)), bytes(1 << answer for answer in range(8)))
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


def short_cells(most: int) -> Iterator[Partial]:
    """Yield every cell of which at most so many inputs are known."""
    assumed = SLOW.read({})
    for given in chain.from_iterable(combinations(range(len(assumed)), size) for size in range(most + 1)):
        for bands in product(*(SLOW.stated[at] for at in given)):
            stated = dict(zip(given, bands, strict=True))
            cell = tuple(stated.get(at, band) for at, band in enumerate(assumed))
            yield cell, tuple(at in stated for at in range(len(assumed)))


def sliced(cell: Cell, known: Known) -> bytes:
    """Return the answers of all completions in their order.

    Every n-th answer has the last input, of n bands, at the same band. Put together again band by band, that input
    comes first, so once every input had its turn they are in order.
    """
    table = SLOW.answers
    for at in reversed(range(len(cell))):
        bands = (cell[at],) if known[at] else SLOW.stated[at]
        table = b"".join(table[band :: len(SLOW.bands[at])] for band in bands)
    return table


def sliced_questions(cell: Cell, known: Known) -> list[brute_force.Question]:
    """Rank the unknown inputs as `brute_force.questions` does, but all completions at once: a bit per answer."""
    assert all(set(weights) == {1} for weights in SLOW.weights)  # completions are counted, not weighed
    table = sliced(cell, known).translate(BITS)
    ranked = []
    for at in (at for at in reversed(range(len(known))) if not known[at]):
        parts = [table[band :: len(SLOW.stated[at])] for band in range(len(SLOW.stated[at]))]
        together = reduce(or_, map(int.from_bytes, parts)).to_bytes(len(parts[0]))
        if any(bits.bit_count() > 1 for bits in set(together)):
            split = [Counter({bit: part.count(bit) for bit in set(part)}) for part in parts]
            reachable = [
                (band, answers_of(reduce(or_, here))) for band, here in zip(SLOW.stated[at], split, strict=True)
            ]
            worth = brute_force.worth(SLOW, at, cell, known, split)
            ranked.append((*worth, at, tuple(reachable)))
        table = b"".join(parts)
    return [(at, reachable) for *_, at, reachable in sorted(ranked)]


def answers_of(bits: int) -> tuple[int, ...]:
    return tuple(answer for answer, bit in enumerate(BITS[:8]) if bit & bits)


@pytest.mark.parametrize(("seed", "number", "fits"), [(1, 9_900, few), (2, 100, many)])
def test_reachable_is_the_union_over_all_completions(seed: int, number: int, fits: Callable[[int], bool]) -> None:
    for cell, known in partial_cells(seed, number, fits):
        reached = sorted(set(map(SLOW.answer, SLOW.completions(cell, known))))
        found = unknowns(POLICY, cell, known)
        assert list(found.reachable) == reached, (cell, known)
        assert POLICY.decide(cell).strategy in reached  # what is assumed is a possible answer
        assert bool(found.questions) == (len(reached) > 1)


def test_slices_of_the_table_say_what_trying_all_completions_says() -> None:
    for cell, known in chain(partial_cells(6, 100, few), partial_cells(7, 5, many)):
        assert list(sliced(cell, known)) == list(map(SLOW.answer, SLOW.completions(cell, known)))
        assert sliced_questions(cell, known) == brute_force.questions(SLOW, cell, known)


def test_with_at_most_two_inputs_known_reachable_is_the_union_over_all_completions() -> None:
    for cell, known in short_cells(2):
        reached = sorted(set(sliced(cell, known)))
        assert list(unknowns(POLICY, cell, known).reachable) == reached, (cell, known)
        assert POLICY.decide(cell).strategy in reached


def test_with_at_most_one_input_known_questions_are_those_of_trying_all_completions() -> None:
    for cell, known in short_cells(1):
        asked = list(unknowns(POLICY, cell, known).questions)
        assert asked == sliced_questions(cell, known), (cell, known)


def test_questions_come_in_the_order_and_with_the_strategies_of_trying_all_completions() -> None:
    for cell, known in partial_cells(3, 1_000, few):
        asked = list(unknowns(POLICY, cell, known).questions)
        assert asked == brute_force.questions(SLOW, cell, known)
