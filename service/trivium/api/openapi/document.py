"""The contract: an OpenAPI 3.1 document, written from what routes declare and types are.

Component schemas are msgspec's own, so that what is written down is what is enforced; descriptions are the docstrings;
examples are what the shipped policies really answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import msgspec
import yaml
from litestar import Request

from trivium import catalog
from trivium.api.http import problems
from trivium.api.http.conditional import Representation, represent
from trivium.api.http.negotiation import negotiate
from trivium.api.http.problems import PROBLEM_JSON, ProblemDocument, ProblemError
from trivium.api.openapi import page as docs
from trivium.api.openapi.operation import JSON, Operation, PathParameter, Reply
from trivium.api.settings import Settings
from trivium.catalog import PolicySet
from trivium.recommendation import encode


API_VERSION = "1.0.0"
"""The version of the contract; the package and each policy have their own."""

_TAGS = {
    "advice": "Which road a use case should take, and why.",
    "operations": "For operators and their tools.",
    "policies": "The documents that decide.",
    "reference": "What codes, fields and problems mean.",
}
_REF = "#/components/schemas/{name}"
_REQUEST_ID = {
    "description": "The request's id: the caller's own, if it sent one, else a new one.",
    "schema": {"type": "string", "maxLength": 64},
}


class Contract:
    """The contract of some routes, written on first use.

    Args:
        routes: the Litestar handlers, each with its `Operation`.
    """

    def __init__(self, routes: Sequence[Any]) -> None:
        self._routes = routes
        self._made: dict[str, asyncio.Task[Representation]] = {}

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return _document(self._routes)

    @cached_property
    def json(self) -> str:
        """The contract as JSON."""
        return msgspec.json.format(msgspec.json.encode(self.document)).decode() + "\n"

    @cached_property
    def yaml(self) -> str:
        """The contract as YAML."""
        return yaml.dump(self.document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

    @cached_property
    def page(self) -> str:
        """The contract as an HTML page."""
        return docs.page(self.document)

    async def representation(self, form: Literal["json", "yaml", "page"]) -> Representation:
        """Return the contract in one of its forms, made once, off the event loop."""
        if form not in self._made:
            self._made[form] = asyncio.create_task(asyncio.to_thread(self._make, form))
        return await asyncio.shield(self._made[form])

    def _make(self, form: Literal["json", "yaml", "page"]) -> Representation:
        match form:
            case "json":
                return represent(self.json.encode(), compress=True)
            case "yaml":
                return represent(self.yaml.encode(), media_type="application/yaml", compress=True)
            case "page":
                headers = [(b"content-security-policy", docs.CONTENT_SECURITY_POLICY.encode())]
                return represent(self.page.encode(), media_type="text/html", compress=True, headers=headers)


class _Dumper(yaml.SafeDumper):
    """Writes every value out: the examples share parts, and anchors would hide that."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class names it
        return True


def _document(routes: Sequence[Any]) -> dict[str, Any]:
    operations = list(_operations(routes))
    types = [
        *dict.fromkeys(kind for _, handler in operations for kind in _types(handler.opt["operation"])),
        ProblemDocument,
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    refs = dict(zip(types, schemas, strict=True))
    for name, kind in _structs(types).items():
        if name in components:
            _describe(components[name], kind)
    _name_numbers(components)
    _name_unions(components)
    policies = catalog.shipped()
    paths: dict[str, dict[str, Any]] = {}
    for path, handler in sorted(operations, key=lambda entry: entry[0]):
        method = min(handler.http_methods)  # GET, where there is HEAD too
        paths.setdefault(path, {})[method.lower()] = _operation(handler, refs, policies)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trivium",
            "version": API_VERSION,
            "summary": "Prompt engineering, retrieval, fine-tuning, or both: a recommendation with reasons.",
            "description": "Describe an LLM use case as far as you know it; a versioned policy answers which road to "
            "take, why, what to do first, and what would change the answer. Clients should ignore members of responses "
            "that they do not know: new ones may be added at any time. HEAD is answered wherever GET is. A method that "
            "a path does not have is answered with 405, and a path that is not here with 404; both are problem "
            "documents, as every error is. A body may have 1 MiB, unless the deployment sets another limit.",
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This service."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [],
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items())), "headers": {"X-Request-ID": _REQUEST_ID}},
    }


