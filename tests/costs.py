"""Costs of a use case whose tuned model is smaller, needs a shorter prompt, and pays back."""

from typing import Any


COSTS: dict[str, Any] = {
    "model": "gpt-4o",
    "tuned_model": "gpt-4o-mini",
    "variable_input_tokens": 500,
    "tuned_input_tokens": 200,
    "output_tokens": 50,
    "examples_to_make": 300,
    "label_cost": 10,
    "engineering": 6000,
}
