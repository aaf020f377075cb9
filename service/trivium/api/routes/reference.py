"""What callers look up: rationale codes, profile fields with their bands, problem types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, route
from litestar.types import ASGIApp

from trivium.api.http.conditional import Representation, once_per_set, represent, respond
from trivium.api.http.problems import PROBLEM_TYPES, ProblemError, ProblemType
from trivium.api.http.responses import JSON
from trivium.api.openapi.operation import Operation, describes, revalidated
from trivium.api.routes.common import READ
from trivium.api.routes.parameters import CodeParameter, ProblemParameter
from trivium.api.services import services_of
from trivium.catalog import PolicySet
from trivium.decoding import description
from trivium.economics import Costs
from trivium.policy import CompiledInput
from trivium.policy.engine.bands import Band, stated_bands
from trivium.policy.errors import nearest_name
from trivium.policy.language.document import ChangedBy, Effect
from trivium.profile import COUNTS, FIELD_TEXTS, MOST, PAYBACK, VOCABULARY, Profile
from trivium.recommendation import Citation


class CodeEntry(msgspec.Struct, frozen=True):
    """A rationale code."""

    code: Annotated[str, msgspec.Meta(description="Its name, never used again for anything else.")]
    lever: Annotated[str, msgspec.Meta(description="The lever it speaks of.")]
    effect: Annotated[Effect, msgspec.Meta(description="What it says of the lever.")]
    message: Annotated[str, msgspec.Meta(description="The meaning, as the newest policy that has it puts it.")]
    sources: Annotated[list[Citation], msgspec.Meta(description="What it rests on.")]
    policies: Annotated[list[str], msgspec.Meta(description="The served versions that use it.")]


class CodeList(msgspec.Struct, frozen=True):
    """All rationale codes of the served policies."""

    codes: list[CodeEntry]


class InputBands(msgspec.Struct, frozen=True):
    """How one policy version reads an input."""

    bands: list[Band]
    when_unknown: str
    changed_by: ChangedBy


class InputEntry(msgspec.Struct, frozen=True):
    """What a policy can read: a field of the profile, or what is derived from one. Enough to draw a form."""

    name: Annotated[str, msgspec.Meta(description="The field.")]
    type: Annotated[
        Literal["number", "integer", "boolean", "choice"],
        msgspec.Meta(title="InputType", description="What kind of value it takes."),
    ]
    description: Annotated[str, msgspec.Meta(description="What it means.")]
    question: Annotated[str | None, msgspec.Meta(description="How to ask a person for it.")]
    unit: Annotated[str | None, msgspec.Meta(description="Of numbers.")]
    minimum: Annotated[float | None, msgspec.Meta(description="Of numbers.")]
    maximum: Annotated[float | None, msgspec.Meta(description="Of numbers.")]
    choices: Annotated[list[str] | None, msgspec.Meta(description="The words it may be.")]
    derived_from: Annotated[
        str | None,
        msgspec.Meta(
            description="The field to ask for in its place: this one is computed from it, and no profile states it."
        ),
    ]
    policies: Annotated[dict[str, InputBands], msgspec.Meta(description="Per served version that reads it, its bands.")]


class OtherField(msgspec.Struct, frozen=True):
    """A field of the profile that no policy reads itself."""

    name: Annotated[str, msgspec.Meta(description="The field; `costs.model` is the member `model` of `costs`.")]
    type: Annotated[
        Literal["number", "integer", "text"],
        msgspec.Meta(title="OtherFieldType", description="What kind of value it takes."),
    ]
    description: Annotated[str, msgspec.Meta(description="What it means; prices are in USD.")]
    minimum: Annotated[float | None, msgspec.Meta(description="Of numbers.")]
    maximum: Annotated[float | None, msgspec.Meta(description="Of numbers.")]
    max_length: Annotated[int | None, msgspec.Meta(description="Of texts, in characters.")]


class InputList(msgspec.Struct, frozen=True):
    """The fields of the profile."""

    inputs: Annotated[list[InputEntry], msgspec.Meta(description="What policies read.")]
    other_fields: Annotated[
        list[OtherField], msgspec.Meta(description="The rest: the use case's `id`, and the members of `costs`.")
    ]


class ProblemEntry(msgspec.Struct, frozen=True):
    """A problem type, as the `type` of a problem document names it."""

    type: str
    code: str
    status: int
    title: str
    description: str


class ProblemList(msgspec.Struct, frozen=True):
    """All problem types."""

    problems: list[ProblemEntry]


def _inputs(policies: PolicySet) -> InputList:
    return InputList([_entry(name, policies) for name in VOCABULARY], [*_others(Profile), *_others(Costs, "costs.")])


def _entry(name: str, policies: PolicySet) -> InputEntry:
    field = VOCABULARY[name]
    readers: dict[str, CompiledInput] = {
        version: read
        for version, served in policies.registry.by_version.items()
        for read in served.policy.inputs
        if read.name == name
    }
    newest = next(reversed(readers.values()), None)
    is_number = field.kind == "number"
    kind: Literal["number", "integer", "boolean", "choice"] = (
        "choice" if field.kind == "choice" else "boolean" if field.kind == "flag" else "number"
    )
    return InputEntry(
        name=name,
        type="integer" if name in COUNTS else kind,
        description=FIELD_TEXTS[name],
        question=newest.spec.question if newest else None,
        unit=(newest.spec.unit or None) if newest else None,
        minimum=0 if is_number else None,
        maximum=MOST if is_number else None,
        choices=list(field.choices) or None,
        derived_from="costs" if name == PAYBACK else None,
        policies={version: _bands(read) for version, read in readers.items()},
    )


def _others(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[OtherField]:
    for field in msgspec.structs.fields(kind):
        info = msgspec.inspect.type_info(field.type)
        stated = next(iter(getattr(getattr(info, "type", info), "types", ())))
        name, text = prefix + field.name, description(field.type)
        if isinstance(stated, msgspec.inspect.StrType):
            yield OtherField(name, "text", text, None, None, stated.max_length)
        elif isinstance(stated, msgspec.inspect.FloatType) and name not in VOCABULARY:
            number: Literal["integer", "number"] = "integer" if stated.multiple_of == 1 else "number"
            yield OtherField(name, number, text, stated.ge, stated.le, None)


def _bands(field: CompiledInput) -> InputBands:
    return InputBands(stated_bands(field), field.spec.when_unknown, field.spec.changed_by)


def _problems() -> ProblemList:
    return ProblemList([_problem(kind, "/problems") for kind in PROBLEM_TYPES.values()])


def _problem(kind: ProblemType, path: str) -> ProblemEntry:
    return ProblemEntry(kind.uri(path), kind.code, kind.status, kind.title, kind.description)


LIST_CODES = Operation(
    id="list_codes",
    tag="reference",
    summary="List the rationale codes",
    description="Every code that a served policy can give as a reason: meaning, lever, source, and who uses it.",
    links={"first": {"operationId": "read_code", "parameters": {"code": "$response.body#/codes/0/code"}}},
    reply=revalidated("The codes.", {JSON: CodeList}, lambda policies: CodeList(list(codes(policies).values())[:3])),
)
READ_CODE = Operation(
    id="read_code",
    tag="reference",
    summary="Read one rationale code",
    description="Meaning, lever and source of a code.",
    reply=revalidated("The code.", {JSON: CodeEntry}, lambda policies: codes(policies)["HIGH_VOLUME"]),
    problems=("unknown_code",),
)
LIST_INPUTS = Operation(
    id="list_inputs",
    tag="reference",
    summary="List the fields of the profile",
    description="Question, unit, bounds, and the bands of each policy version: enough to draw a form. An input with "
    "`derived_from` is not for the form; the field it names is, with its members under `other_fields`.",
    reply=revalidated("The fields.", {JSON: InputList}, _inputs),
)
LIST_PROBLEMS = Operation(
    id="list_problems",
    tag="reference",
    summary="List the problem types",
    description="Every `type` that a problem document can have.",
    links={"first": {"operationId": "read_problem", "parameters": {"code": "$response.body#/problems/0/code"}}},
    reply=revalidated("The problem types.", {JSON: ProblemList}, lambda _: _problems()),
)
READ_PROBLEM = Operation(
    id="read_problem",
    tag="reference",
    summary="Read one problem type",
    description="What a problem means and what to do about it.",
    reply=revalidated("The problem type.", {JSON: ProblemEntry}, lambda _: _problem_type("too_large")),
    problems=("unknown_problem",),
)


@route("/codes", http_method=READ, **describes(LIST_CODES))
async def list_codes(request: Request[Any, Any, Any]) -> ASGIApp:
    """List the rationale codes."""
    return respond(request, _all_codes(services_of(request).policies))


@route("/codes/{code:str}", http_method=READ, **describes(READ_CODE))
async def read_code(request: Request[Any, Any, Any], code: CodeParameter) -> ASGIApp:
    """Read one rationale code."""
    return respond(request, represent(_code(services_of(request).policies, code)))


@route("/inputs", http_method=READ, **describes(LIST_INPUTS))
async def list_inputs(request: Request[Any, Any, Any]) -> ASGIApp:
    """List the fields of the profile."""
    return respond(request, _all_inputs(services_of(request).policies))


@route("/problems", http_method=READ, **describes(LIST_PROBLEMS))
async def list_problems(request: Request[Any, Any, Any]) -> ASGIApp:
    """List the problem types."""
    return respond(request, represent(_problems()))


@route("/problems/{code:str}", http_method=READ, **describes(READ_PROBLEM))
async def read_problem(request: Request[Any, Any, Any], code: ProblemParameter) -> ASGIApp:
    """Read one problem type."""
    return respond(request, represent(_problem_type(code)))


@once_per_set
def _all_codes(policies: PolicySet) -> Representation:
    return represent(CodeList(list(codes(policies).values())))


@once_per_set
def _all_inputs(policies: PolicySet) -> Representation:
    return represent(_inputs(policies))


def _code(policies: PolicySet, name: str) -> CodeEntry:
    known = codes(policies)
    if name not in known:
        raise ProblemError("unknown_code", f"No served policy has this code{nearest_name(name[:80], known)}")
    return known[name]


def _problem_type(code: str) -> ProblemEntry:
    if code not in PROBLEM_TYPES:
        raise ProblemError("unknown_problem", f"There is no such problem type{nearest_name(code[:80], PROBLEM_TYPES)}")
    return _problem(PROBLEM_TYPES[code], f"/problems/{code}")


def codes(policies: PolicySet) -> dict[str, CodeEntry]:
    """Return the codes of all served policies, each as the newest that has it puts it."""
    users: dict[str, list[str]] = {}
    entries: dict[str, CodeEntry] = {}
    for version, served in policies.registry.by_version.items():
        document = served.policy.document
        for name, code in document.codes.items():
            users.setdefault(name, []).append(version)
            cited = {source: document.sources[source] for source in code.source}
            source = [Citation(key, one.title, one.year, one.url) for key, one in cited.items()]
            entries[name] = CodeEntry(name, code.lever, code.effect, code.message, source, users[name])
    return dict(sorted(entries.items()))
