"""Trivium: prompt engineering, retrieval, fine-tuning, or both - a recommendation with reasons.

>>> import trivium
>>> trivium.recommend({"knowledge_need": "changing_facts"}).strategy
'rag'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium import catalog
from trivium.advisor import Advisor
from trivium.catalog import POLICIES
from trivium.errors import FieldError, InvalidInputError, TriviumError
from trivium.policy import Policy, PolicyError, Registry, RetiredPolicyError, UnknownPolicyError
from trivium.profile import Profile, make_profile
from trivium.recommendation import Explain, Recommendation


__version__ = "0.1.0"


def recommend(
    profile: Mapping[str, Any] | Profile, *, policy: str | None = None, explain: Explain = "full"
) -> Recommendation:
    """Recommend a strategy for a use case, by the policies that ship with the package.

    Args:
        profile: the use case; fields left out, or None, are unknown.
        policy: `1.0.0`, `1` for the newest 1.x, or `latest`; None for the newest active version.
        explain: how much of the rationale to give.

    Raises:
        InvalidInputError: the profile is wrong; names every bad field.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy is retired.
    """
    return catalog.shipped().advisor(policy).recommend(make_profile(profile), explain)


__all__ = [
    "POLICIES",
    "Advisor",
    "Explain",
    "FieldError",
    "InvalidInputError",
    "Policy",
    "PolicyError",
    "Profile",
    "Recommendation",
    "Registry",
    "RetiredPolicyError",
    "TriviumError",
    "UnknownPolicyError",
    "__version__",
    "recommend",
]
