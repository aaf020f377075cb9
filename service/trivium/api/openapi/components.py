"""Component schemas: msgspec's own, so that they say what is enforced, in the form that client generators read well.

A generator takes a default for a promise that the member is there, an `anyOf` for a class of its own, and an integer
for one of 32 bits. What a struct is used for decides the rest: a struct that is only sent has all its members, unless
it leaves out those at their defaults; and it may gain members, so it is never closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from trivium.decoding import NO_NEWLINE
from trivium.policy.language import document


REF = "#/components/schemas/{name}"

INT32 = 2**31 - 1
"""The largest integer of 32 bits."""

_NULL = {"type": "null"}


def schemas(received: Sequence[Any], sent: Sequence[Any]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return a reference for each type, and the components by name.

    Args:
        received: the types of request bodies.
        sent: the types of responses.
    """
    types = list(dict.fromkeys((*received, *sent)))
    references, parts = msgspec.json.schema_components(types, ref_template=REF)
    for kind in structs(types):
        if kind.__module__ == document.__name__:
            parts[kind.__name__] = _in_normal_form(parts[kind.__name__])
    inbound = {kind.__name__ for kind in structs(received)}
    for kind in structs(types):
        if kind.__name__ not in inbound:
            _as_sent(parts[kind.__name__], kind)
    names = {kind.__name__: _name(kind) for kind in structs(types)}
    found: dict[str, Any] = {}
    for name, part in parts.items():
        found[names.get(name, name)] = _readable(part, names, found)
    references = tuple(_readable(reference, names, found) for reference in references)
    return dict(zip(types, references, strict=True)), dict(sorted(found.items()))


def parameter(kind: Any, found: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the schema of a parameter, and the name that the title of its type gives it.

    Args:
        kind: its type; null, which no parameter can be, is left out.
        found: the component schemas, which gain those that the type names.
    """
    schema = _without_null(msgspec.json.schema(kind))
    schema.pop("description", None)
    title = schema.pop("title", None) if "enum" not in schema else None
    return _readable(schema, {}, found), title


def structs(types: Sequence[Any]) -> list[type[msgspec.Struct]]:
    """Return every struct below some types."""
    found: dict[type[msgspec.Struct], None] = {}
    pending = list(inspect.multi_type_info(types))
    while pending:
        info = pending.pop()
        if isinstance(info, inspect.StructType):
            if info.cls not in found:
                found[info.cls] = None
                pending += [field.type for field in info.fields]
        else:
            pending += _below(info)
    return list(found)


def _below(info: inspect.Type) -> Iterator[inspect.Type]:
    for part in ("type", "types", "item_type", "item_types", "key_type", "value_type"):
        below = getattr(info, part, ())
        yield from below if isinstance(below, tuple) else (below,)


def _name(kind: type[msgspec.Struct]) -> str:
    """Name a component; the parts of a policy document have names that collide with those of languages: `Promise`."""
    return f"Policy{kind.__name__}" if kind.__module__ == document.__name__ else kind.__name__


def _as_sent(schema: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Say which members a struct that is only sent has, and leave room for further ones."""
    schema.pop("additionalProperties", None)
    properties = schema["properties"]
    if not kind.__struct_config__.omit_defaults:
        schema["required"] = list(properties)
    for name, spec in properties.items():
        is_null_left_out = "default" in spec and spec["default"] is None and kind.__struct_config__.omit_defaults
        spec.pop("default", None)
        if is_null_left_out:
            properties[name] = _without_null(spec)


def _in_normal_form(schema: Any) -> Any:
    """Leave the one form of two in which a policy document is served: a list of bands, a map of values."""
    if isinstance(schema, list):
        return [_in_normal_form(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _in_normal_form(value) for key, value in schema.items()}
    kinds = {option.get("type") for option in schema.get("anyOf", ())}
    for written, normal in (("string", "array"), ("array", "object")):
        if {written, normal} <= kinds:
            options = [option for option in schema["anyOf"] if option.get("type") != written]
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            return {**options[0], **rest} if len(options) == 1 else {**rest, "anyOf": options}
    return schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in schema.get("anyOf", ()) if option != _NULL]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**options[0], **rest} if len(options) == 1 else {**rest, **({"anyOf": options} if options else {})}