def _operations(routes: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for handler in routes:
        for path in handler.paths:
            yield re.sub(r"\{(\w+):str\}", r"{\1}", path), handler


def _types(operation: Operation) -> Iterator[Any]:
    if operation.body is not None:
        yield operation.body
    for reply in operation.replies.values():
        yield from (kind for kind in reply.content.values() if kind is not str)


def _operation(handler: Any, refs: dict[Any, Any], policies: PolicySet) -> dict[str, Any]:
    operation: Operation = handler.opt["operation"]
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [_path_parameter(name, spec) for name, spec in operation.path.items()],
    }
    if operation.query is not None:
        described["parameters"] += _query_parameters(operation.query)
    if not described["parameters"]:
        del described["parameters"]
    if operation.body is not None:
        examples = {name: {"value": body} for name, body in operation.body_examples.items()}
        content = {"application/json": {"schema": refs[operation.body], "examples": examples}}
        described["requestBody"] = {"required": True, "content": content}
    described["responses"] = {
        str(status): _reply(operation, reply, refs, policies) for status, reply in operation.replies.items()
    } | _problems(handler, policies)
    return described


def _path_parameter(name: str, spec: PathParameter) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": spec.description,
        "schema": {"type": "string", "pattern": spec.pattern, "maxLength": spec.max_length},
        "example": spec.example,
    }


