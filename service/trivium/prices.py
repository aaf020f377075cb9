"""What is known of a model by its name, and what is assumed where a caller states nothing.

Token prices come from `genai-prices` where that optional extra is installed, else, for some models, from our own dated
file, as all other figures do. It stays an extra because it brings pydantic and an HTTP client, takes seconds to import
and some 90 MB. Nothing here reaches for a network or looks at the clock.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml


FILE = Path(__file__).parent / "data" / "prices.yaml"

TUNED = "ft:"
"""What OpenAI's names of tuned models begin with; `ft:gpt-4o-mini-2024-07-18:acme::id` tells its base model."""


class Figure(msgspec.Struct, frozen=True):
    """A number with what it counts and who says so."""

    value: Decimal
    unit: str
    source: str


class _Meaning(msgspec.Struct, frozen=True):
    unit: str
    source: str


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    match: str
    figures: dict[str, Decimal]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: str
    defaults: dict[str, Figure]
    figures: dict[str, _Meaning]
    models: list[_Model]


_OWN = msgspec.convert(yaml.safe_load(FILE.read_text("utf-8")), _File)

AS_OF = _OWN.as_of
"""The month of all figures."""

DEFAULTS: Mapping[str, Figure] = _OWN.defaults
"""What is assumed, by field of `costs`, whatever the model."""

_MOMENT = datetime.fromisoformat(f"{AS_OF}-01T12:00:00").replace(tzinfo=UTC)
"""Prices may hinge on the date and the hour; equal questions must get equal answers."""


@lru_cache(maxsize=1024)
def figures(name: str) -> Mapping[str, Figure]:
    """Return what is known of a model: any of input and output price, cache factor, multipliers and training price.

    The multipliers say how much dearer a model gets by tuning: an `ft:` name has the tuned price already. Where a price
    rises with the length of the prompt, the one for short prompts counts.
    """
    name = name.lower()
    if not name.startswith(TUNED):
        return _own(name) | _listed(name, None)
    return _tuned(_own(name.split(":")[1])) | _listed(name, "openai")


def are_prices_loaded() -> bool:
    """Say whether a price is found at once: the first look-up imports the extra, if any, which takes seconds."""
    return _genai_prices.cache_info().currsize > 0


def nearest_models(name: str) -> list[str]:
    """Return the names of up to three known models that resemble a name, nearest first."""
    return difflib.get_close_matches(name[:80].lower(), _known_models(), n=3, cutoff=0.5)


@cache
def _known_models() -> tuple[str, ...]:
    names = [
        re.sub(r"\\(.)", r"\1", re.sub(r"\(.*?\)\?", "", model.match))
        for model in _OWN.models
        if "input_price" in model.figures
    ]
    if (prices := _genai_prices()) is not None:
        names += [model.id for provider in prices[2] for model in provider.models]
    return tuple(dict.fromkeys(names))


def _own(name: str) -> dict[str, Figure]:
    for model in _OWN.models:
        if re.fullmatch(model.match, name):
            return {field: _figure(field, value) for field, value in model.figures.items()}
    return {}


def _tuned(base: dict[str, Figure]) -> dict[str, Figure]:
    """Turn what is known of a base model into what follows for a model tuned from it."""
    tuned = dict(base)
    for price, multiplier in (("input_price", "input_multiplier"), ("output_price", "output_multiplier")):
        if price in base and multiplier in base:
            tuned[price] = _figure(price, base[price].value * base[multiplier].value)
        else:
            tuned.pop(price, None)
        tuned[multiplier] = _figure(multiplier, Decimal(1), "the name is that of a tuned model")
    return tuned


def _listed(name: str, provider: str | None) -> dict[str, Figure]:
    """Look a model up in genai-prices."""
    if (prices := _genai_prices()) is None:
        return {}
    version, snapshot_type, providers = prices
    snapshot = snapshot_type(providers=providers, from_auto_update=False)  # a shared one keeps every name ever asked
    try:
        _, model = snapshot.find_provider_model(name, None, provider, None)
    except LookupError:
        return {}
    listed = model.get_prices(_MOMENT)
    known = {"input_price": _base(listed.input_mtok), "output_price": _base(listed.output_mtok)}
    whole, cached = known["input_price"], _base(listed.cache_read_mtok)
    if whole and cached is not None:
        known["cache_factor"] = (cached / whole).quantize(Decimal("0.0001"))
    elif whole and provider is None:
        known["cache_factor"] = Decimal(1)
    source = f"genai-prices {version}"
    return {field: _figure(field, value, source) for field, value in known.items() if value is not None}


@cache
def _genai_prices() -> tuple[str, Any, Any] | None:
    try:
        import genai_prices  # noqa: PLC0415 - an optional extra, which takes a while to import
        from genai_prices.data import providers  # noqa: PLC0415 - the same extra
        from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415 - the same extra
    except ImportError:
        return None
    return genai_prices.__version__, DataSnapshot, providers


def _base(price: Any) -> Decimal | None:
    """Return a price, of one in tiers the first."""
    value: Decimal | None = getattr(price, "base", price)
    return value


def _figure(field: str, value: Decimal, source: str | None = None) -> Figure:
    meaning = _OWN.figures[field]
    plain = value.to_integral_value() if value == value.to_integral_value() else value.normalize()
    return Figure(plain, meaning.unit, source or meaning.source)
