"""The band of the payback of many rows at once, with the results of `trivium.economics.assess`.

It is worked out on doubles, whose rounding errors are far below `SURE`. Where a value is that close to the edge between
two bands, the row is left to the exact computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from trivium.economics import ACCEPTABLE, DAYS, FAST, MOST
from trivium.portfolio.lookup import Column
from trivium.portfolio.values import Doubles
from trivium.prices import DEFAULTS, figures
from trivium.profile import PAYBACK, VOCABULARY


SURE = 1e-9
"""How far from an edge, as a share of all that was added up, a value must be to be on the right side of it."""

SMALL = 1e-200
"""Below this, products of doubles lose digits."""

BANDS = VOCABULARY[PAYBACK].choices
UNKNOWN = len(BANDS)

_PER_TOKEN = 1e-6
_DAYS = float(DAYS)


class Names(NamedTuple):
    """Names of models: the distinct ones, and per row the index of its own; the last index is no name."""

    distinct: list[str]
    places: Column


class Given(NamedTuple):
    """What rows state; NaN for unknown.

    Attributes:
        costs: the numbers of `costs`, by field.
        model: the model that is prompted.
        tuned_model: the model to tune.
        requests_per_day: the volume.
        prompt_tokens: the fixed instruction tokens.
        labeled_examples: how many examples exist.
    """

    costs: Mapping[str, Doubles]
    model: Names
    tuned_model: Names
    requests_per_day: Doubles
    prompt_tokens: Doubles
    labeled_examples: Doubles


class Paybacks(NamedTuple):
    """Bands of paybacks.

    Attributes:
        bands: per row the index in `BANDS`; `UNKNOWN` where something needed is missing.
        close: whether doubles cannot tell the band.
        upfront: USD to pay before anything is saved.
        saving: USD a month; NaN, as of `upfront`, where something needed is missing.
        moved: the sum of which `saving` is the difference.
    """

    bands: Column
    close: Column
    upfront: Doubles
    saving: Doubles
    moved: Doubles

    def months(self) -> tuple[Doubles, Doubles]:
        """Return the months until it pays back, rounded down: the fewest and the most that they can be.

        They differ where doubles cannot tell; where it never pays back, or that is not known, both are infinite.
        """
        fewest = _hundredths(self.upfront * (1 - SURE), self.saving + SURE * self.moved)
        return fewest, _hundredths(self.upfront * (1 + SURE), self.saving - SURE * self.moved)


def _hundredths(upfront: Doubles, saving: Doubles) -> Doubles:
    saves = saving > 0
    months = np.minimum(upfront / np.where(saves, saving, 1), float(MOST))
    return np.where(saves & ~np.isnan(months), np.floor(months * 100) / 100, np.inf)


def paybacks(given: Given) -> Paybacks:
    """Work out the band of every row."""
    costs = given.costs
    base, tuned = _Figures(given.model), _Figures(given.tuned_model)
    other = tuned.named & ~_same(given.model, given.tuned_model)

    variable, output = costs["variable_input_tokens"], costs["output_tokens"]
    batch = _number(costs, "batch_factor")
    input_price = _either(costs["input_price"], base("input_price"))
    output_price = _either(costs["output_price"], base("output_price"))
    cache = _cache(costs, base)
    fixed = given.prompt_tokens
    prompted = given.requests_per_day * _request(fixed, variable, output, cache, batch, input_price, output_price)

    of_input, of_output = _pair(tuned("input_price"), tuned("output_price"))
    input_price, output_price = np.where(other, of_input, input_price), np.where(other, of_output, output_price)
    cache = np.where(other, _cache(costs, tuned), cache)
    multiplied = [
        np.where(other, tuned(name), base(name)) for name in ("input_multiplier", "output_multiplier", "training_price")
    ]
    factors = [_either(costs["price_multiplier"], factor) for factor in _pair(*multiplied[:2])]
    kept = _either(costs["tuned_input_tokens"], _share(fixed))
    request = _request(kept, variable, output, cache, batch, input_price * factors[0], output_price * factors[1])
    spent = given.requests_per_day * request + _number(costs, "hosting_per_month")

    owned = np.nan_to_num(given.labeled_examples)
    examples = _either(costs["examples_to_make"], np.maximum(float(DEFAULTS["examples_to_make"].value) - owned, 0))
    labels = _product([examples], _number(costs, "label_cost"))
    amounts = [_number(costs, field) for field in ("training_tokens", "epochs", "runs")]
    training = _product(amounts, _either(costs["training_price"], multiplied[2]))
    upfront = labels + training * _PER_TOKEN + _number(costs, "engineering")
    found = _bands(upfront, prompted, spent, _number(costs, "model_months_left"))
    return found._replace(close=found.close & (given.requests_per_day != 0))  # of no requests, nothing is rounded


def _bands(upfront: Doubles, prompted: Doubles, tuned: Doubles, months_left: Doubles) -> Paybacks:
    saving, moved = prompted - tuned, prompted + tuned
    limit = np.fmin(float(ACCEPTABLE), months_left)
    fast = float(FAST)
    bands = np.where(upfront < fast * saving, BANDS.index("fast"), BANDS.index("acceptable"))
    bands = np.where(upfront >= limit * saving, BANDS.index("slow"), bands)
    bands = np.where(saving <= 0, BANDS.index("never"), bands)
    close = np.abs(saving) <= SURE * moved
    for months in (limit, np.float64(fast)):
        close |= (np.abs(upfront - months * saving) <= SURE * (upfront + months * moved)) & (months != 0)
    close |= moved < SMALL
    for value in (upfront, months_left):
        close |= (value > 0) & (value < SMALL)
    known = ~np.isnan(upfront + saving + months_left)
    return Paybacks(np.where(known, bands, UNKNOWN).astype(np.uint8), close & known, upfront, saving, moved)


class _Figures:
    """What is known of models by their names, per row; NaN where nothing is."""

    def __init__(self, names: Names) -> None:
        self._known: list[Mapping[str, Any]] = [figures(name) for name in names.distinct]
        self._places = names.places
        self.named = names.places < len(names.distinct)

    def __call__(self, figure: str) -> Doubles:
        """Return a figure."""
        values = [float(known[figure].value) if figure in known else np.nan for known in self._known]
        return np.take(np.array([*values, np.nan]), self._places)


def _same(one: Names, other: Names) -> Column:
    """Return where two names are equal."""
    numbers: dict[str, int] = {}
    sides = [
        np.array([*(numbers.setdefault(name, len(numbers)) for name in names.distinct), -1 - side])
        for side, names in enumerate((one, other))
    ]
    equal: Column = np.take(sides[0], one.places) == np.take(sides[1], other.places)
    return equal


def _either(own: Doubles, other: Any) -> Doubles:
    """Return the caller's own numbers where there are any, else others."""
    return np.where(np.isnan(own), other, own)