def _readable(schema: Any, names: dict[str, str], found: dict[str, Any]) -> Any:
    """Rewrite a schema below a component; an enum or union that has a title becomes a component of that name."""
    if isinstance(schema, list):
        return [_readable(one, names, found) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        below = {key: _readable(value, names, found) for key, value in schema.pop("properties").items()}
        schema = {**schema, "properties": below}
    schema = {
        key: _readable(value, names, found)
        if key in {"anyOf", "items", "additionalProperties", "propertyNames"}
        else value
        for key, value in schema.items()
    }
    for rewrite in (_references, _strings, _numbers, _nullable, _tagged):
        schema = rewrite(schema, names)
    return _named(schema, found)


def _references(schema: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Follow the components to their names."""
    if "discriminator" in schema:
        mapping = schema["discriminator"]["mapping"].items()
        renamed = {tag: _renamed(reference, names) for tag, reference in mapping}
        return {**schema, "discriminator": {**schema["discriminator"], "mapping": renamed}}
    return {**schema, "$ref": _renamed(schema["$ref"], names)} if "$ref" in schema else schema


def _renamed(reference: str, names: dict[str, str]) -> str:
    name = reference.rpartition("/")[2]
    return REF.format(name=names.get(name, name))


def _strings(schema: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    """Give enums their type; a pattern ends as in JSON Schema, where `$` is the end of the text."""
    if "enum" in schema:
        return {"type": "string", **{key: value for key, value in schema.items() if key not in {"type", "pattern"}}}
    if "pattern" in schema:
        schema["pattern"] = schema["pattern"].removesuffix(NO_NEWLINE).replace(r"\Z", "$")
    return schema


def _numbers(schema: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    """Say `integer` for multiples of 1, with its size, and `number` for decimals and for either kind of number."""
    if schema.get("format") == "decimal":
        return {**schema, "type": "number", "format": "double"}
    if schema.get("type") == "number" and schema.get("multipleOf") == 1:
        schema = {key: value for key, value in schema.items() if key != "multipleOf"} | {"type": "integer"}
    if schema.get("type") == "integer":
        bounds: dict[str, Any] = {key: int(schema[key]) for key in ("minimum", "maximum") if key in schema}
        size = "int32" if "maximum" in bounds and bounds["maximum"] <= INT32 else "int64"
        return {**schema, **bounds, "format": size}
    if schema.get("type") == "number":
        return {**schema, "format": "double"}
    kinds = [option.get("type") for option in schema.get("anyOf", ())]
    if "integer" in kinds and "number" in kinds:
        options = [option for option in schema["anyOf"] if option.get("type") != "integer"]
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**options[0], **rest} if len(options) == 1 else {**rest, "anyOf": options}
    return schema


def _nullable(schema: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    """Say that one type may be null as a list of two types."""
    options = [option for option in schema.get("anyOf", ()) if option != _NULL]
    if len(options) == 1 and isinstance(options[0].get("type"), str) and "enum" not in options[0]:
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        return {**options[0], "type": [options[0]["type"], "null"], **rest}
    if "default" in schema and schema["default"] is None:
        return {key: value for key, value in schema.items() if key != "default"}
    return schema


def _tagged(schema: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
    """Say `oneOf` where a discriminator tells which."""
    if "discriminator" not in schema:
        return schema
    return {("oneOf" if key == "anyOf" else key): value for key, value in schema.items()}


def _named(schema: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    if "title" not in schema:
        return schema
    name = schema["title"]
    if schema.get("type") == "object" and "properties" in schema:
        kept = {key: value for key, value in schema.items() if key != "title" and (key != "required" or value)}
        return {**kept, "description": " ".join(kept["description"].split())} if "description" in kept else kept
    if "enum" not in schema and "oneOf" not in schema:  # a class for no more than a string would be a burden
        return {key: value for key, value in schema.items() if key != "title"}
    own = {key: value for key, value in schema.items() if key not in {"title", "description", "default"}}
    if found.setdefault(name, own) != own:
        raise ValueError(f"two components are called {name}")
    said = {key: schema[key] for key in ("description",) if key in schema}
    return {"$ref": REF.format(name=name), **said}
