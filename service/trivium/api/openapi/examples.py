"""Realistic bodies for the contract, the docs and the README."""

from __future__ import annotations

from typing import Any


INDEED: dict[str, Any] = {
    "id": "match-explanations",
    "requests_per_day": 100000,
    "task_consistency": "consistent",
    "domain_specialization": "general",
    "base_model_underperforms": False,
    "labeled_examples": 1000,
    "example_quality": "expert_reviewed",
    "knowledge_need": "none",
    "prompt_maturity": "exhausted",
    "output_strictness": "style",
    "primary_goal": "cost",
}
"""Explaining why a job fits a person, at a large job site (OpenAI customer story on Indeed, 2024)."""

SUPPORT: dict[str, Any] = {
    "id": "support-answers",
    "requests_per_day": 4000,
    "domain_specialization": "specialized",
    "knowledge_need": "changing_facts",
    "labeled_examples": 120,
    "can_label_more": True,
}
"""Answers for a help desk, of which only some is known."""

PROFILE_EXAMPLES: dict[str, Any] = {
    "match_explanations": INDEED,
    "support_answers": SUPPORT,
    "nothing_known": {},
}

BATCH_EXAMPLES: dict[str, Any] = {
    "portfolio": {"defaults": {"primary_goal": "quality"}, "profiles": [INDEED, SUPPORT]},
}

# Bodies that are refused.
WRONG_PROFILE: dict[str, Any] = {"labelled_examples": 120, "knowledge_need": "changing_fact", "requests_per_day": -1}
WRONG_BATCH: dict[str, Any] = {"defaults": {"primary_goal": "qualty"}, "profiles": []}
LARGE_BATCH: dict[str, Any] = {"profiles": [{}] * 2500}
WRONG_MAP: dict[str, Any] = {"x": "requests_per_day", "y": "labelled_examples"}
UNMAPPABLE: dict[str, Any] = {"x": "requests_per_day", "y": "knowledge_tokens"}
