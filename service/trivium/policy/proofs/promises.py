"""Promises: laws that a policy keeps in every cell, proved or refuted with a cell that breaks them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from trivium.policy.engine.compiled import Policy
from trivium.policy.engine.diagram import FALSE, Diagrams, Root, leaf
from trivium.policy.errors import Problem
from trivium.policy.language.document import UNMEASURED, Promise
from trivium.policy.language.references import promise_form
from trivium.policy.proofs.cells import predicate, shown


def broken_promises(policy: Policy, space: Diagrams) -> Iterator[Problem]:
    """Yield every promise that some cell breaks, with the cell."""
    for index, promise in enumerate(policy.document.promises):
        broken = _BROKEN[promise_form(promise) or ""](policy, space, promise)
        if broken is not None:
            message, cell = broken
            yield policy.parsed.problem(
                ("promises", index), "broken-promise", f"`{promise.id}`: {message}", counterexample=cell
            )


Broken = tuple[str, dict[str, str]] | None

_NEVER = "its premise holds in no cell, so it promises nothing"


def _implication(policy: Policy, space: Diagrams, promise: Promise) -> Broken:
    wanted = _indexes(policy, promise.then_strategy or ())
    premise = predicate(policy, space, promise.if_ or {})
    if premise == FALSE:
        return _NEVER, {}
    bad = space.choose(premise, space.negated(space.where(policy.root, wanted)), FALSE)
    return _refuted(policy, space, bad, "the strategy is another one")


def _monotone(policy: Policy, space: Diagrams, promise: Promise) -> Broken:
    inside = space.where(policy.root, _indexes(policy, promise.never_leaves or ()))
    level = policy.positions[promise.raising or ""]
    premise = predicate(policy, space, promise.if_ or {})
    field = policy.inputs[level]
    if premise == FALSE:
        return _NEVER, {}
    for low, high in zip(field.stated, field.stated[1:], strict=False):
        after = space.cofactor(inside, level, high)
        before = space.cofactor(space.every([inside, premise]), level, low)
        bad = FALSE if after == before else space.choose(after, FALSE, before)
        raised = f"raising `{field.name}` from {field.bands[low]} to {field.bands[high]} leaves them"
        if (broken := _refuted(policy, space, bad, raised)) is not None:
            return broken
    return None


def _never_enters(policy: Policy, space: Diagrams, promise: Promise) -> Broken:
    inside = space.where(policy.root, _indexes(policy, promise.never_enters or ()))
    (name, bands), *_ = (promise.setting or {}).items()
    level = policy.positions[name]
    field = policy.inputs[level]
    for band in [bands] if isinstance(bands, str) else bands:
        to = field.bands.index(band)
        after = space.cofactor(inside, level, to)
        for start in field.stated:
            bad = space.choose(space.cofactor(inside, level, start), FALSE, after)
            moved = f"setting `{name}` from {field.bands[start]} to {band} enters them"
            if (broken := _refuted(policy, space, bad, moved)) is not None:
                return broken
    return None


def _reachable(policy: Policy, space: Diagrams, promise: Promise) -> Broken:
    given = {policy.positions[name] for name in promise.reachable_given or ()}
    root = policy.root
    for level, field in enumerate(policy.inputs):
        if level not in given:
            root = space.cofactor(root, level, field.assumed)
        elif field.bands[0] == UNMEASURED:
            allowed = space.among(level, field.stated)
            root = space.choose(allowed, root, leaf(len(policy.strategies)))
    missing = set(range(len(policy.strategies))) - space.values(root)
    if missing:
        names = ", ".join(f"`{policy.strategies[index]}`" for index in sorted(missing))
        return f"with only these inputs given, no profile leads to {names}", {}
    return None


_BROKEN: Mapping[str, Callable[[Policy, Diagrams, Promise], Broken]] = {
    "implication": _implication,
    "monotone": _monotone,
    "never_enters": _never_enters,
    "reachable": _reachable,
}


def _indexes(policy: Policy, strategies: Collection[str]) -> frozenset[int]:
    return frozenset(policy.strategies.index(strategy) for strategy in strategies)


def _refuted(policy: Policy, space: Diagrams, bad: Root, message: str) -> Broken:
    if bad == FALSE:
        return None
    return message, shown(policy, space, bad, 1) or {}
