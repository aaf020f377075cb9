"""What would change a policy's answer: the smallest sets of changed inputs, exactly.

A *path* is what a team can do to reach another strategy; a *risk* is what overturns the answer without its doing.

- A team's *own* change moves an input that is changed by `action` to a stated band on its `better` side. Afterwards,
  what the input's `changing_needs` names must hold, in the cell that all changes of the set lead to; making it hold may
  be one of them. A starting band is on no side of the others, so leaving it is no change for the better.
- A change of the *world* moves an input that is changed by `circumstance`, or one that is not known and turns out not
  to be as assumed, to any other stated band. Known inputs that are `fixed` do not change, and changes for the worse by
  the team itself are in neither list.
- A path is a set of own changes, as few as lead to its strategy by own changes alone.
- A risk is a set of changes of the world, as few as lead to its strategy by those alone; or a set of changes of either
  kind, as few as lead there at all. What its inputs lead to is told once: where they make up a path to the same
  strategy, there is no risk of them.

Per set of inputs there is one target: fewest band steps, then the lowest bands in document order. Nothing is sampled
and nothing is approximated: one pass over the diagram finds how few changes lead to each strategy from each node, and
a second one follows only what is on the way to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple, TypeAlias

from trivium.policy.engine.compiled import Known, Policy
from trivium.policy.engine.completion import UNKNOWN
from trivium.policy.engine.diagram import Cell, Root, leaf_value
from trivium.policy.engine.families import BASE, NONE, Families, Family
from trivium.policy.engine.tables import Condition


Targets: TypeAlias = tuple[tuple[int, int], ...]
"""(position of an input, band it changes to), in document order."""

LISTED = 64
"""Most sets listed per strategy and list; the first in document order. Further ones are counted."""


class Changes(NamedTuple):
    """Changes that lead to another strategy."""

    strategy: int
    targets: Targets


class PathsAndRisks(NamedTuple):
    """What would change the answer.

    Attributes:
        paths: what the team can do, the smallest sets first, then by strategy and in document order.
        more_paths: how many paths there are beyond those listed.
        risks: what overturns the answer, in the same order.
        more_risks: how many risks there are beyond those listed.
    """

    paths: tuple[Changes, ...]
    more_paths: int
    risks: tuple[Changes, ...]
    more_risks: int

    @property
    def margin(self) -> int | None:
        """The smallest number of changes in either list; None where nothing changes the answer."""
        return min((len(changes.targets) for changes in (*self.paths[:1], *self.risks[:1])), default=None)


def paths_and_risks(policy: Policy, cell: Cell, known: Known, listed: int = LISTED) -> PathsAndRisks:
    """Return the paths and the risks of a cell.

    Args:
        policy: what decides.
        cell: per input its band; that of an unknown input is the one assumed.
        known: per input, whether the profile stated it.
        listed: most sets to list per strategy and list.
    """
    search = _Search(policy, cell, known)
    families, ours, alone, together = search.families, search.ours, search.alone, search.together
    paths, risks = _List(listed), _List(listed)
    for strategy in search.others:
        path = ours.sets(strategy) if ours else NONE
        paths.add(strategy, families, path, ours)
        risk = together.sets(strategy) if together else NONE
        risks.add(strategy, families, families.difference(risk, path), together)
        if alone and together and alone.size(strategy) != together.size(strategy):  # else they are among the others
            risks.add(strategy, families, families.difference(alone.sets(strategy), path), alone)
    return PathsAndRisks(paths.sorted(), paths.more, risks.sorted(), risks.more)


def nearest_changes(policy: Policy, cell: Cell, known: Known) -> tuple[Changes | None, Changes | None]:
    """Return the first path and the first risk of `paths_and_risks`, without working out the others."""
    search = _Search(policy, cell, known)
    families, ours = search.families, search.ours
    path = risk = None
    found = [(size, at) for at in search.others if ours and (size := ours.size(at)) is not None]
    if ours and found:
        _, strategy = min(found)
        path = Changes(strategy, ours.nearest(strategy, next(families.sets(ours.sets(strategy)))))
    kinds = dict.fromkeys([search.together, search.alone])
    sizes = [(size, at, kind) for kind in kinds if kind for at in search.others if (size := kind.size(at)) is not None]
    for size, strategy, kind in sorted(sizes, key=lambda one: one[:2]):
        family = kind.sets(strategy)
        if ours and ours.size(strategy) == size:
            family = families.difference(family, ours.sets(strategy))
        if family != NONE:
            risk = Changes(strategy, kind.nearest(strategy, next(families.sets(family))))
            break
    return path, risk


class _Search:
    """What can be changed from a cell on, by whom.

    Attributes:
        families: the space of all sets.
        others: the strategies to reach.
        ours: what the team's own changes reach; None where they reach no other strategy.
        alone: what changes of the world reach; None where there are none.
        together: what changes of either kind reach; the same as `alone` where the team has none of its own.
    """

    def __init__(self, policy: Policy, cell: Cell, known: Known) -> None:
        inputs = list(zip(policy.inputs, cell, known, strict=True))
        own = [field.improvements[band] for field, band, _ in inputs]
        world = [
            field.others[band] if not given or field.spec.changed_by == "circumstance" else ()
            for field, band, given in inputs
        ]
        either = [there or here for there, here in zip(world, own, strict=True)]  # what is not known: to any band
        graph, families = _graph(policy, cell, either), Families()
        current = policy.diagrams.value(policy.root, cell)
        ours = alone = together = None
        improved = [UNKNOWN if bands else band for band, bands in zip(cell, own, strict=True)]
        if policy.completion.reachable(improved) != 1 << current:  # else nothing that a team can do matters
            ours = _Smallest(graph, cell, families, own, [field.needs for field in policy.inputs])
        if any(world):
            alone = together = _Smallest(graph, cell, families, world, [()] * len(cell))
            if either != world:
                needs = [field.needs if given else () for field, _, given in inputs]
                together = _Smallest(graph, cell, families, either, needs)
        self.families, self.ours, self.alone, self.together = families, ours, alone, together
        self.others = [other for other in range(len(policy.strategies)) if other != current]


class _List:
    """Flips listed up to a number per strategy, and counted beyond it."""

    def __init__(self, most: int) -> None:
        self._most, self._flips, self.more = most, list[Changes](), 0

    def add(self, strategy: int, families: Families, family: Family, search: _Smallest | None) -> None:
        """Add the sets of a family, each with its nearest targets."""
        if search is None or family == NONE:
            return
        sets = list(islice(families.sets(family), self._most))
        self._flips += [Changes(strategy, search.nearest(strategy, changed)) for changed in sets]
        self.more += families.count(family) - len(sets)

    def sorted(self) -> tuple[Changes, ...]:
        """Return what is listed: smallest sets first, then by strategy, then in document order of the inputs."""
        return tuple(sorted(self._flips, key=_order))


def _order(changes: Changes) -> tuple[int, int, list[int]]:
    return len(changes.targets), changes.strategy, [position for position, _ in changes.targets]


class _Graph(NamedTuple):
    """The part of a policy's diagram that changes of a cell lead to.

    Attributes:
        nodes: an input and a child per band, each node after all of its children. A child is a strategy, or the number
            of strategies plus the index of a node; that of a band that is not changed to is as if nothing changed.
        root: the top.
        strategies: the number of strategies.
    """

    nodes: list[tuple[int, tuple[int, ...]]]
    root: int
    strategies: int


def _graph(policy: Policy, cell: Cell, changes: Sequence[tuple[int, ...]]) -> _Graph:
    """Keep of a policy's diagram what leads on from a cell, given the bands that each input may change to."""
    levels, children, strategies = policy.diagrams.levels, policy.diagrams.children, len(policy.strategies)
    nodes: list[tuple[int, tuple[int, ...]]] = []
    unique: dict[tuple[int, tuple[int, ...]], int] = {}
    memo: dict[Root, int] = {}

    def narrowed(root: Root) -> int:
        while root >= 0 and not changes[level := levels[root]]:
            root = children[root][cell[level]]
        if root < 0:
            return leaf_value(root)
        made = memo.get(root)
        if made is None:
            here = children[root]
            kept = narrowed(here[cell[level]])
            below = [kept] * len(here)
            for band in changes[level]:
                below[band] = narrowed(here[band])
            made = kept
            if below.count(kept) != len(below):
                key = (level, tuple(below))
                made = unique.get(key)
                if made is None:
                    made = unique[key] = strategies + len(nodes)
                    nodes.append(key)
            memo[root] = made
        return made

    top = narrowed(policy.root)
    del narrowed  # it refers to itself: what it holds would wait for the collector, and be cold by then
    return _Graph(nodes, top, strategies)


