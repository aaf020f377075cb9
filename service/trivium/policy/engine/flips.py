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
a second one follows only what is on the way to them. All kinds of changes share the first pass: each has bits of its
own, its *lane*, in the number that is kept per node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice, product
from typing import NamedTuple, TypeAlias

from trivium.policy.engine.compiled import OURS, WORLD, Known, Moves, Policy
from trivium.policy.engine.completion import UNKNOWN
from trivium.policy.engine.diagram import Cell, Root, leaf
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
        if alone and together and alone.sizes[strategy] != together.sizes[strategy]:  # else they are among the others
            risks.add(strategy, families, families.difference(alone.sets(strategy), path), alone)
    return PathsAndRisks(paths.sorted(), paths.more, risks.sorted(), risks.more)


def nearest_changes(policy: Policy, cell: Cell, known: Known) -> tuple[Changes | None, Changes | None]:
    """Return the first path and the first risk of `paths_and_risks`, without working out the others."""
    search = _Search(policy, cell, known)
    families, ours = search.families, search.ours
    path = risk = None
    found = [(size, at) for at in search.others if ours and (size := ours.sizes[at]) is not None]
    if ours and found:
        _, strategy = min(found)
        path = Changes(strategy, ours.nearest(strategy, next(families.sets(ours.sets(strategy)))))
    kinds = dict.fromkeys([search.together, search.alone])
    sizes = [(size, at, kind) for kind in kinds if kind for at in search.others if (size := kind.sizes[at]) is not None]
    for size, strategy, kind in sorted(sizes, key=lambda one: one[:2]):
        family = kind.sets(strategy)
        if ours and ours.sizes[strategy] == size:
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
        moves = [field.moves[given][band] for field, band, given in zip(policy.inputs, cell, known, strict=True)]
        kinds = {made[0][1] for made in moves if made}  # of an input that is not known, that of its first move will do
        current = policy.diagrams.value(policy.root, cell)
        improved = [
            UNKNOWN if made and (made[0][1] & OURS or made[-1][1] & OURS) else band
            for band, made in zip(cell, moves, strict=True)
        ]
        ours = alone = together = list[_Lane]()
        if policy.completion.reachable(improved) != 1 << current:  # else nothing that a team can do matters
            ours = _lanes(OURS, cell, moves, policy.needing)
        if max(kinds, default=0) >= WORLD:
            alone = together = _lanes(WORLD, cell, moves, ())
            if OURS in kinds:
                needs = [one for one in policy.needing if known[one[0]]]
                together = _lanes(OURS | WORLD, cell, moves, needs)
        lanes = [*ours, *alone, *(() if together is alone else together)]
        self.families = Families()
        self.others = [other for other in range(len(policy.strategies)) if other != current]
        reach = _Reach(policy, cell, moves, lanes)
        self.ours = _Smallest(reach, self.families, 0, len(ours)) if ours else None
        self.alone = self.together = None
        if alone:
            self.alone = self.together = _Smallest(reach, self.families, len(ours), len(ours) + len(alone))
            if together is not alone:
                self.together = _Smallest(reach, self.families, len(ours) + len(alone), len(lanes))


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


class _Lane(NamedTuple):
    """Changes of some kinds, whatever any of them needs.

    Attributes:
        kinds: which moves are allowed: by `OURS`, `WORLD` or either.
        bands: per input, the bands that it may change to, where these are not all that its moves of those kinds allow.
        must: the inputs of `bands` that have to change.
    """

    kinds: int
    bands: Mapping[int, tuple[int, ...]]
    must: frozenset[int]

    def allowed(self, level: int, moves: Moves) -> tuple[int, ...]:
        """Return the bands that an input may change to, or has to, given its moves."""
        bands = self.bands.get(level)
        return tuple([band for band, kind in moves if kind & self.kinds]) if bands is None else bands


