"""List what the current OpenAPI contract breaks for clients of a released one.

What a client sends must stay accepted, so a *request* may only widen. What a client receives must stay expected, so a
*response* may only narrow; it may gain properties, because clients ignore those they do not know. These are the input
and output rules of Zalando's RESTful API guidelines (#106, #107, #112). One question decides both: which values of one
schema does the other refuse? For requests it is asked of released and current, for responses of current and released.

| rule | breaking |
| --- | --- |
| path-removed, operation-removed | a path, or a method of it, is gone |
| operation-id-changed | generated clients name their functions by it |
| security-tightened | credentials that sufficed no longer do |
| parameter-removed, parameter-required | a parameter is gone; one is new and required, or became so |
| request-body-removed, request-body-required | a body is no longer taken; one is now demanded |
| request-media-type-removed, response-media-type-removed | a format is no longer read; no longer offered |
| response-status-removed, response-header-removed | clients wait for it in vain |
| request-property-required, response-property-optional | one more property to send; one fewer to rely on |
| request-property-removed | gone where unknown properties are refused |
| response-property-removed | gone, required or not |
| request-type-narrowed, response-type-widened | type, also through anyOf, oneOf and null |
| request-enum-narrowed, response-enum-widened | enum and const; not a response's `x-extensible-enum` |
| request-bound-narrowed, response-bound-widened | bounds of numbers, lengths and counts |
| request-constraint-narrowed, response-constraint-widened | pattern, format, closed objects, any other keyword |
| request-default-changed | leaving the property out now means something else |

Combinations are compared without regard to order, and `oneOf` as if it were `anyOf`. A keyword the comparison has no
understanding of counts as breaking as soon as the side that would refuse values changes it. Servers, the style of
parameters, callbacks and webhooks are not compared.
"""

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import yaml


Schema = Mapping[str, Any]
AnySchema = Schema | bool

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_COMBINATIONS = ("$ref", "allOf", "anyOf", "oneOf")
_BOUNDS = {
    ("minimum", "maximum"): "number",
    ("minLength", "maxLength"): "string",
    ("minItems", "maxItems"): "array",
    ("minProperties", "maxProperties"): "object",
}
_TIGHTEST = {
    **{lower: max for lower, _ in _BOUNDS},
    **{upper: min for _, upper in _BOUNDS},
    "exclusiveMinimum": max,
    "exclusiveMaximum": min,
}
# Compared by equality alone; the value names the type the keyword speaks about, None all of them.
_OPAQUE = {
    **dict.fromkeys(("format", "not", "if", "then", "else")),
    **dict.fromkeys(("pattern", "contentEncoding", "contentMediaType"), "string"),
    **dict.fromkeys(("multipleOf",), "number"),
    **dict.fromkeys(("uniqueItems", "prefixItems", "contains", "minContains", "maxContains"), "array"),
    **dict.fromkeys(("patternProperties", "propertyNames", "dependentRequired", "dependentSchemas"), "object"),
}
_FINITE: dict[str | None, list[Any]] = {"null": [None], "boolean": [False, True]}
_WIDER_FORMAT = {"int32": "int64", "float": "double"}


@dataclass(frozen=True, order=True)
class Finding:
    """One breaking change: its rule, the place in the released contract, and a sentence."""

    location: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message} [{self.rule}]"


def breaking_changes(released: Schema, current: Schema) -> list[Finding]:
    """Return what *current* breaks for clients of *released*, each change once, by location."""
    return sorted(set(_paths(released, current)))


def _paths(old: Schema, new: Schema) -> Iterator[Finding]:
    for path, old_item in old.get("paths", {}).items():
        at = _at("#/paths", path)
        if path not in new.get("paths", {}):
            yield Finding(at, "path-removed", "the path is gone")
            continue
        old_path, new_path = _resolved(old_item, old), _resolved(new["paths"][path], new)
        for method in (method for method in _METHODS if method in old_path):
            place = _at(at, method)
            if method in new_path:
                before, after = _operation(old_path, method), _operation(new_path, method)
                yield from _Operation(old, new, before, after, place).findings()
            else:
                yield Finding(place, "operation-removed", "the operation is gone")