class _Smallest:
    """The smallest sets of changes to each other strategy, of the changes that are allowed.

    What changes need is tried out: for each need, the case that nothing changes that has it, and the case that it holds
    afterwards. A set is smallest when it is so in all cases together.

    Args:
        graph: what decides.
        cell: where the changes start.
        families: the space of the sets.
        changes: per input, the bands it may change to.
        needs: per input, what must hold after it has changed.
    """

    def __init__(
        self,
        graph: _Graph,
        cell: Cell,
        families: Families,
        changes: Sequence[tuple[int, ...]],
        needs: Sequence[Condition],
    ) -> None:
        self._families = families
        self._cases = [_Case(graph, cell, families, *case) for case in _cases(cell, changes, needs)]
        sizes = [[case.size(strategy) for case in self._cases] for strategy in range(graph.strategies)]
        self._sizes = [min([size for size in found if size is not None], default=None) for found in sizes]

    def sets(self, strategy: int) -> Family:
        """Return the smallest sets of inputs whose changes lead to another strategy."""
        smallest = self.size(strategy)
        family = NONE
        for case in self._cases:
            if smallest is not None and case.size(strategy) == smallest:
                family = self._families.union(family, case.sets(strategy, smallest))
        return family

    def size(self, strategy: int) -> int | None:
        """Return the fewest changes that lead to a strategy; None where none do."""
        return self._sizes[strategy]

    def nearest(self, strategy: int, inputs: tuple[int, ...]) -> Targets:
        """Return the bands to which the inputs of a smallest set change: fewest steps, then the lowest bands."""
        return min(found for case in self._cases if (found := case.nearest(strategy, inputs)) is not None)[1]