def _lanes(kinds: int, cell: Cell, moves: Sequence[Moves], needs: Sequence[tuple[int, Condition]]) -> list[_Lane]:
    """Return the changes of some kinds: several lanes where some of them need what does not hold.

    For each need there are two cases: nothing changes that has it, or it holds afterwards. A set is smallest when it is
    so in all cases together.

    Args:
        kinds: who makes them.
        cell: where they start.
        moves: per input, what it may change to.
        needs: per input that needs anything, what must hold after it has changed.
    """
    every = _Lane(kinds, {}, frozenset())
    distinct: dict[Condition, list[int]] = {}
    for at, needed in needs:
        if every.allowed(at, moves[at]) and not all(
            cell[other] in wanted and wanted.issuperset(every.allowed(other, moves[other])) for other, wanted in needed
        ):
            distinct.setdefault(needed, []).append(at)
    if not distinct:
        return [every]
    cases = product((False, True), repeat=len(distinct))
    return [lane for held in cases if (lane := _case(every, cell, moves, distinct, held)) is not None]


def _case(
    every: _Lane, cell: Cell, moves: Sequence[Moves], needs: Mapping[Condition, Sequence[int]], held: Sequence[bool]
) -> _Lane | None:
    """Return the changes of a case, given per need which inputs have it, and whether it holds; None if it cannot."""
    bands: dict[int, tuple[int, ...]] = {}
    for holds, inputs in zip(held, needs.values(), strict=True):
        if not holds:
            bands.update(dict.fromkeys(inputs, ()))
    must = set()
    for at, wanted in [term for needed, holds in zip(needs, held, strict=True) if holds for term in needed]:
        allowed = bands[at] if at in bands else every.allowed(at, moves[at])
        bands[at] = tuple([band for band in allowed if band in wanted])
        if cell[at] not in wanted:
            must.add(at)
    return _Lane(every.kinds, bands, frozenset(must)) if all(bands[at] for at in must) else None


class _Bits(NamedTuple):
    """How the numbers of nodes are made up: strategy `s` by at most `n` changes at bit `n * strategies + s` of a lane.

    Attributes:
        lane: the number of bits per lane.
        always: strategy 0 by any number of changes, in one lane.
        leaves: per strategy, what is reached where nothing is left to change.
        charged: per kind of a move, all bits that go up with one change more in the lanes that allow it.
    """

    lane: int
    always: int
    leaves: tuple[int, ...]
    charged: tuple[int, ...]


@lru_cache(maxsize=1024)
def _bits(strategies: int, most: int, kinds: tuple[int, ...]) -> _Bits:
    """Return the bits of some lanes, given the most changes and who makes those of each lane."""
    lane = strategies * (most + 1)
    always = ((1 << lane) - 1) // ((1 << strategies) - 1)
    first = sum(1 << lane * at for at in range(len(kinds)))
    below_top = (1 << lane - strategies) - 1  # what goes up from the top would get into the next lane
    charged = [
        sum(below_top << lane * at for at, allowed in enumerate(kinds) if allowed & kind)
        for kind in range((OURS | WORLD) + 1)
    ]
    return _Bits(lane, always, tuple(first * always << strategy for strategy in range(strategies)), tuple(charged))


