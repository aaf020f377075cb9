"""An empty workbook to fill in: a column for each field, drop-downs for what it may hold, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trivium.policy import Policy
from trivium.portfolio.columns import TARGETS, Target
from trivium.portfolio.excel import workbook
from trivium.profile import COST_TEXTS, FIELD_TEXTS, MOST


ROWS = 10_000
"""Rows that have drop-downs."""

_TITLE, _MESSAGE = 32, 255
"""Characters that Excel shows of the title and of the text of a hint."""


def write_template(path: Path, policy: Policy) -> None:
    """Write the workbook.

    Args:
        path: where to.
        policy: says what the values of choices mean.

    Raises:
        FileError: the extra is not installed.
        OSError: it cannot be written.
    """
    with path.open("wb") as file, workbook(file, {"in_memory": True}) as book:
        bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
        projects, fields = book.add_worksheet("Projects"), book.add_worksheet("Fields")
        projects.freeze_panes(1, 1)
        fields.freeze_panes(1, 0)
        fields.set_column(0, 0, 28)
        fields.set_column(1, 3, 60, wrapped)
        fields.write_row(0, 0, ("column", "meaning", "values", "what the values mean"), bold)
        phrases = {one.name: one.spec.phrases for one in policy.inputs}
        for place, target in enumerate(TARGETS.values()):
            projects.write_string(0, place, target.name, bold)
            projects.set_column(place, place, max(14, len(target.name) + 2))
            meaning = meaning_of(target)
            hint = {"input_title": target.name[:_TITLE], "input_message": meaning[:_MESSAGE]}
            projects.data_validation(1, place, ROWS, place, {**_allowed(target), **hint})
            said = phrases.get(target.name, {})
            explained = "\n".join(f"{word}: {said[word]}" for word in target.choices if word in said)
            fields.write_row(place + 1, 0, (target.name, meaning, values_of(target), explained))


def meaning_of(target: Target) -> str:
    """Return what a field means."""
    parent, _, leaf = target.name.rpartition(".")
    return COST_TEXTS[leaf] if parent else FIELD_TEXTS[leaf]


def values_of(target: Target) -> str:
    """Return what a field may hold, in words."""
    words = {
        "text": "a text",
        "number": "a number",
        "flag": "yes, no",
    }
    return ", ".join(target.choices) or words[target.kind]


def _allowed(target: Target) -> dict[str, Any]:
    """Return the validation of the cells of a column."""
    stop = {"error_title": "Not a value of this column"}
    if target.kind in {"choice", "flag"}:
        return {"validate": "list", "source": list(target.choices) or ["yes", "no"], **stop}
    if target.kind == "number":
        return {"validate": "decimal", "criteria": "between", "minimum": 0, "maximum": MOST, **stop}
    return {"validate": "any"}