def _cases(
    cell: Cell, changes: Sequence[tuple[int, ...]], needs: Sequence[Condition]
) -> Iterator[tuple[Sequence[tuple[int, ...]], dict[int, tuple[int, ...]]]]:
    """Yield the cases that the needs of changes make; only one where what they name holds and nothing changes it.

    A case is, per input, the bands it may change to; and the inputs that must change, with the bands they may take.
    """
    distinct = dict.fromkeys(
        condition
        for condition, bands in zip(needs, changes, strict=True)
        if condition
        and bands
        and not all(cell[at] in wanted and wanted.issuperset(changes[at]) for at, wanted in condition)
    )
    if not distinct:
        yield changes, {}
        return
    for held in product((False, True), repeat=len(distinct)):
        allowed = list(changes)
        for condition, holds in zip(distinct, held, strict=True):
            if not holds:
                allowed = [() if mine == condition else bands for mine, bands in zip(needs, allowed, strict=True)]
        terms = [term for condition, holds in zip(distinct, held, strict=True) if holds for term in condition]
        for at, wanted in terms:
            allowed[at] = tuple([band for band in allowed[at] if band in wanted])
        must = {at: allowed[at] for at, wanted in terms if cell[at] not in wanted}
        if all(must.values()):
            yield [() if at in must else bands for at, bands in enumerate(allowed)], must


