"""The normal form of a policy document: each thing that may be written in two ways, in one of them.

A condition names a list of bands even where it is one, and values map bands to themselves where they are a list. So
clients find one type at each place, and the meaning is the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trivium.policy.language.document import Document


_CONDITIONS = frozenset({"when", "if", "setting", "changing_needs", "asked_when"})


def normal_form(document: Document) -> Document:
    """Return a document that says the same in its normal form."""
    return msgspec.convert(_normal(msgspec.to_builtins(document)), Document, strict=True)


def _normal(part: Any) -> Any:
    if isinstance(part, list):
        return [_normal(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {name: _member(name, value) for name, value in part.items()}


def _member(name: str, value: Any) -> Any:
    if name in _CONDITIONS and isinstance(value, dict):
        return {tested: [one] if isinstance(one, str) else one for tested, one in value.items()}
    if name == "values" and isinstance(value, list):
        return {band: band for band in value}
    return _normal(value)