def _operation(path: Schema, method: str) -> Schema:
    """Return the operation with the parameters of its path."""
    return {**path[method], "parameters": [*path.get("parameters", ()), *path[method].get("parameters", ())]}


class _Operation:
    """The comparison of one operation in two contracts."""

    def __init__(self, old: Schema, new: Schema, before: Schema, after: Schema, at: str) -> None:
        self.old, self.new, self.before, self.after, self.at = old, new, before, after, at
        self.request = _Values("request", old, new)
        self.response = _Values("response", new, old)

    def findings(self) -> Iterator[Finding]:
        before, after = self.before.get("operationId"), self.after.get("operationId")
        if before not in (None, after):
            yield Finding(self.at, "operation-id-changed", f"the operationId {before!r} became {after!r}")
        granted = _credentials(self.new, self.after)
        if not all(any(fewer <= held for fewer in granted) for held in _credentials(self.old, self.before)):
            yield Finding(_at(self.at, "security"), "security-tightened", "credentials that sufficed no longer do")
        yield from self._parameters()
        yield from self._body()
        yield from self._responses()

    def _parameters(self) -> Iterator[Finding]:
        before, after = _parameters(self.before, self.old), _parameters(self.after, self.new)
        for key in before.keys() | after.keys():
            at, called = _at(self.at, "parameters", *key), f"the {key[0]} parameter {key[1]!r}"
            was, now = before.get(key, {}), after.get(key)
            if now is None:
                yield Finding(at, "parameter-removed", f"{called} is gone")
                continue
            if now.get("required") and not was.get("required"):
                yield Finding(at, "parameter-required", f"{called} is now required")
            if was:
                yield from self.request.refused(_parameter_schema(was), _parameter_schema(now), _at(at, "schema"))

    def _body(self) -> Iterator[Finding]:
        at = _at(self.at, "requestBody")
        was, now = (
            _resolved(operation.get("requestBody", {}), document)
            for operation, document in ((self.before, self.old), (self.after, self.new))
        )
        if was and not now:
            yield Finding(at, "request-body-removed", "the request takes no body any more")
            return
        if now.get("required") and not was.get("required"):
            yield Finding(at, "request-body-required", "the request now demands a body")
        yield from self._content(self.request, was, now, at)

    def _responses(self) -> Iterator[Finding]:
        after = self.after.get("responses", {})
        for status, response in self.before.get("responses", {}).items():
            at = _at(self.at, "responses", status)
            covering = next((key for key in (status, f"{str(status)[0]}XX", "default") if key in after), None)
            if covering is None:
                yield Finding(at, "response-status-removed", f"the status {status} is no longer described")
                continue
            was, now = _resolved(response, self.old), _resolved(after[covering], self.new)
            yield from self._content(self.response, was, now, at)
            headers = {name.lower(): _resolved(header, self.new) for name, header in now.get("headers", {}).items()}
            for name, reference in was.get("headers", {}).items():
                place, header = _at(at, "headers", name), headers.get(name.lower())
                if header is None:
                    yield Finding(place, "response-header-removed", f"the header {name!r} is gone")
                else:
                    released = _parameter_schema(_resolved(reference, self.old))
                    yield from self.response.refused(_parameter_schema(header), released, _at(place, "schema"))

    def _content(self, values: "_Values", was: Schema, now: Schema, at: str) -> Iterator[Finding]:
        for media_type, content in was.get("content", {}).items():
            place = _at(at, "content", media_type)
            if media_type not in now.get("content", {}):
                lost = "read" if values.side == "request" else "offered"
                yield Finding(place, f"{values.side}-media-type-removed", f"{media_type} is no longer {lost}")
                continue
            pair = content.get("schema", True), now["content"][media_type].get("schema", True)
            source, target = pair if values.side == "request" else pair[::-1]
            yield from values.refused(source, target, _at(place, "schema"))