def _number(costs: Mapping[str, Doubles], field: str) -> Doubles:
    """Return the caller's own numbers, else what is assumed of all models, where anything is."""
    return _either(costs[field], float(DEFAULTS[field].value)) if field in DEFAULTS else costs[field]


def _cache(costs: Mapping[str, Doubles], known: _Figures) -> Doubles:
    """Return the caller's own cache factors, else those of the model, else what is assumed."""
    return _either(costs["cache_factor"], _either(known("cache_factor"), float(DEFAULTS["cache_factor"].value)))


def _pair(one: Doubles, other: Doubles) -> tuple[Doubles, Doubles]:
    """Return figures that count only together."""
    missing = np.isnan(one + other)
    return np.where(missing, np.nan, one), np.where(missing, np.nan, other)


def _share(fixed: Doubles) -> Doubles:
    """Return the share of whole numbers of tokens that remains, rounded up, exactly."""
    share = Fraction(DEFAULTS["tuned_input_tokens"].value)
    whole = np.nan_to_num(fixed).astype(np.int64)
    kept = -(-whole * share.numerator // share.denominator)
    return np.where(np.isnan(fixed), np.nan, kept)


def _product(amounts: list[Doubles], price: Doubles) -> Doubles:
    """Return a price times amounts; of nothing, no price is needed."""
    product = price.copy()
    for amount in amounts:
        product = product * amount
    for amount in amounts:
        product = np.where(amount == 0, 0.0, product)
    return product


def _request(
    fixed: Doubles,
    variable: Doubles,
    output: Doubles,
    cache: Doubles,
    batch: Doubles,
    input_price: Doubles,
    output_price: Doubles,
) -> Doubles:
    """Return USD per month for one request a day."""
    return ((fixed * cache + variable) * input_price + output * output_price) * batch * _PER_TOKEN * _DAYS
