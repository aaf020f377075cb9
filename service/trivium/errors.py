"""What can go wrong, each with a stable code.

TriviumError
├── InvalidInputError      a profile or another document of the caller is wrong; lists every bad field
└── SettingsError          a setting is wrong; the service does not start

The engine, which stands alone, has its own:

PolicyError                a policy document must not be served       (trivium.policy.errors)
UnknownPolicyError         no served policy fits a selector           (trivium.policy.registry)
RetiredPolicyError         a retired policy was asked to decide       (trivium.policy.registry)
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Annotated

import msgspec


ERROR_CODES = (
    "unknown_field",
    "wrong_type",
    "unknown_value",
    "out_of_range",
    "too_long",
    "missing_field",
    "malformed",
    "too_many",
)
"""The codes of errors in an input; there may be further ones later."""

ErrorCode = Annotated[str, msgspec.Meta(title="ErrorCode", extra_json_schema={"x-extensible-enum": list(ERROR_CODES)})]


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with an input."""

    code: Annotated[ErrorCode, msgspec.Meta(description="What kind of thing is wrong.")]
    detail: Annotated[str, msgspec.Meta(description="A sentence that says what to do.")]
    pointer: Annotated[
        str | None,
        msgspec.Meta(
            description="JSON Pointer (RFC 6901) into the body; empty for the whole body, absent for parameters."
        ),
    ] = None
    parameter: Annotated[
        str | None, msgspec.Meta(description="The query or path parameter, when that is at fault.")
    ] = None


MOST_ERRORS = 100
"""Most errors listed for one input."""


class TriviumError(Exception):
    """Base of the errors of this package; `code` is stable."""

    code = "error"


class InvalidInputError(TriviumError):
    """A caller's input is wrong.

    Attributes:
        errors: every bad field, or the first hundred and a last entry `too_many`.
        more: whether there are more than these.
    """

    code = "invalid_input"

    def __init__(self, errors: Iterable[FieldError]) -> None:
        pending = iter(errors)  # found one by one, so that looking stops at the limit too
        self.errors = tuple(islice(pending, MOST_ERRORS))
        self.more = next(pending, None) is not None
        if self.more:
            self.errors += (FieldError("too_many", f"these are the first {MOST_ERRORS}; there are more", pointer=""),)
        super().__init__(
            "; ".join(f"{error.pointer or error.parameter or 'body'}: {error.detail}" for error in self.errors)
        )


class SettingsError(TriviumError):
    """Settings are wrong; the text names each variable and what it may be."""

    code = "invalid_settings"