@dataclass(frozen=True)
class _Values:
    """Finds the values of a source schema that a target schema refuses."""

    side: Literal["request", "response"]
    source: Schema
    target: Schema

    def refused(
        self, source: AnySchema, target: AnySchema, at: str, under: frozenset[str] = frozenset()
    ) -> Iterator[Finding]:
        """Yield a finding per kind of value that *source* allows and *target* does not; *under* ends recursion."""
        question = json.dumps([source, target], sort_keys=True, default=str)
        if question in under:
            return
        released = source if self.side == "request" else target
        if isinstance(released, Mapping) and "$ref" in released:
            at = released["$ref"]
        targets = _alternatives(target, self.target)
        for part in self._parts(source):
            kind = part.get("type")
            attempts = [
                list(self._part(part, other, at, under | {question}))
                for other in targets
                if _covers(other.get("type"), kind)
            ]
            unknown = [self._report("type", at, f"values of {f'type {kind}' if kind else 'any type'}")]
            yield from min(attempts, key=len, default=unknown)

    def _parts(self, source: AnySchema) -> Iterator[Schema]:
        """Yield the source as schemas of one type or one value; only those of one value have an enum."""
        for plain in _alternatives(source, self.source):
            values = self._values(plain)
            if values is None:
                values = _FINITE.get(plain.get("type"))
            if values is None:
                yield {keyword: value for keyword, value in plain.items() if keyword != "enum"}
            else:
                yield from (_both(_pinned(value), plain) for value in values)

    def _report(self, topic: str, at: str, what: str) -> Finding:
        change, verb = ("narrowed", "no longer accepts") if self.side == "request" else ("widened", "may now hold")
        return Finding(at, f"{self.side}-{topic}-{change}", f"the {self.side} {verb} {what}")

    def _values(self, schema: Schema) -> list[Any] | None:
        extensible = schema.get("x-extensible-enum")
        if extensible and self.side == "response":
            return None
        listed: list[Any] | None = schema.get("enum", extensible if isinstance(extensible, list) else None)
        return listed

    def _part(self, source: Schema, target: Schema, at: str, under: frozenset[str]) -> Iterator[Finding]:
        kind = source.get("type")
        at = (source if self.side == "request" else target).get("$at", at)
        values, pinned = self._values(target), "enum" in source
        if values is not None and not (pinned and source["enum"][0] in values):
            yield self._report("enum", at, f"{source['enum'][0]!r}" if pinned else f"values other than {values}")
        yield from self._limits(source, target, at)
        if kind in ("object", None):
            yield from self._properties(source, target, at, under)
        if kind in ("array", None):
            yield from self.refused(source.get("items", True), target.get("items", True), _at(at, "items"), under)

    def _limits(self, source: Schema, target: Schema, at: str) -> Iterator[Finding]:
        for (lower, upper), subject in _BOUNDS.items():
            if _speaks_of(subject, source):
                if _lower(source, lower) < _lower(target, lower):
                    yield self._report("bound", at, f"values under the {lower} {_lower(target, lower)[0]}")
                if _upper(source, upper) > _upper(target, upper):
                    yield self._report("bound", at, f"values over the {upper} {_upper(target, upper)[0]}")
        for keyword, kind in _OPAQUE.items():
            if keyword in target and _speaks_of(kind, source) and not _obeys(source, keyword, target[keyword]):
                yield self._report("constraint", at, f"values against the {keyword} {target[keyword]!r}")
        before, after = source.get("default"), target.get("default")
        if self.side == "request" and before not in (None, after):
            yield Finding(at, "request-default-changed", f"the default {before!r} became {after!r}")

    def _properties(self, source: Schema, target: Schema, at: str, under: frozenset[str]) -> Iterator[Finding]:
        given, taken = source.get("properties", {}), target.get("properties", {})
        rest, other = _additional(source), _additional(target)
        for name in given:
            place = _at(at, "properties", name)
            if name in taken or other is not False:
                yield from self.refused(given[name], taken.get(name, other), place, under)
            elif self.side == "request":
                yield Finding(place, "request-property-removed", f"the request no longer accepts {name!r}")
        yield from self._presence(source, target, at)
        if rest is not False and other is not False:
            yield from self.refused(rest, other, _at(at, "additionalProperties"), under)
        elif rest is not False and self.side == "request":
            yield self._report("constraint", at, "properties it does not name")

    def _presence(self, source: Schema, target: Schema, at: str) -> Iterator[Finding]:
        given, taken = source.get("properties", {}), target.get("properties", {})
        for name in set(target.get("required", ())) - set(source.get("required", ())):
            place = _at(at, "properties", name)
            if self.side == "request":
                yield Finding(place, "request-property-required", f"the request now demands {name!r}")
            elif name in given or name not in taken:
                yield Finding(place, "response-property-optional", f"the response may now lack {name!r}")
        if self.side == "response":
            for name in taken.keys() - given.keys():
                place = _at(at, "properties", name)
                yield Finding(place, "response-property-removed", f"the response no longer holds {name!r}")


