"""Shortens examples: a reader of the contract needs the form of a body, not all of a policy."""

from __future__ import annotations

from typing import Any


ITEMS = 2
"""How many items of a list an example keeps."""

ENTRIES = 1
"""How many entries of a map with names of its own an example keeps."""

LINES = 20
"""How many lines of a text an example keeps."""


def shortened(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Cut the lists, maps and texts of an example.

    Args:
        value: the example.
        schema: its schema, which tells a map from an object.
        schemas: the component schemas by name.
    """
    schema = _resolved(value, schema, schemas)
    if isinstance(value, list):
        return [shortened(one, schema.get("items", {}), schemas) for one in value[:ITEMS]]
    if isinstance(value, str) and value.count("\n") > LINES:
        return "\n".join([*value.split("\n")[:LINES], "..."])
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    below = schema.get("additionalProperties")
    of_map = below if isinstance(below, dict) else {}
    kept = list(value) if properties or not of_map else list(value)[:ENTRIES]
    return {name: shortened(value[name], properties.get(name, of_map), schemas) for name in kept}


def _resolved(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and choose the option of a union that the value has."""
    if "$ref" in schema:
        return _resolved(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    options = [_resolved(value, option, schemas) for option in schema.get("oneOf", schema.get("anyOf", ()))]
    return next((option for option in options if _fits(value, option)), schema)


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, dict):
        return set(schema.get("required", ())) <= value.keys() and "object" in schema.get("type", ())
    return isinstance(value, list) and "array" in schema.get("type", ())
