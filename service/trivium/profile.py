"""The use-case profile: the one input type. Every field is optional; absent or null means unknown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from trivium import economics
from trivium.decoding import allowed, base_type, check, decode, description
from trivium.economics import Costs, Count, Number
from trivium.errors import InvalidInputError
from trivium.policy import Field, Vocabulary


MOST = float(economics.MOST)
"""The largest number a profile may state."""

TaskConsistency = Annotated[Literal["one_off", "varied", "consistent"], Meta(title="TaskConsistency")]
LatencyNeed = Annotated[Literal["relaxed", "interactive", "tight"], Meta(title="LatencyNeed")]
DomainSpecialization = Annotated[
    Literal["general", "specialized", "highly_specialized"], Meta(title="DomainSpecialization")
]
ExampleQuality = Annotated[
    Literal["unreviewed", "mixed", "machine_verified", "expert_reviewed"], Meta(title="ExampleQuality")
]
KnowledgeNeed = Annotated[Literal["none", "stable_facts", "changing_facts"], Meta(title="KnowledgeNeed")]
PromptMaturity = Annotated[Literal["none", "basic", "structured", "exhausted"], Meta(title="PromptMaturity")]
OutputStrictness = Annotated[Literal["free", "style", "format"], Meta(title="OutputStrictness")]
PrimaryGoal = Annotated[
    Literal["quality", "cost", "latency", "style", "facts", "fewer_hallucinations"], Meta(title="PrimaryGoal")
]
FailureKind = Annotated[Literal["facts", "format_syntax", "style", "judgement"], Meta(title="FailureKind")]
ModelSize = Annotated[Literal["small", "large"], Meta(title="ModelSize")]
RequirementsChange = Annotated[Literal["rarely", "monthly", "weekly"], Meta(title="RequirementsChange")]


MOST_ID = 200
"""Most characters of an id."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One LLM use case, as far as it is known. Leave out what you do not know: the answer says what it assumed."""

    id: Annotated[
        Annotated[str, Meta(max_length=MOST_ID)] | None,
        Meta(description="Your own name for the use case; echoed, and read by no policy."),
    ] = None
    requests_per_day: Annotated[Number | None, Meta(description="Requests a day the use case serves.")] = None
    task_consistency: Annotated[TaskConsistency | None, Meta(description="Whether it is the same task every time.")] = (
        None
    )
    latency_need: Annotated[LatencyNeed | None, Meta(description="How quickly an answer must come.")] = None
    domain_specialization: Annotated[
        DomainSpecialization | None,
        Meta(description="How far the domain is from everyday language and logic."),
    ] = None
    base_model_underperforms: Annotated[
        bool | None, Meta(description="Measured, with a good prompt: the base model falls short.")
    ] = None
    shortfall_with_knowledge: Annotated[
        bool | None, Meta(description="Measured, with the facts that it needs in the prompt: the model falls short.")
    ] = None
    failure_kind: Annotated[FailureKind | None, Meta(description="What most failures are, after sorting fifty.")] = None
    answers_checkable: Annotated[
        bool | None, Meta(description="A program can tell a right answer from a wrong one.")
    ] = None
    labeled_examples: Annotated[Count | None, Meta(description="Pairs of an input and the exact output wanted.")] = None
    example_quality: Annotated[ExampleQuality | None, Meta(description="Who has checked the examples.")] = None
    can_label_more: Annotated[
        bool | None, Meta(description="Expert time or budget exists to write and review more.")
    ] = None
    has_evaluation_set: Annotated[
        bool | None, Meta(description="A set of requests with a way to score answers exists.")
    ] = None
    knowledge_need: Annotated[
        KnowledgeNeed | None,
        Meta(description="Facts from documents that answers need."),
    ] = None
    knowledge_tokens: Annotated[Count | None, Meta(description="Size of that knowledge in tokens.")] = None
    knowledge_public: Annotated[
        bool | None, Meta(description="That knowledge is public, so a model may have learned it.")
    ] = None
    citations_required: Annotated[bool | None, Meta(description="Answers must cite their sources.")] = None
    restricted_knowledge: Annotated[bool | None, Meta(description="Access rights on the knowledge differ by user.")] = (
        None
    )
    prompt_maturity: Annotated[
        PromptMaturity | None,
        Meta(description="How far prompting has been taken."),
    ] = None
    prompt_tokens: Annotated[Count | None, Meta(description="Fixed instruction tokens in each request.")] = None
    output_strictness: Annotated[
        OutputStrictness | None,
        Meta(description="Whether answers must keep to a style or an exact format."),
    ] = None
    primary_goal: Annotated[
        PrimaryGoal | None,
        Meta(description="The first goal of changing anything."),
    ] = None
    fine_tuning_available: Annotated[
        bool | None, Meta(description="The provider offers it, or weights are at hand.")
    ] = None
    must_self_host: Annotated[bool | None, Meta(description="The model has to run on own premises or on a device.")] = (
        None
    )
    model_size: Annotated[ModelSize | None, Meta(description="Size of the model to be used.")] = None
    requirements_change: Annotated[RequirementsChange | None, Meta(description="How often requirements change.")] = None
    costs: Annotated[Costs | None, Meta(description="What running and tuning cost, to have the payback computed.")] = (
        None
    )