def _alternatives(schema: AnySchema, document: Schema, seen: frozenset[str] = frozenset()) -> list[Schema]:
    """Return plain schemas of one type each, without references or combinations; a value fits one of them."""
    if isinstance(schema, bool):
        return [{}] if schema else []
    own = {keyword: value for keyword, value in schema.items() if keyword not in _COMBINATIONS}
    if "const" in own:
        own["enum"] = [own.pop("const")]
    kinds = own["type"] if isinstance(own.get("type"), list) else [own.get("type")]
    found = [_of_type(own, kind) for kind in kinds]
    unions = [[member] for member in schema.get("allOf", ())]
    unions += [schema[keyword] for keyword in ("anyOf", "oneOf") if keyword in schema]
    if reference := schema.get("$ref"):
        if reference in seen:
            return []
        seen |= {reference}
        unions.append([_pointed(reference, document)])
    for union in unions:
        members = [plain for member in union for plain in _alternatives(member, document, seen)]
        found = [_both(left, right) for left, right in product(found, members) if _overlap(left, right)]
    return [{"$at": reference, **plain} for plain in found] if reference else found


def _of_type(schema: Schema, kind: str | None) -> Schema:
    if kind is None:
        return schema
    typed = {**schema, "type": kind}
    if "enum" in schema:
        typed["enum"] = [value for value in schema["enum"] if _covers(kind, _type_of(value))]
    return typed


def _both(left: Schema, right: Schema) -> Schema:
    """Return the schema of the values that fit *left* and *right*, as far as one plain schema can say it."""
    merged = {**right, **left}
    for keyword in left.keys() & right.keys():
        one, two = left[keyword], right[keyword]
        if keyword == "type":
            merged[keyword] = two if _covers(one, two) else one
        elif keyword == "enum":
            merged[keyword] = [value for value in one if value in two]
        elif keyword == "required":
            merged[keyword] = sorted({*one, *two})
        elif keyword == "properties":
            shared = {name: {"allOf": [one[name], two[name]]} for name in one.keys() & two.keys() if one != two}
            merged[keyword] = {**two, **one, **shared}
        elif keyword in ("additionalProperties", "unevaluatedProperties"):
            merged[keyword] = False if False in (one, two) else one
        elif keyword in _TIGHTEST:
            merged[keyword] = _TIGHTEST[keyword](one, two)
    return _of_type(merged, merged.get("type"))


def _overlap(left: Schema, right: Schema) -> bool:
    one, two = left.get("type"), right.get("type")
    return None in (one, two) or _covers(one, two) or _covers(two, one)


