"""What reads what in a policy: inputs and tables in layers, as pictures and models of it show them."""

from __future__ import annotations

import msgspec

from trivium.policy.engine.compiled import Policy
from trivium.policy.engine.diagram import Cell


class Graph(msgspec.Struct, frozen=True):
    """The requirements between inputs and tables.

    Attributes:
        layer: per position (inputs, then tables) its layer; what reads is always in a higher one.
        reads: (position read, position that reads) in document order.
    """

    layer: tuple[int, ...]
    reads: tuple[tuple[int, int], ...]


def graph(policy: Policy) -> Graph:
    """Put a table one layer above the highest that it reads, and an input one below the lowest that reads it."""
    inputs = len(policy.inputs)
    layer = [0] * len(policy.variables)
    for position, table in enumerate(policy.tables, inputs):
        layer[position] = 1 + max(layer[read] for read in table.reads)
    reads = tuple((read, position) for position, table in enumerate(policy.tables, inputs) for read in table.reads)
    for field in range(inputs):
        layer[field] = min(layer[position] for read, position in reads if read == field) - 1
    return Graph(tuple(layer), reads)


def asked(policy: Policy, cell: Cell) -> set[tuple[int, int]]:
    """Return the reads behind a cell's answer: those of the rule that fired and the rules above it, table by table."""
    inputs = len(policy.inputs)
    fired = policy.decide(cell).fired
    found: set[tuple[int, int]] = set()
    waiting = [len(policy.variables) - 1]
    while waiting:
        position = waiting.pop()
        if position >= inputs:
            rules = policy.tables[position - inputs].rules[: fired[position - inputs].position + 1]
            reads = {(read, position) for rule in rules for read, _ in rule.condition} - found
            found |= reads
            waiting.extend(read for read, _ in reads)
    return found
