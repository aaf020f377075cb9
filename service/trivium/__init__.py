"""Trivium: prompt engineering, retrieval, fine-tuning, or both - a recommendation with reasons.

>>> import trivium
>>> trivium.recommend({"knowledge_need": "changing_facts"}).strategy
'rag'
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from trivium.advisor import Advisor
from trivium.errors import FieldError, InvalidInputError, TriviumError
from trivium.policy import Policy, PolicyError, Registry, RetiredPolicyError, UnknownPolicyError, load_directory
from trivium.profile import VOCABULARY, Profile, make_profile
from trivium.recommendation import Recommendation, View


__version__ = "0.1.0"

POLICIES = Path(__file__).parent / "policies"
"""The directory of the policies that ship with the package."""


def recommend(profile: Mapping[str, Any] | Profile, *, policy: str | None = None) -> Recommendation:
    """Recommend a strategy for a use case, by the policies that ship with the package.

    Args:
        profile: the use case; fields left out, or None, are unknown.
        policy: `1.0.0`, `1` for the newest 1.x, or `latest`; None for the newest active version.

    Raises:
        InvalidInputError: the profile is wrong; names every bad field.
        UnknownPolicyError: no policy fits.
        RetiredPolicyError: the policy decides no more.
    """
    checked = make_profile(profile)
    return _advisor(_registry().deciding(policy).version).recommend(checked)


@cache
def _registry() -> Registry:
    return Registry(load_directory(POLICIES, VOCABULARY))


@cache
def _advisor(version: str) -> Advisor:
    return Advisor(_registry().by_version[version])


__all__ = [
    "POLICIES",
    "Advisor",
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
    "View",
    "__version__",
    "recommend",
]