def _pinned(value: Any) -> Schema:
    """Return the schema of *value* alone, with the bounds that follow."""
    kind = _type_of(value)
    schema: dict[str, Any] = {"type": kind, "enum": [value]}
    if kind == "string":
        schema |= {"minLength": len(value), "maxLength": len(value)}
    elif kind in ("integer", "number"):
        schema |= {"minimum": value, "maximum": value}
    return schema


def _type_of(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return "integer"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array"}
    return names.get(type(value), "object")


def _covers(wide: str | None, narrow: str | None) -> bool:
    return wide in (None, narrow) or (wide, narrow) == ("number", "integer")


def _speaks_of(subject: str | None, schema: Schema) -> bool:
    return "type" not in schema or _covers(subject, schema["type"])


def _obeys(source: Schema, keyword: str, wanted: object) -> bool:
    if wanted is False or source.get(keyword) == wanted:
        return True
    if keyword == "pattern":
        return "enum" in source and re.search(str(wanted), source["enum"][0]) is not None
    return keyword == "format" and ("enum" in source or _WIDER_FORMAT.get(source.get("format", "")) == wanted)


def _lower(schema: Schema, keyword: str) -> tuple[float, bool]:
    floor = -math.inf if keyword == "minimum" else 0
    exclusive = (schema.get("exclusiveMinimum", -math.inf), True) if keyword == "minimum" else (floor, False)
    return max((schema.get(keyword, floor), False), exclusive)


def _upper(schema: Schema, keyword: str) -> tuple[float, bool]:
    exclusive = (schema.get("exclusiveMaximum", math.inf), False) if keyword == "maximum" else (math.inf, True)
    return min((schema.get(keyword, math.inf), True), exclusive)


def _additional(schema: Schema) -> AnySchema:
    additional: AnySchema = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    return additional


def _parameters(operation: Schema, document: Schema) -> dict[tuple[str, str], Schema]:
    listed = [_resolved(parameter, document) for parameter in operation["parameters"]]
    return {(one["in"], one["name"].lower() if one["in"] == "header" else one["name"]): one for one in listed}


def _parameter_schema(parameter: Schema) -> AnySchema:
    content = next(iter(parameter.get("content", {}).values()), parameter)
    schema: AnySchema = content.get("schema", True)
    return schema


def _credentials(document: Schema, operation: Schema) -> list[set[tuple[str, str]]]:
    """Return the ways to be let in, each as the set of schemes and scopes it takes."""
    ways = operation.get("security", document.get("security")) or [{}]
    return [{(scheme, scope) for scheme, scopes in way.items() for scope in ("", *scopes)} for way in ways]


def _resolved(node: Schema, document: Schema) -> Schema:
    """Follow the references of anything but a schema."""
    seen: set[str] = set()
    while "$ref" in node and node["$ref"] not in seen:
        seen.add(node["$ref"])
        node = {**_pointed(node["$ref"], document), **{key: node[key] for key in node if key != "$ref"}}
    return node


def _pointed(reference: str, document: Schema) -> Any:
    if not reference.startswith("#"):
        raise ValueError(f"{reference!r} points outside the contract; bundle it first")
    node: Any = document
    for token in reference.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        node = node[int(name) if isinstance(node, list) else name]
    return node


def _at(location: str, *names: object) -> str:
    return "/".join([location, *(str(name).replace("~", "~0").replace("/", "~1") for name in names)])


def main(arguments: list[str]) -> int:
    """Print the breaking changes between two files; return 1 if there are any, 2 on wrong usage."""
    if len(arguments) != 2:  # noqa: PLR2004 - released and current
        print("usage: contract_diff.py RELEASED CURRENT", file=sys.stderr)
        return 2
    released, current = (yaml.safe_load(Path(name).read_text(encoding="utf-8")) for name in arguments)
    findings = breaking_changes(released, current)
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