FIELDS: tuple[str, ...] = tuple(field.name for field in msgspec.structs.fields(Profile))
NUMBERS = ("requests_per_day", "labeled_examples", "knowledge_tokens", "prompt_tokens")
COUNTS = ("labeled_examples", "knowledge_tokens", "prompt_tokens")


READ_AS = {"example_quality": {"machine_verified": "mixed"}}
"""Per field, choices that were added later: what a policy reads them as that has no band for them."""


def _field(name: str, kind: Any) -> Field:
    if choices := allowed(kind):
        return Field("choice", choices, read_as=READ_AS.get(name, {}))
    return Field("flag") if base_type(kind) is bool else Field("number", maximum=MOST)


PAYBACK = "payback_months"
"""The one derived input: the band of the payback that `costs` give. No profile states it."""

DERIVED = {PAYBACK: ("costs", "requests_per_day", "prompt_tokens", "labeled_examples")}
"""Per derived input, the fields that it is computed from."""

VOCABULARY: Vocabulary = {
    **{
        field.name: _field(field.name, field.type)
        for field in msgspec.structs.fields(Profile)
        if field.name not in {"id", "costs"}
    },
    PAYBACK: Field("choice", allowed(economics.Payback), derived_from="costs"),
}
"""What a policy may read."""

_DECODER = msgspec.json.Decoder(Profile)


def parse_profile(body: bytes) -> Profile:
    """Decode a profile from JSON.

    Raises:
        InvalidInputError: with every bad field.
    """
    return decode(body, _DECODER)


def make_profile(fields: Mapping[str, Any] | Profile, pointer: str = "", *, suggest: bool = True) -> Profile:
    """Make a profile from a mapping of fields, or check one made by hand.

    Args:
        fields: field name to value.
        pointer: where the mapping stands in a larger body, for errors.
        suggest: whether errors suggest the nearest valid name or value.

    Raises:
        InvalidInputError: with every bad field.
    """
    data = msgspec.to_builtins(fields) if isinstance(fields, Profile) else fields
    try:
        profile = msgspec.convert(data, Profile, strict=True)
        (profile.id or "").encode()  # a lone surrogate could not be echoed
    except (msgspec.ValidationError, UnicodeEncodeError, TypeError):
        raise InvalidInputError(check(data, Profile, pointer, suggest=suggest)) from None
    return profile


def canonical(value: Any) -> Any:
    """Return a value as answers and identities show it: 1000.0 is 1000, and -0.0 is 0."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value


def canonical_json(profile: Profile) -> bytes:
    """Return what a profile states, without its id, as canonical JSON (RFC 8785)."""
    if profile.costs is not None or SMALLEST_DECIMAL <= (profile.requests_per_day or 0) < SMALLEST_SHORT:
        return _canonical(msgspec.structs.replace(profile, id=None))
    # Without costs these are all its numbers, and naming them takes a fifth of the time.
    anonymous = msgspec.structs.replace(
        profile,
        id=None,
        requests_per_day=canonical(profile.requests_per_day),
        labeled_examples=canonical(profile.labeled_examples),
        knowledge_tokens=canonical(profile.knowledge_tokens),
        prompt_tokens=canonical(profile.prompt_tokens),
    )
    return _encode_sorted(anonymous)


SMALLEST_DECIMAL, SMALLEST_SHORT = 1e-6, 1e-5
"""From the first on RFC 8785 writes a number without an exponent, from the second on msgspec does."""

_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def _canonical(value: Any) -> bytes:
    """Encode a struct or a value of one; its numbers are in the range of a profile's."""
    if isinstance(value, msgspec.Struct):
        stated = {name: getattr(value, name) for name in value.__struct_fields__}
        return _encode_sorted({name: msgspec.Raw(_canonical(one)) for name, one in stated.items() if one is not None})
    if type(value) is float and SMALLEST_DECIMAL <= value < SMALLEST_SHORT:
        return f"{Decimal(repr(value)):f}".encode()
    return _encode_sorted(canonical(value))


FIELD_TEXTS: dict[str, str] = {field.name: description(field.type) for field in msgspec.structs.fields(Profile)} | {
    PAYBACK: "Band of the payback of training, computed from `costs`."
}
"""What each input means."""

COST_TEXTS: dict[str, str] = {field.name: description(field.type) for field in msgspec.structs.fields(Costs)}
"""What each field of `costs` means."""
