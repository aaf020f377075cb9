"""On random policies, every question about them has the answer that trying all cells gives."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import brute_force
import generators
from reference import Cell, Reference, holds
from trivium.policy import (
    UNKNOWN,
    Policy,
    Problem,
    compile_policy,
    diff,
    members,
    prove,
    sufficient_reason,
    unknowns,
)


laws = settings()
Pair = tuple[Policy, Reference]


def both(document: generators.Part) -> Pair:
    text = generators.text(document)
    return compile_policy(text), Reference(text)


def partial_cells(slow: Reference) -> Iterator[tuple[Cell, tuple[bool, ...]]]:
    """Yield every cell with every choice of known inputs; an unknown one has the band that is assumed for it."""
    assumed = slow.read({})
    unknown = [(band, False) for band in assumed]
    for cell in product(
        *([*((band, True) for band in range(len(bands))), one] for bands, one in zip(slow.bands, unknown, strict=True))
    ):
        yield tuple(band for band, _ in cell), tuple(given for _, given in cell)


# Strategies, reasons and counts


@laws
@given(generators.documents())
def test_lookups_diagram_and_reference_agree_on_every_cell(document: generators.Part) -> None:
    policy, slow = both(document)
    for cell in slow.cells():
        decision = policy.decide(cell)
        assert [rule.position for rule in decision.fired] == slow.state(cell)[1]
        assert decision.strategy == slow.answer(cell) == policy.diagrams.value(policy.root, cell)
    assert policy.cells == len(slow.answers)
    assert policy.diagrams.count(policy.root) == Counter(slow.answers)
    assert policy.diagrams.values(policy.root) == set(slow.answers)


@laws
@given(generators.documents(), st.data())
def test_values_fall_into_the_bands_that_the_document_cuts(document: generators.Part, data: st.DataObject) -> None:
    policy, slow = both(document)
    profile = data.draw(profiles(slow))
    cell, known = policy.read_profile(profile)
    assert cell == slow.read(profile)
    assert known == tuple(name in profile for name in slow.inputs)


@laws
@given(generators.documents(), st.data())
def test_values_round_alike_when_and_only_when_they_are_read_alike(
    document: generators.Part, data: st.DataObject
) -> None:
    policy, slow = both(document)
    one, other = ([data.draw(profiles(slow)).get(name) for name in slow.inputs] for _ in range(2))
    assert policy.read(policy.rounded(one)) == policy.read(one)
    assert (policy.rounded(one) == policy.rounded(other)) == (policy.read(one) == policy.read(other))
    for at, field in enumerate(policy.inputs):
        if field.cuts:
            low = [*one[:at], field.cuts[0] - 1, *one[at + 1 :]]
            for values in (low, policy.rounded(low)):
                with pytest.raises(KeyError):
                    policy.read(values)


def profiles(slow: Reference) -> st.SearchStrategy[dict[str, Any]]:
    """Return profiles of API values, numbers near the cuts included."""
    values: dict[str, st.SearchStrategy[Any]] = {}
    for at, (name, spec) in enumerate(slow.inputs.items()):
        if "cuts" in spec:
            lowest, highest = int(slow.values[at][0]), int(slow.values[at][-1])
            values[name] = st.integers(lowest, highest + 1) | st.floats(lowest, highest + 1)
        else:
            values[name] = st.sampled_from([{"true": True, "false": False}.get(one, one) for one in slow.values[at]])
    return st.fixed_dictionaries({}, optional=values)


# Completions, reasons and unknowns


@laws
@given(generators.documents())
def test_the_completion_diagram_is_the_union_over_completions_for_every_pattern(document: generators.Part) -> None:
    policy, slow = both(document)
    for pattern in product(*([UNKNOWN, *range(len(bands))] for bands in slow.bands)):
        known = [band != UNKNOWN for band in pattern]
        reached = sorted(set(map(slow.answer, slow.completions(pattern, known))))
        assert list(members(policy.completion.reachable(pattern))) == reached, pattern


@laws
@given(generators.documents())
def test_inputs_are_told_apart_by_the_cells_in_which_they_alone_change_the_strategy(document: generators.Part) -> None:
    policy, slow = both(document)
    changing = []
    for at, stated in enumerate(slow.stated):
        cells = product(*slow.stated)
        changing.append(sum(len({slow.answer((*c[:at], band, *c[at + 1 :])) for band in stated}) > 1 for c in cells))
    assert list(policy.completion.telling) == sorted(range(len(changing)), key=lambda at: (changing[at], -at))


@laws
@given(generators.documents())
def test_a_reason_suffices_none_of_it_can_go_and_nothing_of_it_is_assumed_where_settled(
    document: generators.Part,
) -> None:
    policy, slow = both(document)
    assume(not any(is_apart(slow, at, cell) for cell in slow.cells() for at in range(len(cell))))
    agreeing: dict[tuple[tuple[int, int], ...], set[int]] = {}

    def strategies(cell: Cell, reason: Sequence[int]) -> set[int]:
        """Return the strategies of all cells that agree with a cell on a reason."""
        fixed = tuple((at, cell[at]) for at in reason)
        if fixed not in agreeing:
            cells = product(*([band] if at in reason else range(len(slow.bands[at])) for at, band in enumerate(cell)))
            agreeing[fixed] = set(map(slow.answer, cells))
        return agreeing[fixed]

    for cell, known in partial_cells(slow):
        reason = sufficient_reason(policy, cell, known)
        assert list(reason) == sorted(set(reason))
        assert strategies(cell, reason) == {slow.answer(cell)}, (cell, known)
        for member in reason:
            assert len(strategies(cell, [at for at in reason if at != member])) > 1, (cell, known, member)
        assert all(known[at] for at in reason) == unknowns(policy, cell, known).settled


@laws
@given(generators.documents())
def test_reachable_is_the_union_over_completions_and_questions_come_in_order(document: generators.Part) -> None:
    policy, slow = both(document)
    for cell, known in partial_cells(slow):
        left_open = unknowns(policy, cell, known)
        assert left_open.reachable == tuple(sorted(set(map(slow.answer, slow.completions(cell, known)))))
        assert list(left_open.questions) == brute_force.questions(slow, cell, known)
        assert left_open.settled == (len(left_open.reachable) == 1)


# Two versions


@laws
@given(generators.documents(), generators.documents())
def test_diff_counts_every_change_of_strategy_over_the_common_refinement(
    old: generators.Part, new: generators.Part
) -> None:
    sides = both(old), both(new)
    axes = refinement(sides[0][1], sides[1][1])
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    wanted = Counter(strategies_of(sides, point) for point in points)
    unchanged = sum(count for (was, now), count in wanted.items() if was == now)
    difference = diff(sides[0][0], sides[1][0])
    assert difference.cells == len(points)
    assert difference.changed_cells == len(points) - unchanged
    assert {(one.from_, one.to): one.cells for one in difference.changes} == {
        pair: count for pair, count in wanted.items() if pair[0] != pair[1]
    }
    for change in difference.changes:
        assert 1 <= len(change.samples) <= 3
        if know_the_same_values(sides[0][1], sides[1][1]):  # else what a sample leaves out may be read as none of them
            assert {strategies_of(sides, sample) for sample in change.samples} == {(change.from_, change.to)}


def refinement(one: Reference, other: Reference) -> dict[str, list[Any]]:
    """Return, per input of either side, a value per part in which neither side sees a difference."""
    axes: dict[str, list[Any]] = {}
    for name in dict.fromkeys((*one.inputs, *other.inputs)):
        told = [side.values[list(side.inputs).index(name)] for side in (one, other) if name in side.inputs]
        if name in generators.NUMBERS:
            lowest = max(int(cuts[0]) for cuts in told)
            axes[name] = [cut for cut in range(lowest, 10) if any(str(cut) in cuts for cuts in told)]
        else:
            axes[name] = [value for value in told[0] if all(value in values for values in told)]
        if any(side.inputs[name]["when_unknown"] == "unmeasured" for side in (one, other) if name in side.inputs):
            axes[name].append(None)
    return axes


def know_the_same_values(one: Reference, other: Reference) -> bool:
    told = [dict(zip(side.inputs, side.values, strict=True)) for side in (one, other)]
    return all(
        told[0][name][0] == told[1][name][0] if name in generators.NUMBERS else set(told[0][name]) == set(told[1][name])
        for name in told[0].keys() & told[1].keys()
    )


def strategies_of(sides: Sequence[Pair], profile: dict[str, Any]) -> tuple[str, str]:
    was, now = (slow.strategies[slow.answer(slow.read(profile))] for _, slow in sides)
    return was, now


# Proofs


@laws
@given(generators.documents(complete=False))
def test_tables_are_incomplete_or_have_dead_rules_exactly_where_trying_every_cell_says_so(
    document: generators.Part,
) -> None:
    policy, slow = both(document)
    fired: dict[str, set[int | None]] = {name: set() for name in slow.tables}
    for cell in slow.cells():
        for seen, row in zip(fired.values(), slow.state(cell)[1], strict=True):
            seen.add(row)
    problems = prove(policy)
    assert {problem.rule for problem in problems if problem.code == "dead-rule"} == {
        f"{name}/{rule['id']}"
        for name, rules in slow.tables.items()
        for row, rule in enumerate(rules)
        if row not in fired[name]
    }
    incomplete = [problem for problem in problems if problem.code == "incomplete-table"]
    assert [named(problem) for problem in incomplete] == [name for name, rows in fired.items() if None in rows]
    for problem in incomplete:
        table = list(slow.tables).index(named(problem))
        assert all(slow.state(cell)[1][table] is None for cell in matching(slow, problem))


@laws
@given(generators.live_documents(), st.data())
def test_strategies_unmeasured_bands_and_promises_fail_exactly_where_trying_every_cell_says_so(
    document: generators.Part, data: st.DataObject
) -> None:
    promises = [data.draw(generators.promises(document)) | {"id": f"p{index}"} for index in range(3)]
    policy, slow = both(document | {"promises": promises})
    problems = prove(policy)
    by_code = Counter(problem.code for problem in problems)
    assert not by_code["dead-rule"] + by_code["incomplete-table"]

    assert {named(problem) for problem in problems if problem.code == "unreachable-strategy"} == {
        strategy for answer, strategy in enumerate(slow.strategies) if answer not in slow.answers
    }

    differing = {
        problem.message.split(":")[0].strip("`"): problem
        for problem in problems
        if problem.code == "unmeasured-differs"
    }
    assert set(differing) == {
        name for at, name in enumerate(slow.inputs) if any(is_apart(slow, at, cell) for cell in slow.cells())
    }
    for name, problem in differing.items():
        at = list(slow.inputs).index(name)
        assert all(is_apart(slow, at, cell) for cell in matching(slow, problem) if cell[at] == 0)

    broken = {named(problem): problem for problem in problems if problem.code == "broken-promise"}
    refutations = {promise["id"]: list(breaking(slow, promise)) for promise in promises}
    vacuous = {promise["id"] for promise in promises if not any(holds(promise.get("if"), s) for s in states(slow))}
    assert set(broken) == {name for name, cells in refutations.items() if cells} | vacuous
    for name in vacuous:
        assert "holds in no cell" in broken.pop(name).message
    for name, problem in broken.items():
        if "reachable_given" not in promises[int(name[1:])]:
            assert set(matching(slow, problem, problem.message)) <= set(refutations[name])


def states(slow: Reference) -> Iterator[dict[str, Any]]:
    return (slow.state(cell)[0] for cell in slow.cells())


def named(problem: Problem) -> str:
    """Return the first name that a message quotes."""
    return problem.message.split("`")[1]


def matching(slow: Reference, problem: Problem, message: str = "") -> Iterator[Cell]:
    """Yield every cell that a counterexample describes; of a move, the cells it starts from."""
    shown = dict(problem.counterexample or {})
    if move := re.search(r"`(\w+)` from (\w+) to", message):
        shown[move[1]] = move[2]
    for cell in slow.cells():
        if shown.items() <= slow.state(cell)[0].items():
            yield cell


def is_apart(slow: Reference, at: int, cell: Cell) -> bool:
    """Say whether an input is unmeasured and no stated band of it gives the cell's strategy."""
    stated = {slow.answer((*cell[:at], band, *cell[at + 1 :])) for band in slow.stated[at]}
    return cell[at] not in slow.stated[at] and slow.answer(cell) not in stated


