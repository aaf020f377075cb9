"""Where to draw the boxes of a layered graph so that lines are short, straight and seldom cross.

The method is Sugiyama's: long lines pass each layer through a slot of their own, layers are ordered by the middle of
their neighbors, and boxes then stand as near to that middle as their order allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec


Key: TypeAlias = Hashable
"""A box, or the slot of a long line."""

SWEEPS = 24
"""More gain nothing that one could see."""


class Line(msgspec.Struct, frozen=True):
    """A line between two boxes of different layers, with where it leaves and arrives, from the middles of the boxes."""

    source: int
    target: int
    leaves: float = 0
    arrives: float = 0


class Layout(msgspec.Struct, frozen=True):
    """Where everything is.

    Attributes:
        middle: per box, its middle across the layers; from 0 up.
        through: per line, the middles of the slots that it passes in the layers between its ends.
        extent: the size across the layers.
    """

    middle: Mapping[int, float]
    through: Mapping[Line, list[float]]
    extent: float


def arrange(
    boxes: Mapping[int, tuple[int, float]],
    lines: Sequence[Line],
    gap: float,
    slot: float,
    bundled: Callable[[Line], int],
) -> Layout:
    """Arrange boxes in layers.

    Args:
        boxes: per box, its layer and its size across the layers; their order is the order to start from.
        lines: from lower to higher layers.
        gap: space between neighbors.
        slot: size of the slot of a long line.
        bundled: what lines share slots by, such as their target.
    """
    size: dict[Key, float] = {key: extent for key, (_, extent) in boxes.items()}
    layers: dict[int, list[Key]] = defaultdict(list)
    for key, (layer, _) in boxes.items():
        layers[layer].append(key)
    before: dict[Key, list[tuple[Key, float]]] = defaultdict(list)  # neighbor, and how far from its middle to be
    after: dict[Key, list[tuple[Key, float]]] = defaultdict(list)
    slots: dict[Line, list[Key]] = {}
    for line in lines:
        first, last = boxes[line.source][0], boxes[line.target][0]
        slots[line] = [("slot", bundled(line), layer) for layer in range(first + 1, last)]
        for layer, passed in zip(range(first + 1, last), slots[line], strict=True):
            if passed not in size:
                size[passed] = slot
                layers[layer].append(passed)
        chain: list[Key] = [line.source, *slots[line], line.target]
        offsets = [line.leaves, *[0.0] * len(slots[line]), line.arrives]
        for (one, at), (other, to) in pairwise(zip(chain, offsets, strict=True)):
            after[one].append((other, to - at))
            before[other].append((one, at - to))
    middle: dict[Key, float] = {}
    order = sorted(layers)
    for layer in order:
        _place(layers[layer], dict.fromkeys(layers[layer], 0.0), size, gap, middle)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        settling = sweep >= SWEEPS // 2  # the order stands; only straighten
        for layer in order if forward else reversed(order):
            sides = (before, after) if settling else (before if forward else after,)
            wanted = {key: _wanted(key, sides, middle) for key in layers[layer]}
            if not settling:
                layers[layer].sort(key=wanted.__getitem__)
            _place(layers[layer], wanted, size, gap, middle)
    top = min((middle[key] - size[key] / 2 for key in middle), default=0.0)
    middle = {key: at - top for key, at in middle.items()}
    extent = max((middle[key] + size[key] / 2 for key in middle), default=0.0)
    return Layout(
        {key: middle[key] for key in boxes}, {line: [middle[key] for key in slots[line]] for line in lines}, extent
    )


def _wanted(key: Key, sides: Sequence[Mapping[Key, list[tuple[Key, float]]]], middle: Mapping[Key, float]) -> float:
    near = [middle[other] + away for side in sides for other, away in side.get(key, ())]
    return sum(near) / len(near) if near else middle[key]


def _place(
    layer: Sequence[Key], wanted: Mapping[Key, float], size: Mapping[Key, float], gap: float, middle: dict[Key, float]
) -> None:
    """Put a layer's boxes, in order and without overlap, as near as can be to where each is wanted (least squares)."""
    offsets = []
    reached = 0.0
    for key in layer:
        offsets.append(reached + size[key] / 2)
        reached += size[key] + gap
    blocks: list[tuple[float, int]] = []  # (mean of what its boxes want, number of boxes): pool adjacent violators
    for key, offset in zip(layer, offsets, strict=True):
        mean, count = wanted[key] - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    starts = [mean for mean, count in blocks for _ in range(count)]
    middle.update(zip(layer, (start + offset for start, offset in zip(starts, offsets, strict=True)), strict=True))