class _Case:
    """The smallest sets of changes where inputs may, must or must not change, whatever any of them needs."""

    def __init__(
        self,
        graph: _Graph,
        cell: Cell,
        families: Families,
        may: Sequence[tuple[int, ...]],
        must: dict[int, tuple[int, ...]],
    ) -> None:
        self._graph, self._cell, self._families, self._may, self._must = graph, cell, families, may, must
        self._most = sum([1 for bands in may if bands])
        self._always = ((1 << graph.strategies * (self._most + 1)) - 1) // ((1 << graph.strategies) - 1)
        self._reached = self._reach()

    def _reach(self) -> list[int]:
        """Return what is reached from each node: strategy `s` by at most `n` changes at bit `n * strategies + s`.

        One change more shifts by the number of strategies, so that a child takes a single operation. Inputs that must
        change are not counted here.
        """
        cell, may, must, width = self._cell, self._may, self._must, self._graph.strategies
        reached = [self._always << strategy for strategy in range(width)]
        for level, children in self._graph.nodes:
            if level in must:
                within = 0
                for band in must[level]:
                    within |= reached[children[band]]
            else:
                within = reached[children[cell[level]]]
                for band in may[level]:
                    within |= reached[children[band]] << width
            reached.append(within)
        return reached

    def size(self, strategy: int) -> int | None:
        """Return the fewest changes that lead to a strategy; None where none do."""
        within = self._reached[self._graph.root] >> strategy & self._always
        if not within:
            return None
        lowest = (within & -within).bit_length() - 1
        return lowest // self._graph.strategies + len(self._must)

    def sets(self, strategy: int, size: int) -> Family:
        """Return the sets of inputs of a size that lead to a strategy, where no smaller ones do."""
        memo: dict[tuple[int, int], Family] = {}
        width, nodes, reached = self._graph.strategies, self._graph.nodes, self._reached
        cell, may, must, families = self._cell, self._may, self._must, self._families

        def together(children: set[int], changes: int) -> Family:
            family, bit = NONE, width * changes + strategy
            for child in children:
                if reached[child] >> bit & 1:
                    family = families.union(family, below(child, changes))
            return family

        def below(node: int, changes: int) -> Family:
            if not changes:
                return BASE
            level, children = nodes[node - width]
            while not may[level] and level not in must:  # changes lead on, so there is an input that may change
                node = children[cell[level]]
                level, children = nodes[node - width]
            family = memo.get((node, changes))
            if family is None:
                if level in must:
                    family = together({children[band] for band in must[level]}, changes)
                else:
                    kept = children[cell[level]]
                    without = below(kept, changes) if reached[kept] >> (width * changes + strategy) & 1 else NONE
                    having = together({children[band] for band in may[level]}, changes - 1)
                    family = families.node(level, without, having)
                memo[node, changes] = family
            return family

        family = below(self._graph.root, size - len(must))
        del together, below  # as in `_graph`
        for level in must:
            family = families.adding(family, level)
        return family

    def nearest(self, strategy: int, inputs: tuple[int, ...]) -> tuple[int, Targets] | None:
        """Return band steps and targets when just these inputs change; None where that does not lead to a strategy."""
        allowed = [self._must.get(level, self._may[level]) for level in inputs]
        if not self._must.keys() <= set(inputs) or not all(allowed):
            return None
        cell, width, nodes = self._cell, self._graph.strategies, self._graph.nodes
        counted = [sum(level not in self._must for level in inputs[at + 1 :]) for at in range(len(inputs))]
        bits = [width * changes + strategy for changes in counted]
        memo: dict[tuple[int, int], tuple[int, Targets] | None] = {}

        def below(node: int, at: int) -> tuple[int, Targets] | None:
            """Return the nearest targets of the inputs from a place in the set on, those before it having changed."""
            end = inputs[at] if at < len(inputs) else len(cell)
            while node >= width and nodes[node - width][0] < end:
                level, children = nodes[node - width]
                node = children[cell[level]]
            if at == len(inputs):
                return (0, ()) if node == strategy else None
            if (node, at) not in memo:
                here = nodes[node - width][1] if node >= width and nodes[node - width][0] == end else None
                rests = [
                    (band, below(child, at + 1))
                    for band in allowed[at]
                    if self._reached[child := here[band] if here else node] >> bits[at] & 1
                ]
                memo[node, at] = min(
                    [(rest[0] + abs(band - cell[end]), ((end, band), *rest[1])) for band, rest in rests if rest],
                    default=None,
                )
            return memo[node, at]

        found = below(self._graph.root, 0)
        del below  # as in `_graph`
        return found