class _Reach:
    """What changes of a cell lead to, in every lane.

    One change more shifts by the number of strategies, so that a child takes a single operation for all lanes. Inputs
    that must change are not counted: where a diagram does not test them, they change all the same.

    Attributes:
        strategies: the number of strategies.
        cell: where the changes start.
        moves: per input, what it may change to.
        lanes: who makes changes, and of what.
        bits: how `reached` is made up.
        nodes: the part of the policy's diagram that changes lead to: an input, what is next if it does not change, and
            what is next with each of its moves. That is a strategy, or the number of strategies plus the index of a
            node; each node comes after those that it leads to.
        reached: per strategy, and then per node, what is reached from it.
        root: the top.
    """

    def __init__(self, policy: Policy, cell: Cell, moves: Sequence[Moves], lanes: Sequence[_Lane]) -> None:
        self.strategies, self.cell, self.moves, self.lanes = len(policy.strategies), cell, moves, lanes
        self.bits = _bits(self.strategies, len(moves) - moves.count(()), tuple([lane.kinds for lane in lanes]))
        self.nodes: list[tuple[int, int, list[int]]] = []
        self.reached = list(self.bits.leaves)
        self.root = self._explore(policy)

    def _explore(self, policy: Policy) -> int:
        levels, children, cell, moves = policy.diagrams.levels, policy.diagrams.children, self.cell, self.moves
        nodes, reached, charged, width = self.nodes, self.reached, self.bits.charged, self.strategies
        special = {level: self._masks(level) for lane in self.lanes for level in lane.bands}
        # What each root has become; those of leaves are negative, and so found at the end.
        made: list[int | None] = [None] * (len(levels) + 1 - leaf(width - 1))
        for strategy in range(width):
            made[leaf(strategy)] = strategy

        def explored(root: Root) -> int:
            level, here = levels[root], children[root]
            child = here[cell[level]]
            kept = made[child]
            if kept is None:
                kept = explored(child)
            below, within = [], reached[kept]
            for band, kind in moves[level]:
                child = here[band]
                index = made[child]
                if index is None:
                    index = explored(child)
                below.append(index)
                if index != kept:
                    within |= (reached[index] & charged[kind]) << width
            if below.count(kept) == len(below):
                made[root] = kept
                return kept
            if level in special:
                within = _within(reached, kept, below, special[level], width)
            made[root] = index = width + len(nodes)
            nodes.append((level, kept, below))
            reached.append(within)
            return index

        top = made[policy.root]
        if top is None:
            top = explored(policy.root)
        del explored  # it refers to itself: what it holds would wait for the collector, and be cold by then
        return top

    def _masks(self, level: int) -> tuple[int, list[tuple[int, int]]]:
        """Return the bits of an input that some lane treats apart: where it may stay, and of each move.

        Those of a move are the bits that go up with one change more, and those that it is free in, as it must be made.
        """
        size, moves = self.bits.lane, self.moves[level]
        below_top, whole = (1 << size - self.strategies) - 1, (1 << size) - 1
        stays, masks = 0, [[0, 0] for _ in moves]
        for at, lane in enumerate(self.lanes):
            must, allowed = level in lane.must, lane.allowed(level, moves)
            if not must:
                stays |= whole << size * at
            for mask, (band, _) in zip(masks, moves, strict=True):
                if band in allowed:
                    mask[must] |= (whole if must else below_top) << size * at
        return stays, [(counted, free) for counted, free in masks]


def _within(
    reached: Sequence[int], kept: int, below: Sequence[int], special: tuple[int, list[tuple[int, int]]], width: int
) -> int:
    """Return what is reached from a node whose input some lane treats apart."""
    stays, masks = special
    within = reached[kept] & stays
    for child, (counted, free) in zip(below, masks, strict=True):
        within |= (reached[child] & counted) << width | reached[child] & free
    return within


class _Smallest:
    """The smallest sets of changes to each other strategy, of the changes that some lanes allow.

    Args:
        reach: what changes lead to.
        families: the space of the sets.
        first: the first lane.
        end: the lane after the last.

    Attributes:
        sizes: per strategy, the fewest changes that lead to it; None where none do.
    """

    def __init__(self, reach: _Reach, families: Families, first: int, end: int) -> None:
        self._families = families
        self._lanes = [_LaneSets(reach, families, at) for at in range(first, end)]
        self.sizes = self._lanes[0].sizes
        for lane in self._lanes[1:]:
            self.sizes = [
                mine if other is None or (mine is not None and mine <= other) else other
                for mine, other in zip(self.sizes, lane.sizes, strict=True)
            ]

    def sets(self, strategy: int) -> Family:
        """Return the smallest sets of inputs whose changes lead to another strategy."""
        family = NONE
        for lane in self._smallest(strategy):
            family = self._families.union(family, lane.sets(strategy))
        return family

    def nearest(self, strategy: int, inputs: tuple[int, ...]) -> Targets:
        """Return the bands to which the inputs of a smallest set change: fewest steps, then the lowest bands."""
        return min([found for lane in self._smallest(strategy) for found in lane.nearest(strategy, inputs)])[1]

    def _smallest(self, strategy: int) -> list[_LaneSets]:
        size = self.sizes[strategy]
        return [] if size is None else [lane for lane in self._lanes if lane.sizes[strategy] == size]


