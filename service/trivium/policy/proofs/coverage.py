"""What a policy's examples exercise of its cells: exact counts, by the path that each decision takes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from trivium.policy.engine.compiled import Policy, compose
from trivium.policy.engine.diagram import Diagrams, Limits, Root, TooLargeError
from trivium.policy.engine.tables import DecisionTable


LIMITS = Limits(nodes=500_000, edges=2_500_000, steps=20_000_000)
"""What counting paths may need: most policies need a few ten thousand nodes. Larger ones are not counted."""


class PathCoverage(msgspec.Struct, frozen=True):
    """How many decision paths the examples take, and how many cells those stand for.

    A path is the rules that fired in the table `strategy`, in the tables which that rule or one above it asks for, and
    so on back to the inputs. What fired in a table nobody asked makes no difference.

    Attributes:
        covered: paths that some example takes.
        total: paths that some cell takes.
        cells: cells that take a covered path.
        all_cells: all cells.
    """

    covered: int
    total: int
    cells: int
    all_cells: int


def path_coverage(policy: Policy) -> PathCoverage | None:
    """Count the decision paths, and the cells they stand for; None where there are too many to count.

    Raises:
        ValueError: an example's profile states what no band holds.
    """
    try:
        space, root = _paths(policy)
    except TooLargeError:
        return None
    cells = space.count(root)
    taken = {space.value(root, policy.read_profile(example.profile)[0]) for example in policy.document.tests}
    return PathCoverage(len(taken), len(cells), sum(cells[path] for path in taken), policy.cells)


def _paths(policy: Policy) -> tuple[Diagrams, Root]:
    """Return the diagram from cells to a number per path."""
    inputs = len(policy.inputs)
    space = Diagrams(policy.diagrams.sizes, LIMITS)
    paths: list[Root] = []
    for table, firing in zip(policy.tables, compose(policy.tables, space, inputs, space.among), strict=True):
        read = [position - inputs for position in table.reads if position >= inputs]
        paths.append(space.combine(_numbered(table, read, inputs), firing, *(paths[earlier] for earlier in read)))
    return space, paths[-1]


def _numbered(table: DecisionTable, read: list[int], inputs: int) -> Callable[..., int]:
    """Return what numbers the paths to a table: the row that fires, and the paths to the tables it asks."""
    asked: list[set[int]] = []
    so_far: set[int] = set()
    for rule in table.rules:
        so_far = so_far | {position - inputs for position, _ in rule.condition}
        asked.append(so_far)
    numbers: dict[tuple[int, ...], int] = {}

    def number(row: int, *paths: int) -> int:
        part = tuple(path if earlier in asked[row] else -1 for earlier, path in zip(read, paths, strict=True))
        return numbers.setdefault((row, *part), len(numbers))

    return number
