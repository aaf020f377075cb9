"""The use-case profile: the one input type. Every field is optional; absent or null means unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from trivium import economics
from trivium.decoding import allowed, base_type, check, decode
from trivium.economics import Costs, Count, Number
from trivium.errors import InvalidInputError
from trivium.policy import Field, Vocabulary


MOST = float(economics.MOST)
"""The largest number a profile may state."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One LLM use case, as far as it is known. Leave out what you do not know: the answer says what it assumed.

    Attributes:
        id: your own name for the use case; echoed, and read by no policy.
        requests_per_day: requests a day the use case serves.
        task_consistency: whether it is the same task every time.
        latency_need: how quickly an answer must come.
        domain_specialization: how far the domain is from everyday language and logic.
        base_model_underperforms: measured, with a good prompt: the base model falls short.
        labeled_examples: pairs of an input and the exact output wanted.
        example_quality: who has checked the examples.
        can_label_more: expert time or budget exists to write and review more.
        has_evaluation_set: a set of requests with a way to score answers exists.
        knowledge_need: facts from documents that answers need.
        knowledge_tokens: size of that knowledge in tokens.
        citations_required: answers must cite their sources.
        restricted_knowledge: access rights on the knowledge differ by user.
        prompt_maturity: how far prompting has been taken.
        prompt_tokens: fixed instruction tokens in each request.
        output_strictness: whether answers must keep to a style or an exact format.
        primary_goal: the first goal of changing anything.
        fine_tuning_available: the provider offers it, or weights are at hand.
        requirements_change: how often requirements change.
        costs: what running and tuning cost, to have the payback computed.
    """

    id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    requests_per_day: Number | None = None
    task_consistency: Literal["one_off", "varied", "consistent"] | None = None
    latency_need: Literal["relaxed", "interactive", "tight"] | None = None
    domain_specialization: Literal["general", "specialized", "highly_specialized"] | None = None
    base_model_underperforms: bool | None = None
    labeled_examples: Count | None = None
    example_quality: Literal["unreviewed", "mixed", "expert_reviewed"] | None = None
    can_label_more: bool | None = None
    has_evaluation_set: bool | None = None
    knowledge_need: Literal["none", "stable_facts", "changing_facts"] | None = None
    knowledge_tokens: Count | None = None
    citations_required: bool | None = None
    restricted_knowledge: bool | None = None
    prompt_maturity: Literal["none", "basic", "structured", "exhausted"] | None = None
    prompt_tokens: Count | None = None
    output_strictness: Literal["free", "style", "format"] | None = None
    primary_goal: Literal["quality", "cost", "latency", "style", "facts", "fewer_hallucinations"] | None = None
    fine_tuning_available: bool | None = None
    requirements_change: Literal["rarely", "monthly", "weekly"] | None = None
    costs: Costs | None = None


FIELDS: tuple[str, ...] = tuple(field.name for field in msgspec.structs.fields(Profile))
NUMBERS = ("requests_per_day", "labeled_examples", "knowledge_tokens", "prompt_tokens")
COUNTS = ("labeled_examples", "knowledge_tokens", "prompt_tokens")


def _field(kind: Any) -> Field:
    if choices := allowed(kind):
        return Field("choice", choices)
    return Field("flag") if base_type(kind) is bool else Field("number", maximum=MOST)


PAYBACK = "payback_months"
"""The one derived input: the band of the payback that `costs` give. No profile states it."""

VOCABULARY: Vocabulary = {
    **{
        field.name: _field(field.type) for field in msgspec.structs.fields(Profile) if field.name not in {"id", "costs"}
    },
    PAYBACK: Field("choice", ("fast", "acceptable", "slow", "never"), derived_from="costs"),
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


FIELD_TEXTS: dict[str, str] = {
    name: text[0].upper() + text[1:]
    for name, text in re.findall(r"^ +([a-z_]+): (.+)$", Profile.__doc__ or "", flags=re.MULTILINE)
}
FIELD_TEXTS[PAYBACK] = "Band of the payback of training, computed from `costs`."
"""What each input means, from the class's own description."""