class _LaneSets:
    """The smallest sets of changes in one lane.

    Args:
        reach: what changes lead to.
        families: the space of the sets.
        at: the number of the lane.

    Attributes:
        sizes: per strategy, the fewest changes that lead to it; None where none do.
    """

    def __init__(self, reach: _Reach, families: Families, at: int) -> None:
        self._reach, self._families, self._lane = reach, families, reach.lanes[at]
        self._base = at * reach.bits.lane
        self.sizes: list[int | None] = []
        at_top, must = reach.reached[reach.root] >> self._base, len(self._lane.must)
        for strategy in range(reach.strategies):
            within = at_top >> strategy & reach.bits.always
            lowest = (within & -within).bit_length() - 1
            self.sizes.append(lowest // reach.strategies + must if within else None)

    def sets(self, strategy: int) -> Family:
        """Return the smallest sets of inputs whose changes lead to a strategy."""
        width, nodes, reached, moves = self._reach.strategies, self._reach.nodes, self._reach.reached, self._reach.moves
        lane, families, lowest = self._lane, self._families, self._base + strategy
        memo: dict[tuple[int, int], Family] = {}

        def below(node: int, changes: int) -> Family:
            if not changes:
                return BASE
            family = memo.get((node, changes))
            if family is None:
                level, kept, others = nodes[node - width]  # changes lead on, so this is none of the ends
                without = having = NONE
                left = changes - 1
                if level in lane.must:
                    left = changes
                elif reached[kept] >> width * changes + lowest & 1:
                    without = below(kept, changes)
                bit = width * left + lowest
                bands = lane.bands.get(level)
                for child, (band, kind) in zip(others, moves[level], strict=True):
                    if reached[child] >> bit & 1 and (kind & lane.kinds if bands is None else band in bands):
                        having = families.union(having, below(child, left))
                family = having if left == changes else families.node(level, without, having)
                memo[node, changes] = family
            return family

        family = below(self._reach.root, (self.sizes[strategy] or 0) - len(lane.must))
        del below  # as in `_Reach`
        for level in lane.must:
            family = families.adding(family, level)
        return family

    def nearest(self, strategy: int, inputs: tuple[int, ...]) -> list[tuple[int, Targets]]:
        """Return band steps and targets, the nearest among them, when just these inputs change; none lead elsewhere."""
        reach, lane, must = self._reach, self._lane, self._lane.must
        if not must.issubset(inputs):
            return []
        cell, width, nodes, reached, moves = reach.cell, reach.strategies, reach.nodes, reach.reached, reach.moves
        left = len(inputs) - len(must)
        # Per node that changes of the inputs so far lead to, the nearest of those changes.
        found: dict[int, tuple[int, Targets]] = {reach.root: (0, ())}
        for level in inputs:
            before, found = found, {}
            left -= level not in must
            bit = self._base + width * left + strategy
            allowed = lane.allowed(level, moves[level])
            for start, (steps, targets) in before.items():
                node = start
                while node >= width and nodes[node - width][0] < level:
                    node = nodes[node - width][1]
                tests = node >= width and nodes[node - width][0] == level
                others = nodes[node - width][2] if tests else [node] * len(moves[level])
                for child, (band, _) in zip(others, moves[level], strict=True):
                    if band in allowed and reached[child] >> bit & 1:
                        made = (steps + abs(band - cell[level]), (*targets, (level, band)))
                        if child not in found or made < found[child]:
                            found[child] = made
        return list(found.values())
