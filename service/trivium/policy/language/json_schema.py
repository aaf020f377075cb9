"""The policy language as a JSON Schema (2020-12) for editors, from the document's types and their docstrings.

It is as strict as a schema can be. That names mean something, and that promises hold, only the load gate can say.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from trivium.policy.language import document
from trivium.policy.language.document import STRATEGY, UNMEASURED, Document, When


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy."""
    whole = msgspec.json.schema(Document)
    when = msgspec.json.schema(When)
    definitions = {name: _described(name, _portable(part)) for name, part in whole["$defs"].items()}
    definitions = _replaced(definitions, when, {"$ref": "#/$defs/When"})
    definitions["When"] = {"title": "When", "description": _WHEN, **when}
    for name, law in _LAWS.items():
        definitions[name] |= law
    for name, key, law in _KEY_LAWS:
        definitions[name]["properties"][key] |= law
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A policy",
        "$ref": "#/$defs/Document",
        "$defs": definitions,
    }


_WHEN = "A condition: every named input or table has one of the listed bands or outcomes."

NAME = r"[a-z][a-z0-9_]{0,63}"
"""What policies, inputs, bands, strategies and tables may be called."""

_BANDS = {"propertyNames": {"pattern": f"^{NAME}$", "not": {"const": UNMEASURED}}}


def _form(*keys: str, maybe: str | None = None) -> dict[str, Any]:
    """Return what holds of a promise of one form: these keys, and none of another form's."""
    others = dict.fromkeys((key for key in _PROMISE if key not in {*keys, maybe}), False)
    return {"required": list(keys), "properties": others}


_PROMISE = ("if", "then_strategy", "raising", "never_leaves", "setting", "never_enters", "reachable_given")

_LAWS: dict[str, dict[str, Any]] = {
    "Input": {"oneOf": [{"required": ["cuts"]}, {"required": ["values"]}]},
    "Lever": {
        "oneOf": [
            {"required": ["table"], "properties": {"always": {"const": False}}},
            {"required": ["always"], "properties": {"always": {"const": True}, "table": False}},
        ]
    },
    "Promise": {
        "oneOf": [
            _form("if", "then_strategy"),
            _form("raising", "never_leaves", maybe="if"),
            _form("setting", "never_enters"),
            _form("reachable_given"),
        ]
    },
}
"""What the types alone do not say."""

_KEY_LAWS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Document", "tables", {"required": [STRATEGY]}),
    ("Input", "cuts", {"minProperties": 2, **_BANDS}),
    (
        "Input",
        "values",
        {"minItems": 2, "uniqueItems": True, "items": {"not": {"const": UNMEASURED}}, "minProperties": 2, **_BANDS},
    ),
    ("Promise", "setting", {"minProperties": 1, "maxProperties": 1}),
)


def _portable(part: Any) -> Any:
    """Write the end of patterns as readers of schemas know it, which is not Python's way."""
    if isinstance(part, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" and isinstance(value, str) else _portable(value)
            for key, value in part.items()
        }
    return [_portable(one) for one in part] if isinstance(part, list) else part


def _described(name: str, part: dict[str, Any]) -> dict[str, Any]:
    """Describe a part and its keys by its docstring; an optional key is left out rather than null."""
    text, _, attributes = inspect.cleandoc(getattr(document, name).__doc__).partition("\n\nAttributes:\n")
    described = dict(re.findall(r"^    (\w+): ((?:.|\n {5,})+)$", attributes, flags=re.MULTILINE))
    properties = {
        key: {**_without_null(value), "description": _sentence(described[key if key != "if" else "if_"])}
        for key, value in part["properties"].items()
    }
    return {**part, "description": re.sub(r"(?<!\n)\n(?!\n)", " ", text), "properties": properties}


def _sentence(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text[0].upper() + text[1:]


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {key: part for key, part in value.items() if not (key == "default" and part is None)}
    if len(kinds) == 1:
        rest.pop("anyOf")
        return {**rest, **kinds[0]}
    return rest | ({"anyOf": kinds} if kinds else {})


def _replaced(part: Any, old: Any, new: Any) -> Any:
    """Replace an equal part wherever it stands, beside what else is said there."""
    if isinstance(part, dict):
        rest = {key: value for key, value in part.items() if key not in {"description", "default"}}
        if rest == old:
            return {**{key: value for key, value in part.items() if key not in rest}, **new}
        return {key: _replaced(value, old, new) for key, value in part.items()}
    return [_replaced(one, old, new) for one in part] if isinstance(part, list) else part