def breaking(slow: Reference, promise: dict[str, Any]) -> Iterator[Any]:
    """Yield every cell in which a promise is broken, or that starts a move that breaks it."""
    names = list(slow.inputs)
    if "reachable_given" in promise:
        free = [names.index(name) for name in promise["reachable_given"]]
        assumed = slow.read({})
        cells = (
            c
            for c in slow.cells()
            if all(band in slow.stated[at] if at in free else band == assumed[at] for at, band in enumerate(c))
        )
        yield from {answer for answer, _ in enumerate(slow.strategies)} - {slow.answer(cell) for cell in cells}
        return
    moved = promise.get("raising") or next(iter(promise.get("setting", ())), None)
    at = names.index(moved) if moved else 0
    for cell in slow.cells():
        state = slow.state(cell)[0]
        was = state["strategy"]
        if not holds(promise.get("if"), state):
            continue
        if "then_strategy" in promise:
            if was not in promise["then_strategy"]:
                yield cell
        elif cell[at] in slow.stated[at]:
            to = cell[at] + 1 if "raising" in promise else slow.bands[at].index(promise["setting"][moved])
            if to < len(slow.bands[at]):
                now = slow.strategies[slow.answer((*cell[:at], to, *cell[at + 1 :]))]
                kept, avoided = promise.get("never_leaves"), promise.get("never_enters", ())
                if (was in kept and now not in kept) if kept else (was not in avoided and now in avoided):
                    yield cell
