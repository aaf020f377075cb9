"""Realistic bodies for the contract, the docs and the README."""

from __future__ import annotations

from typing import Any

from trivium.errors import FieldError


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

HANDBOOK: dict[str, Any] = {
    "id": "handbook",
    "knowledge_need": "stable_facts",
    "knowledge_tokens": 400000,
    "base_model_underperforms": False,
}
"""Answers from a handbook that seldom changes and does not fit into the prompt."""

PROFILE_EXAMPLES: dict[str, Any] = {
    "match_explanations": INDEED,
    "support_answers": SUPPORT,
    "nothing_known": {},
}

BATCH_TEXTS = {
    "application/x-ndjson": '{"id": "support-answers", "citations_required": true}\n{"labeled_exampels": 120}\n',
    "text/csv": "id,knowledge_need,requests_per_day\r\nsupport-answers,changing_facts,4k\r\n",
}
"""Batches that are streamed."""

BATCH_EXAMPLES: dict[str, Any] = {
    "portfolio": {"defaults": {"primary_goal": "quality"}, "profiles": [INDEED, SUPPORT]},
}

PROBLEM_EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "invalid_input": (
        "3 things are wrong with the input.",
        {
            "errors": [
                FieldError(
                    "unknown_field", "unknown field; did you mean `labeled_examples`?", pointer="/labelled_examples"
                ),
                FieldError("unknown_value", "unknown value; did you mean `changing_facts`?", pointer="/knowledge_need"),
                FieldError("out_of_range", "expected a number >= 0.0", pointer="/requests_per_day"),
            ]
        },
    ),
    "unknown_policy": ("no policy `9`; known: `1.0.0`, `2.0.0`, `3.0.0`, `latest`", {}),
    "unknown_code": ("No served policy has this code; did you mean `HIGH_VOLUME`?", {}),
    "unknown_problem": ("There is no such problem type; did you mean `too_large`?", {}),
    "not_acceptable": ("This is offered as application/json.", {"supported": ["application/json"]}),
    "request_timeout": ("The body did not arrive in time; send it without pauses.", {}),
    "not_mappable": ("x and y must be two different inputs.", {}),
    "policy_retired": ("policy 1.0.0 is retired; use 2.0.0.", {}),
    "too_large": ("The batch has 2500 profiles; at most 1000 are taken at once.", {"limit": 1000}),
    "unsupported_media_type": (
        "Send the body as application/json, with that Content-Type.",
        {"supported": ["application/json"]},
    ),
    "headers_too_large": ("The header fields have more than 16384 bytes.", {"limit": 16384}),
    "internal_error": ("A defect of the service; please report it with the request id.", {}),
    "busy": ("As many batches as the service takes at once are running; try again after Retry-After.", {}),
    "not_ready": ("policy 3.0.0: the strategy is not among the reachable ones", {}),
}
"""Code of a problem to the detail and the further members of its example."""
