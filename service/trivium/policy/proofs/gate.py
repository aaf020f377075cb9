"""The load gate: what must hold in every cell before a policy is served. Each refutation shows a cell.

Everything is judged over the cells of the whole policy, through the chain of tables, on diagrams, so it is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from trivium.policy.engine.compiled import Policy, outcome_among
from trivium.policy.engine.diagram import FALSE, TRUE, Root
from trivium.policy.errors import Problem
from trivium.policy.language import texts
from trivium.policy.language.document import UNMEASURED, Promise
from trivium.policy.language.parser import Path
from trivium.policy.language.references import promise_form


def prove(policy: Policy) -> list[Problem]:
    """Return what keeps a policy from being served; empty when every proof succeeds."""
    problems = list(_tables(policy))
    if problems:  # the other proofs speak of strategies, which an incomplete policy does not have everywhere
        return problems
    proofs = [*_strategies(policy), *_unmeasured(policy), *_promises(policy), *_examples(policy)]
    return [*proofs, *texts.check(policy.parsed)]


def _tables(policy: Policy) -> Iterator[Problem]:
    for table, root in zip((*policy.tables, policy.summary), policy.firing, strict=True):
        is_summary = table is policy.summary
        path: Path = ("summary",) if is_summary else ("tables", table.name)
        fires = policy.diagrams.values(root)
        missing = len(table.rules)
        if missing in fires:
            message = f"no rule of `{table.name}` fires in some cells: add one, or end with a rule without `when`"
            yield policy.parsed.problem(path, "incomplete-table", message, counterexample=_shown(policy, root, missing))
        for rule in table.rules:
            if rule.position not in fires:
                place = (*path, rule.position) if is_summary else (*path, "rules", rule.position)
                message = "never fires: earlier rules, or what earlier tables can say, leave no cell for it"
                yield policy.parsed.problem(place, "dead-rule", message, rule=f"{table.name}/{rule.id}")


def _strategies(policy: Policy) -> Iterator[Problem]:
    reached = policy.diagrams.values(policy.root)
    for index, strategy in enumerate(policy.strategies):
        if index not in reached:
            yield policy.parsed.problem(
                ("strategies", strategy), "unreachable-strategy", f"no cell leads to `{strategy}`"
            )


def _unmeasured(policy: Policy) -> Iterator[Problem]:
    """An unknown that nobody measured must be read like some answer, or reachable would miss the current strategy."""
    space = policy.diagrams
    for level, field in enumerate(policy.inputs):
        if field.bands[0] != UNMEASURED:
            continue
        here, *stated = (space.cofactor(policy.root, level, band) for band in range(len(field.bands)))
        differs = space.combine(lambda mine, *others: int(mine not in others), here, *stated)
        if differs != FALSE:
            yield policy.parsed.problem(
                ("inputs", field.name),
                "unmeasured-differs",
                f"`{field.name}: {UNMEASURED}` gives a strategy that no stated band gives",
                counterexample=_shown(policy, differs, 1),
            )


def _promises(policy: Policy) -> Iterator[Problem]:
    for index, promise in enumerate(policy.document.promises):
        broken = _BROKEN[promise_form(promise) or ""](policy, promise)
        if broken is not None:
            message, cell = broken
            yield policy.parsed.problem(
                ("promises", index), "broken-promise", f"`{promise.id}`: {message}", counterexample=cell
            )


Broken = tuple[str, dict[str, str]] | None


def _implication(policy: Policy, promise: Promise) -> Broken:
    wanted = _indexes(policy, promise.then_strategy or ())
    outside = policy.diagrams.combine(lambda strategy: int(strategy not in wanted), policy.root)
    bad = policy.diagrams.choose(_predicate(policy, promise.if_ or {}), outside, FALSE)
    return _refuted(policy, bad, "the strategy is another one")


def _monotone(policy: Policy, promise: Promise) -> Broken:
    kept = _indexes(policy, promise.never_leaves or ())
    level = policy.positions[promise.raising or ""]
    premise = _predicate(policy, promise.if_ or {})
    field = policy.inputs[level]
    for low, high in zip(field.stated, field.stated[1:], strict=False):
        bad = _both(
            policy, (level, low), (level, high), lambda before, after: before in kept and after not in kept, premise
        )
        raised = f"raising `{field.name}` from {field.bands[low]} to {field.bands[high]} leaves them"
        if (broken := _refuted(policy, bad, raised)) is not None:
            return broken
    return None


def _never_enters(policy: Policy, promise: Promise) -> Broken:
    avoided = _indexes(policy, promise.never_enters or ())
    (name, bands), *_ = (promise.setting or {}).items()
    level = policy.positions[name]
    field = policy.inputs[level]
    for band in [bands] if isinstance(bands, str) else bands:
        to = field.bands.index(band)
        for start in field.stated:
            bad = _both(
                policy, (level, start), (level, to), lambda before, after: before not in avoided and after in avoided
            )
            moved = f"setting `{name}` from {field.bands[start]} to {band} enters them"
            if (broken := _refuted(policy, bad, moved)) is not None:
                return broken
    return None


def _reachable(policy: Policy, promise: Promise) -> Broken:
    given = {policy.positions[name] for name in promise.reachable_given or ()}
    root = policy.root
    for level, field in enumerate(policy.inputs):
        if level not in given:
            root = policy.diagrams.cofactor(root, level, field.assumed)
        elif field.bands[0] == UNMEASURED:
            allowed = policy.diagrams.among(level, field.stated)
            root = policy.diagrams.choose(allowed, root, ~len(policy.strategies))
    missing = set(range(len(policy.strategies))) - policy.diagrams.values(root)
    if missing:
        names = ", ".join(f"`{policy.strategies[index]}`" for index in sorted(missing))
        return f"with only these inputs given, no profile leads to {names}", {}
    return None


_BROKEN: Mapping[str, Callable[[Policy, Promise], Broken]] = {
    "implication": _implication,
    "monotone": _monotone,
    "never_enters": _never_enters,
    "reachable": _reachable,
}


def _both(
    policy: Policy,
    before: tuple[int, int],
    after: tuple[int, int],
    bad: Callable[[int, int], bool],
    premise: Root = TRUE,
) -> Root:
    """Return where moving one input between two bands is bad; the premise holds before the move."""
    space = policy.diagrams
    here, there = space.cofactor(policy.root, *before), space.cofactor(policy.root, *after)
    if here == there:  # nothing changes
        return FALSE
    pair = space.combine(lambda old, new: int(bad(old, new)), here, there)
    return space.choose(space.cofactor(premise, *before), pair, FALSE)


def _examples(policy: Policy) -> Iterator[Problem]:
    for index, example in enumerate(policy.document.tests):
        path: Path = ("tests", index)
        try:
            cell, _ = policy.read_profile(example.profile)
        except ValueError as error:
            yield policy.parsed.problem((*path, "profile"), "malformed", f"`{example.id}`: {error}")
            continue
        decision = policy.decide(cell)
        strategy = policy.strategies[decision.strategy]
        codes = [code for rule in decision.fired for code in rule.because]
        outcomes = {
            table.name: table.outcomes[rule.outcome] for table, rule in zip(policy.tables, decision.fired, strict=True)
        }
        differences = [f"strategy is {strategy}, expected {example.strategy}"] if strategy != example.strategy else []
        differences += [f"code {code} is missing" for code in example.codes if code not in codes]
        differences += [f"code {code} is given" for code in example.without if code in codes]
        differences += [
            f"{table} is {outcomes[table]}, expected {expected}"
            for table, expected in example.outcomes.items()
            if outcomes[table] != expected
        ]
        if differences:
            message = f"`{example.id}`: {'; '.join(differences)}"
            yield policy.parsed.problem(path, "failing-example", message, counterexample=policy.describe(cell))


def _indexes(policy: Policy, strategies: Collection[str]) -> frozenset[int]:
    return frozenset(policy.strategies.index(strategy) for strategy in strategies)


def _predicate(policy: Policy, when: Mapping[str, str | list[str]]) -> Root:
    """Return where a condition over inputs and tables holds."""
    space, inputs = policy.diagrams, len(policy.inputs)
    terms = []
    for position, labels in policy.condition(when):
        if position < inputs:
            terms.append(space.among(position, labels))
        else:
            table = position - inputs
            terms.append(outcome_among(space, policy.tables[table], policy.firing[table], labels))
    return space.every(terms)


def _refuted(policy: Policy, bad: Root, message: str) -> Broken:
    if bad == FALSE:
        return None
    return message, _shown(policy, bad, 1) or {}


def _shown(policy: Policy, root: Root, value: int) -> dict[str, str] | None:
    path = policy.diagrams.witness(root, value)
    return None if path is None else policy.describe(path)