def _query_parameters(kind: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    for name, spec in schema["properties"].items():
        stated = [option for option in spec.pop("anyOf", []) if option != {"type": "null"}]
        merged = {**(stated[0] if stated else {}), **spec}
        description = merged.pop("description")
        if merged.get("default", 0) is None:
            del merged["default"]
        yield {"name": name, "in": "query", "description": description, "schema": _typed(merged)}


def _typed(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "string", **schema} if "enum" in schema else schema


def _reply(operation: Operation, reply: Reply, refs: dict[Any, Any], policies: PolicySet) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    headers |= {name: {"description": text, "schema": {"type": "string"}} for name, text in reply.headers.items()}
    described: dict[str, Any] = {"description": reply.description, "headers": headers}
    if reply.content:
        if reply.example is None:
            raise ValueError(f"operation {operation.id} has no example")
        example = msgspec.json.decode(encode(reply.example(policies)))
        described["content"] = {
            media: {"schema": {"type": "string"} if kind is str else refs[kind], "example": example}
            for media, kind in reply.content.items()
        }
        described |= {"links": operation.links} if operation.links else {}
    return described


def _problems(handler: Any, policies: PolicySet) -> dict[str, Any]:
    by_status: dict[int, list[ProblemError]] = {}
    operation: Operation = handler.opt["operation"]
    for code in operation.all_problems:
        met = _met(handler, policies, code)
        by_status.setdefault(met.kind.status, []).append(met)
    return {str(status): _problem(same) for status, same in by_status.items()}


def _problem(met: Sequence[ProblemError]) -> dict[str, Any]:
    examples = {
        problem.kind.code.replace("-", "_"): {
            "value": msgspec.to_builtins(problems.document(problem, _EXAMPLE_REQUEST))
        }
        for problem in met
    }
    return {
        "description": " ".join(problem.kind.description for problem in met),
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
        "content": {
            PROBLEM_JSON: {"schema": {"$ref": _REF.format(name=ProblemDocument.__name__)}, "examples": examples}
        },
    }


_EXAMPLE_REQUEST = "6f1f0c0be0a94b3fb2f7a1a4fd0c2a55"


def _met(handler: Any, policies: PolicySet, code: str) -> ProblemError:
    """Meet a problem: what the service then says is the example."""
    operation: Operation = handler.opt["operation"]
    try:
        if code in operation.problems:
            operation.problems[code](policies)
        else:
            _meet(handler, code)
    except Exception as error:
        problem = problems.to_problem(error)
        if problem.kind.code == code:
            return problem
        raise ValueError(f"operation {operation.id} met {problem.kind.code} for {code}") from error
    raise ValueError(f"operation {operation.id} did not meet {code}")


def _meet(handler: Any, code: str) -> None:
    """Raise what every operation can raise."""
    match code:
        case "invalid-input":
            _negotiate(_request(handler, query=b"pretty=true"))
        case "not-acceptable":
            _negotiate(_request(handler, accept=b"image/png"))
        case "unsupported-media-type":
            _negotiate(_request(handler, content_type=b"text/plain"))
        case "headers-too-large":
            _negotiate(_request(handler, accept=b"x" * 20000))
        case "request-timeout":
            raise ProblemError("request-timeout", problems.PROBLEM_TYPES["request-timeout"].description)
        case "too-large":
            raise problems.too_large(Settings().max_body_bytes)
        case "internal-error":
            raise RuntimeError


def _request(
    handler: Any, *, query: bytes = b"", accept: bytes = b"*/*", content_type: bytes = JSON.encode()
) -> Request[Any, Any, Any]:
    headers = [(b"accept", accept), (b"content-type", content_type)]
    scope: Any = {"type": "http", "query_string": query, "headers": headers, "route_handler": handler, "state": {}}
    return Request(scope | {"path": "/", "raw_path": b"/"})


def _negotiate(request: Request[Any, Any, Any]) -> None:
    with contextlib.suppress(StopIteration):
        negotiate(request).send(None)  # it waits for nothing


def _name_numbers(part: Any) -> None:
    """Say `integer` for multiples of 1, the name that generators know, and `number` for decimals, as they are sent."""
    if isinstance(part, dict):
        if part.get("type") == "number" and part.get("multipleOf") == 1:
            part["type"] = "integer"
            del part["multipleOf"]
        if part.get("format") == "decimal":
            part["type"] = "number"
            del part["format"]
        part = part.values()
    if not isinstance(part, str):
        for below in part if isinstance(part, Iterable) else ():
            _name_numbers(below)


def _name_unions(part: Any) -> None:
    """Say `oneOf` where a discriminator tells which: msgspec's `anyOf` is true too, but generators look for this."""
    if isinstance(part, dict):
        if "discriminator" in part:
            part["oneOf"] = part.pop("anyOf")
            part["discriminator"] = part.pop("discriminator")
        part = part.values()
    if not isinstance(part, str):
        for below in part if isinstance(part, Iterable) else ():
            _name_unions(below)


def _structs(types: Sequence[Any]) -> dict[str, type[msgspec.Struct]]:
    """Return every struct below some types, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    pending = list(msgspec.inspect.multi_type_info(types))
    while pending:
        info = pending.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if found.setdefault(info.cls.__name__, info.cls) is info.cls and info.fields:
                pending += [field.type for field in info.fields if not _seen(field.type, found)]
        else:
            for part in ("type", "types", "item_type", "item_types", "key_type", "value_type"):
                below = getattr(info, part, ())
                pending += below if isinstance(below, tuple) else [below]
    return found


def _seen(info: Any, found: dict[str, Any]) -> bool:
    return isinstance(info, msgspec.inspect.StructType) and found.get(info.cls.__name__) is info.cls


def _describe(schema: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Split a docstring into the schema's description and those of its properties."""
    text, _, attributes = (kind.__doc__ or "").partition("Attributes:")
    schema["description"] = " ".join(text.split())
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    for name, description in re.findall(r"^\s{8}(\w+): (.+(?:\n\s{12}.+)*)", attributes, flags=re.MULTILINE):
        if name in names:
            schema["properties"][names[name]]["description"] = " ".join(description.split())
