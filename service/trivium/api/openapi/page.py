"""The contract as a page for people: one HTML document without scripts, so it works with no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec


_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; --accent: #2563eb; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 0 1rem; margin: 1rem 0; }
section h3 { margin: .8rem 0 0; } section h3 b { color: var(--accent); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top; }
tr + tr td { border-top: 1px solid var(--line); }
summary { cursor: pointer; padding: .3rem 0; } details { margin: .3rem 0; }
nav a { margin-right: 1rem; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; frame-ancestors 'none'"


def page(contract: dict[str, Any]) -> str:
    """Return the page of a contract."""
    return "".join(_page(contract))


def _page(contract: dict[str, Any]) -> Iterator[str]:
    info = contract["info"]
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    yield f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info['description'])}</p><nav>"
    for tag in contract["tags"]:
        yield f'<a href="#{tag["name"]}">{tag["name"].title()}</a>'
    yield '<a href="#types">Types</a> <a href="openapi.yaml">YAML</a> <a href="openapi.json">JSON</a></nav>'
    for tag in contract["tags"]:
        yield f'<h2 id="{tag["name"]}">{tag["name"].title()}</h2><p>{escape(tag["description"])}</p>'
        for path, methods in contract["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]]:
                    yield from _operation(path, method, operation)
    yield '<h2 id="types">Types</h2>'
    for name, schema in contract["components"]["schemas"].items():
        yield from _type(name, schema)


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{operation["operationId"]}"><h3><b>{method.upper()}</b> <code>{escape(path)}</code></h3>'
    yield f"<p><strong>{escape(operation['summary'])}.</strong> {escape(operation['description'])}</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>Parameter<th>In<th>Meaning"
        for parameter in parameters:
            meaning = f"{escape(parameter['description'])} <code>{escape(_shape(parameter['schema']))}</code>"
            yield f"<tr><td><code>{escape(parameter['name'])}</code><td>{parameter['in']}<td>{meaning}"
        yield "</table>"
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{media}</code>, {_link(body['schema'])}</p>"
        for name, example in body["examples"].items():
            yield _example(f"Example: {name.replace('_', ' ')}", example["value"])
    for status, response in operation["responses"].items():
        yield f"<p><b>{status}</b> {escape(response['description'])}"
        for media, content in response.get("content", {}).items():
            yield f" <code>{media}</code> {_link(content['schema'])}</p>"
            if "example" in content:
                yield _example("Example", content["example"])
            for name, example in content.get("examples", {}).items():
                yield _example(f"Example: {name.replace('_', ' ')}", example["value"])
    yield "</section>"


def _type(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="type-{name}"><h3>{name}</h3><p>{escape(schema.get("description", ""))}</p><table>'
    required = schema.get("required", [])
    for field, spec in schema.get("properties", {}).items():
        always = "" if field in required else "?"
        yield f"<tr><td><code>{escape(field)}{always}</code><td>{_link(spec)}<td>{escape(spec.get('description', ''))}"
    yield "</table></section>"


def _example(title: str, value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def _link(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{name}">{name}</a>'
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_link(option) for option in schema[key])
    if schema.get("type") == "array":
        return f"array of {_link(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_link(schema['additionalProperties'])}"
    return f"<code>{escape(_shape(schema))}</code>"


def _shape(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    bounds = [f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    bounds += [f"at most {schema['maxLength']} characters"] if "maxLength" in schema else []
    return ", ".join([str(schema.get("type", "any")), *bounds])
