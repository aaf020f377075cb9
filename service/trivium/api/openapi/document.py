"""The contract: an OpenAPI 3.1 document.

Litestar makes it of the handlers: paths, parameters, operation ids and texts. What it does not know is added here:
component schemas from msgspec (see `components`), bodies, responses, headers and examples. What operations share
stands once, under `components`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import msgspec
import yaml
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import License, Server
from litestar.openapi.spec import Tag as TagDescription

from trivium import catalog
from trivium.api.http.conditional import Representation, represent
from trivium.api.http.negotiation import query_fields
from trivium.api.http.problems import PROBLEM_TYPES, ProblemDocument
from trivium.api.http.responses import JSON
from trivium.api.openapi import components, shared
from trivium.api.openapi.operation import YAML, OneOf, Operation
from trivium.api.openapi.shared import header_references, pascal_case
from trivium.api.openapi.shortened import shortened
from trivium.api.settings import Settings
from trivium.recommendation import encode


API_VERSION = "1.0.0"
"""The version of the contract; the package and each policy have their own."""

_DESCRIPTION = """\
Describe an LLM use case as far as you know it; a versioned policy answers which approach to use, why, what to do first,
and what would change the answer. Clients ignore members of responses that they do not know, and treat an unknown value
of a list marked `x-extensible-enum` like none: further ones may be added at any time. HEAD is answered wherever GET is.
A method that a path does not have is answered with 405, and an unknown path with 404; both are problem documents, as
every error is. Bodies are limited to 1 MiB, unless the deployment sets another limit."""

_TAGS = {
    "advice": "Which approach a use case should take, and why.",
    "operations": "For operators and their tools.",
    "policies": "The documents that decide.",
    "reference": "What codes, fields and problems mean.",
}


class Contract:
    """The contract of some handlers, made on first use.

    Args:
        routes: the Litestar handlers, each with its `Operation`.
    """

    def __init__(self, routes: Sequence[Any]) -> None:
        self._routes = routes
        self._lock = Lock()
        self._made: dict[str, Representation] = {}

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return _complete(_from_litestar(self._routes), self._routes)

    @cached_property
    def json(self) -> bytes:
        """The contract as compact JSON."""
        return msgspec.json.encode(self.document)

    @cached_property
    def yaml(self) -> str:
        """The contract as YAML."""
        return yaml.dump(self.document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

    async def representation(self, form: Literal["json", "yaml"]) -> Representation:
        """Return the contract in one of its forms; where it is not made yet, a thread makes it."""
        return self._made[form] if form in self._made else await asyncio.to_thread(self._make, form)

    @asynccontextmanager
    async def lifespan(self, _: Litestar) -> AsyncIterator[None]:
        """Make the contract while the application starts to serve."""
        task = asyncio.create_task(self.representation("json"))
        try:
            yield
        finally:
            await task

    def _make(self, form: Literal["json", "yaml"]) -> Representation:
        with self._lock:
            if form not in self._made:
                body, media_type = (self.json, JSON) if form == "json" else (self.yaml.encode(), YAML)
                self._made[form] = represent(body, media_type=media_type, compress=True)
            return self._made[form]


class _Dumper(yaml.SafeDumper):
    """Writes every value out, and references and lists of words in one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class names it
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        is_short = not any(isinstance(one, list | dict) for one in sequence)
        return super().represent_sequence(tag, sequence, flow_style or is_short)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, flow_style or list(mapping) == ["$ref"])


def _from_litestar(routes: Sequence[Any]) -> dict[str, Any]:
    """Return what Litestar makes of the handlers, in an application that serves nothing."""
    config = OpenAPIConfig(
        title="Trivium",
        version=API_VERSION,
        summary="Prompt engineering, retrieval, fine-tuning, or both: a recommendation with reasons.",
        description=" ".join(_DESCRIPTION.split()),
        license=License(name="Apache License 2.0", identifier="Apache-2.0"),
        servers=[Server(url=".", description="Where this document is.")],
        tags=[TagDescription(name=name, description=text) for name, text in _TAGS.items()],
    )
    application = Litestar(list(routes), openapi_config=config, logging_config=None)
    return application.openapi_schema.to_schema()


def _complete(document: dict[str, Any], routes: Sequence[Any]) -> dict[str, Any]:
    handlers = {handler.opt["operation"].id: handler for handler in routes}
    operations: list[Operation] = [handler.opt["operation"] for handler in handlers.values()]
    received = [operation.body for operation in operations if operation.body is not None]
    replies = [kind for operation in operations for kind in operation.reply.content.values()]
    unions = {kind.name: kind.kinds for kind in replies if isinstance(kind, OneOf)}
    sent = [kind for kind in replies if kind is not str and not isinstance(kind, OneOf)]
    sent += [kind for kinds in unions.values() for kind in kinds]
    references, schemas = components.schemas(received, [*sent, ProblemDocument])
    schemas |= {name: {"anyOf": [references[kind] for kind in kinds]} for name, kinds in unions.items()}
    builder = _Builder(references, schemas)
    paths = {
        path: {
            method: builder.operation(described, handlers[described["operationId"]])
            for method, described in methods.items()
            if method != "head"
        }
        for path, methods in sorted(document["paths"].items())
    }
    return {
        "openapi": document["openapi"],
        "info": document["info"],
        "servers": document["servers"],
        "tags": document["tags"],
        "security": [],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": _used(paths, "responses", shared.response_components(references)),
            "parameters": dict(sorted(builder.parameters.items())),
            "examples": {**builder.examples, **shared.problem_example_components()},
            "headers": shared.header_components(),
        },
    }


