"""The types of parameters that several routes have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import PathParameter, QueryParameter

from trivium.api.openapi.operation import SELECTOR
from trivium.decoding import NO_NEWLINE
from trivium.recommendation import View


_SELECTOR = msgspec.Meta(
    pattern=SELECTOR + NO_NEWLINE,
    examples=["1.0.0"],
    description="`1.0.0`, `1` or `1.0` for the newest such version not retired, or `latest`.",
)

PolicyParameter = Annotated[
    Annotated[str, _SELECTOR] | None,
    QueryParameter(
        description="Which policy decides: `1.0.0`, `1` or `1.0` for the newest such version not retired, or `latest`."
    ),
]
FromParameter = Annotated[
    Annotated[str, _SELECTOR],
    QueryParameter(name="from", description="The policy that decides now: a version, or what selects it."),
]
ToParameter = Annotated[
    Annotated[str, _SELECTOR] | None,
    QueryParameter(name="to", description="The policy to compare with; without it the default policy."),
]
ViewParameter = Annotated[
    View, QueryParameter(description="How much of the answer: `brief`; `standard`; or `full`, which shortens no list.")
]
VersionParameter = Annotated[str, _SELECTOR, PathParameter(description="`1.0.0`, `1` for the newest 1.x, or `latest`.")]
OlderParameter = Annotated[str, _SELECTOR, PathParameter(description="The older version, or what selects it.")]
NewerParameter = Annotated[str, _SELECTOR, PathParameter(description="The newer version, or what selects it.")]
CodeParameter = Annotated[
    str,
    msgspec.Meta(title="RationaleCode", pattern="^[A-Z][A-Z0-9_]*$", max_length=64, examples=["HIGH_VOLUME"]),
    PathParameter(description="The rationale code."),
]
ProblemParameter = Annotated[
    str,
    msgspec.Meta(title="ProblemCode", pattern="^[a-z][a-z_]*$", max_length=64, examples=["invalid_input"]),
    PathParameter(description="The code of the problem."),
]
AssetParameter = Annotated[str, PathParameter(description="The name of the file.")]
