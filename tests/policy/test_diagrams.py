"""Diagrams are canonical, and every operation on them is the pointwise one."""

from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from trivium.policy.engine.diagram import FALSE, TRUE, Cell, Diagrams, Limits, Root, TooLargeError, leaf


SIZES = (2, 3, 2, 4)
CELLS: list[Cell] = list(product(*map(range, SIZES)))
Function = dict[Cell, int]


@st.composite
def functions(draw: DrawFn, values: Sequence[int] = (0, 1, 2)) -> Function:
    """Draw a function that depends on some of the variables only, as real ones do."""
    read = draw(st.sets(st.sampled_from(range(len(SIZES)))))
    seen = list(product(*(range(size) if at in read else (0,) for at, size in enumerate(SIZES))))
    value = dict(
        zip(seen, draw(st.lists(st.sampled_from(values), min_size=len(seen), max_size=len(seen))), strict=True)
    )
    return {cell: value[tuple(band * (at in read) for at, band in enumerate(cell))] for cell in CELLS}


def build(space: Diagrams, function: Function, level: int = 0, prefix: Cell = ()) -> Root:
    if level == len(SIZES):
        return leaf(function[prefix])
    return space.node(level, (build(space, function, level + 1, (*prefix, band)) for band in range(SIZES[level])))


def meaning(space: Diagrams, root: Root) -> Function:
    return {cell: space.value(root, cell) for cell in CELLS}


@given(functions(), functions())
def test_two_functions_are_equal_exactly_when_their_roots_are(one: Function, other: Function) -> None:
    space = Diagrams(SIZES)
    roots = build(space, one), build(space, other)
    assert (roots[0] == roots[1]) == (one == other)
    assert meaning(space, roots[0]) == one


@given(functions())
def test_no_node_tests_what_does_not_matter_and_none_stands_twice(function: Function) -> None:
    space = Diagrams(SIZES)
    nodes = space.nodes(build(space, function))
    parts = [(space.levels[node], space.children[node]) for node in nodes]
    assert all(len(set(children)) > 1 for _, children in parts)
    assert len(set(parts)) == len(parts)
    assert all(level < space.level(child) for level, children in parts for child in children)
    assert all(child < 0 or nodes.index(child) < at for at, (_, children) in enumerate(parts) for child in children)


@given(st.lists(functions(), min_size=1, max_size=3))
def test_combine_is_pointwise(operands: list[Function]) -> None:
    space = Diagrams(SIZES)
    root = space.combine(lambda *values: sum(values), *(build(space, function) for function in operands))
    assert meaning(space, root) == {cell: sum(function[cell] for function in operands) for cell in CELLS}


@given(functions((0, 1)), functions(), functions())
def test_choose_is_pointwise(condition: Function, then: Function, otherwise: Function) -> None:
    space = Diagrams(SIZES)
    root = space.choose(*(build(space, function) for function in (condition, then, otherwise)))
    assert meaning(space, root) == {cell: (then if condition[cell] else otherwise)[cell] for cell in CELLS}


@given(functions((0, 1)), st.frozensets(st.sampled_from(range(len(SIZES)))))
def test_exists_is_true_where_some_bands_of_the_variables_make_it_true(
    function: Function, levels: frozenset[int]
) -> None:
    space = Diagrams(SIZES)
    root = space.exists(build(space, function), levels)
    some = {tuple(0 if at in levels else band for at, band in enumerate(cell)) for cell in CELLS if function[cell]}
    assert meaning(space, root) == {
        cell: int(tuple(0 if at in levels else band for at, band in enumerate(cell)) in some) for cell in CELLS
    }


@given(st.lists(functions((0, 1)), max_size=3))
def test_every_is_the_conjunction(conditions: list[Function]) -> None:
    space = Diagrams(SIZES)
    root = space.every(build(space, condition) for condition in conditions)
    assert meaning(space, root) == {cell: all(condition[cell] for condition in conditions) for cell in CELLS}


@given(functions(), st.sampled_from([(level, band) for level, size in enumerate(SIZES) for band in range(size)]))
def test_cofactor_holds_one_variable(function: Function, held: tuple[int, int]) -> None:
    level, band = held
    space = Diagrams(SIZES)
    root = space.cofactor(build(space, function), level, band)
    assert meaning(space, root) == {cell: function[(*cell[:level], band, *cell[level + 1 :])] for cell in CELLS}
    assert all(space.levels[node] != level for node in space.nodes(root))


@given(functions())
def test_count_values_and_paths_agree_with_listing_every_cell(function: Function) -> None:
    space = Diagrams(SIZES)
    root = build(space, function)
    assert space.count(root) == Counter(function.values())
    assert space.values(root) == set(function.values())
    for value in (0, 1, 2, 3):
        paths = list(space.paths(root, value))
        met = [cell for path in paths for cell in CELLS if all(cell[level] == band for level, band in path.items())]
        assert sorted(met) == [cell for cell in CELLS if function[cell] == value]  # each cell on one path only
        assert space.witness(root, value) == (paths[0] if paths else None)


def test_among_is_true_in_the_named_bands_only() -> None:
    space = Diagrams(SIZES)
    assert meaning(space, space.among(1, {0, 2})) == {cell: int(cell[1] in {0, 2}) for cell in CELLS}
    assert space.among(1, ()) == FALSE
    assert space.among(1, range(3)) == TRUE


def test_building_gives_up_at_the_limit_and_not_before() -> None:
    space = Diagrams(SIZES, Limits(nodes=2))
    one = space.among(0, {0})
    space.among(1, {0})
    assert space.among(0, {0}) == one  # what is there already costs nothing
    with pytest.raises(TooLargeError, match="more than 2 nodes"):
        space.among(2, {0})
