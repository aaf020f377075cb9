"""Trivium: prompt engineering, retrieval, fine-tuning, or both - a recommendation with reasons.

>>> import trivium
>>> trivium.recommend({"knowledge_need": "changing_facts"}).strategy
'rag'
"""

from __future__ import annotations

from trivium.advisor import Advisor
from trivium.catalog import POLICIES
from trivium.errors import FieldError, InvalidInputError, TriviumError
from trivium.library import Recommender, load, recommend, score
from trivium.policy import Policy, PolicyError, Registry, RetiredPolicyError, UnknownPolicyError
from trivium.profile import Profile
from trivium.recommendation import Recommendation, View


__version__ = "0.1.0"

__all__ = [
    "POLICIES",
    "Advisor",
    "FieldError",
    "InvalidInputError",
    "Policy",
    "PolicyError",
    "Profile",
    "Recommendation",
    "Recommender",
    "Registry",
    "RetiredPolicyError",
    "TriviumError",
    "UnknownPolicyError",
    "View",
    "__version__",
    "load",
    "recommend",
    "score",
]