def _binary(media_type: str) -> dict[str, Any]:
    """Return the schema of a body that is no text: `format: binary` is of OpenAPI 3.0, and orval trips on it."""
    return _text() | {"contentMediaType": media_type}


def _text() -> dict[str, Any]:
    """Return the schema of a body that is streamed; what no schema can say, the description does."""
    return {"type": "string", "minLength": 1, "maxLength": Settings().max_stream_bytes}


class _Builder:
    """Completes operations; collects the parameters and examples that they refer to.

    Args:
        references: type to a reference to its schema.
        schemas: the component schemas.
    """

    def __init__(self, references: Mapping[Any, Any], schemas: dict[str, Any]) -> None:
        self.parameters: dict[str, Any] = {"IfNoneMatch": shared.IF_NONE_MATCH}
        self.examples: dict[str, Any] = {}
        self._references = references
        self._schemas = schemas
        self._policies = catalog.shipped()

    def operation(self, described: dict[str, Any], handler: Any) -> dict[str, Any]:
        """Return what Litestar says of an operation, with what it does not know."""
        operation: Operation = handler.opt["operation"]
        whole = {key: described[key] for key in ("operationId", "tags", "summary", "description")}
        if parameters := list(self._parameters(described, handler)):
            whole["parameters"] = parameters
        if operation.body is not None:
            examples = {name: self._example(name, body) for name, body in operation.body_examples.items()}
            content = {"schema": self._references[operation.body], "examples": examples}
            texts = {
                media: {"schema": _text(), "examples": {name: self._example(f"{operation.id}_{name}", text)}}
                for media, text in operation.body_texts.items()
                for name in (media.rpartition("/")[2].removeprefix("x-"),)
            }
            binary = {operation.binary: {"schema": _binary(operation.binary)}} if operation.binary else {}
            whole["requestBody"] = {"required": True, "content": {JSON: content, **texts, **binary}}
        whole["responses"] = {}
        for status, response in self._responses(operation):
            if status in whole["responses"]:
                raise ValueError(f"operation {operation.id} has two responses of status {status}")
            whole["responses"][status] = response
        return whole

    def _parameters(self, described: dict[str, Any], handler: Any) -> Iterator[dict[str, Any]]:
        fields = {**handler.parsed_fn_signature.parameters, **query_fields(handler)}
        for parameter in described.get("parameters", ()):
            schema, name = components.parameter(fields[parameter["name"]].raw, self._schemas)
            if "default" in parameter["schema"]:
                schema["default"] = parameter["schema"]["default"]
            own = {key: parameter[key] for key in ("name", "in", "description")}
            own |= {"required": True} if parameter["required"] else {}
            name = name or pascal_case(parameter["name"])
            if self.parameters.get(name, {**own, "schema": schema}) != {**own, "schema": schema}:
                name = pascal_case(described["operationId"]) + name  # the same parameter with another default
            yield self._shared_parameter(name, {**own, "schema": schema})
        if "ETag" in handler.opt["operation"].reply.headers:
            yield {"$ref": "#/components/parameters/IfNoneMatch"}

    def _shared_parameter(self, name: str, parameter: dict[str, Any]) -> dict[str, Any]:
        if self.parameters.setdefault(name, parameter) != parameter:
            raise ValueError(f"two parameters are called {name}; give their types titles")
        return {"$ref": f"#/components/parameters/{name}"}

    def _responses(self, operation: Operation) -> Iterator[tuple[str, Any]]:
        reply = operation.reply
        described: dict[str, Any] = {"description": reply.description, "headers": header_references(*reply.headers)}
        if reply.example is None:
            raise ValueError(f"operation {operation.id} has no example")
        example = msgspec.json.decode(encode(reply.example(self._policies)))
        described["content"] = {media: {"schema": self._schema(kind)} for media, kind in reply.content.items()}
        for media, content in described["content"].items():
            body = example[media] if isinstance(example, dict) and media in example else example
            cut = shortened(body, content["schema"], self._schemas)
            form = "" if media == JSON else f"_{media.rpartition('/')[2].removeprefix('x-')}"
            content["examples"] = {operation.id: self._example(f"{operation.id}_reply{form}", cut)}
        if operation.binary:
            described["content"][operation.binary] = {"schema": _binary(operation.binary)}
        if operation.links:
            described["links"] = operation.links
        yield "200", described
        if "ETag" in reply.headers:
            yield "304", {"$ref": f"#/components/responses/{shared.NOT_MODIFIED}"}
        for code in operation.all_problems:
            yield str(PROBLEM_TYPES[code].status), {"$ref": f"#/components/responses/{pascal_case(code)}"}

    def _schema(self, kind: Any) -> dict[str, Any]:
        if isinstance(kind, OneOf):
            return {"$ref": components.REF.format(name=kind.name)}
        schema: dict[str, Any] = {"type": "string"} if kind is str else self._references[kind]
        return schema

    def _example(self, name: str, value: Any) -> dict[str, Any]:
        name = pascal_case(name)
        self.examples[name] = {"value": value}
        return {"$ref": f"#/components/examples/{name}"}


def _used(paths: dict[str, Any], kind: str, defined: dict[str, Any]) -> dict[str, Any]:
    """Return the components that some operation refers to."""
    text = msgspec.json.encode(paths)
    return {name: part for name, part in defined.items() if f'"#/components/{kind}/{name}"'.encode() in text}
