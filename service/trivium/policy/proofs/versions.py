"""Semantic versions: how large a step between two is, and whether it is as large as what changed."""

from __future__ import annotations

from trivium.policy.proofs.diff import Bump, Difference


STEPS: tuple[Bump, ...] = ("none", "patch", "minor", "major")


def version_step(old: str, new: str) -> Bump:
    """Return how large a step a version takes; `none` where it does not go up.

    The leftmost number that is not zero stands for what is compatible, so from 0.2.0 on, 0.3.0 is a major step and
    0.2.1 a minor one; from 0.0.2 on, every step is major.
    """
    before, after = ([int(part) for part in version.split(".")] for version in (old, new))
    if after <= before:
        return "none"
    stepped = next(place for place in range(3) if before[place] != after[place])
    compatible = next((place for place in range(3) if before[place]), 2)
    if stepped <= compatible:
        return "major"
    return "minor" if stepped == compatible + 1 else "patch"


def too_small_a_step(difference: Difference) -> str | None:
    """Say why the newer version's number is too small a step for what changed; None when it is large enough."""
    taken = version_step(difference.from_, difference.to)
    if STEPS.index(taken) >= STEPS.index(difference.bump):
        return None
    called = f"what changed from {difference.from_} calls for a {difference.bump} step"
    step = "no step up" if taken == "none" else f"a {taken} step"
    return f"{called}, and {difference.to} is {step}: make it {next_version(difference.from_, difference.bump)} or more"


def next_version(version: str, step: Bump) -> str:
    """Return the lowest version that is a step of this size."""
    numbers = [int(part) for part in version.split(".")]
    compatible = next((place for place in range(3) if numbers[place]), 2)
    place = min(2, compatible + 3 - STEPS.index(step))
    return ".".join(map(str, [*numbers[:place], numbers[place] + 1, *[0] * (2 - place)]))
