"""Trivium in a Python program: mappings in, recommendations out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium import catalog
from trivium.advisor import Advisor
from trivium.policy import Lifecycle, ServedPolicy, load_policy
from trivium.profile import VOCABULARY, Profile, make_profile
from trivium.recommendation import Recommendation


class Recommender:
    """Recommends by one policy. Safe to share between threads.

    Args:
        advisor: what recommends for a checked profile.
    """

    def __init__(self, advisor: Advisor) -> None:
        self.advisor = advisor

    def recommend(self, profile: Mapping[str, Any] | Profile) -> Recommendation:
        """Recommend a strategy for a use case.

        Args:
            profile: the use case. Fields that are left out, None, NaN, or NA as in pandas are unknown; scalars of NumPy
                count as the numbers, flags and words that they hold.

        Raises:
            InvalidInputError: the profile is wrong; names every bad field.
        """
        return self.advisor.recommend(make_profile(_plain(profile) if isinstance(profile, Mapping) else profile))

    def __repr__(self) -> str:
        reference = self.advisor.reference
        return f"<Recommender by {reference.name} {reference.version}>"


def load(path: str | Path) -> Recommender:
    """Load a policy of your own from a YAML file, and prove it.

    Raises:
        OSError: the file cannot be read.
        PolicyError: the policy must not be used; lists every problem.
    """
    text = Path(path).read_text(encoding="utf-8")
    return Recommender(Advisor(ServedPolicy(load_policy(text, str(path), VOCABULARY), Lifecycle())))


def recommend(profile: Mapping[str, Any] | Profile, *, policy: str | None = None) -> Recommendation:
    """Recommend a strategy for a use case, by the policies that ship with the package.

    Args:
        profile: the use case, as for `Recommender.recommend`.
        policy: `1.0.0`, `1` for the newest 1.x, or `latest`; None for the newest active version.

    Raises:
        InvalidInputError: the profile is wrong; names every bad field.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
    """
    return Recommender(catalog.shipped().advisor(policy)).recommend(profile)


_NOT_AVAILABLE = frozenset({"NAType", "NaTType"})
"""What the types of missing values in pandas are called; it need not be installed."""


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: scalars of NumPy unpacked, and whatever stands for "not known" as None."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if type(value).__name__ in _NOT_AVAILABLE or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN
        return None
    return value
