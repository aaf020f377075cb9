"""What tuning would cost, what it would save, and how soon it pays back.

Prompted, a request pays for its fixed instruction tokens at the cached input price, for its variable tokens at the full
input price, and for its output. Tuned, fewer instruction tokens remain, each price is multiplied, and it may be that of
a smaller model; hosting may be due every month. The batch factor applies to all tokens. Money is in USD, prices are per
1M tokens, a month has 30 days. What the caller leaves out is assumed where a sourced figure exists, and listed; else it
is named as missing.

A classifier with a long prompt on gpt-4o may move to a tuned gpt-4o-mini, whose tokens cost 8.3 times less:

>>> costs = Costs(
...     model="gpt-4o", tuned_model="gpt-4o-mini", variable_input_tokens=500, tuned_input_tokens=200, output_tokens=50,
...     examples_to_make=300, label_cost=10, engineering=6000,
... )
>>> found = assess(costs, requests_per_day=20_000, prompt_tokens=2000)
>>> print(found.monthly_prompted, found.monthly_tuned, found.monthly_saving)
2550.00 144.00 2406.00
>>> print(found.upfront, found.payback_months, found.payback, found.break_even_requests_per_day)
9004.50 3.74 acceptable 6238
>>> print(*(f"{one.field} {one.value} {one.unit}" for one in found.assumptions[:3]), sep="; ")
costs.input_price 2.5 USD per 1M input tokens; costs.output_price 10 USD per 1M output tokens; \
costs.cache_factor 0.5 of the input price

All sums are exact, so a volume or a price on the edge between two bands is on the right side of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from functools import reduce
from operator import mul, sub
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec

from trivium.prices import AS_OF, DEFAULTS, Figure, figures


T = TypeVar("T")

MOST = Decimal(10**12)
"""The largest number a caller may state, and of months that is shown; every whole number up to here is exact."""

Number: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=float(MOST))]
Count: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=float(MOST), multiple_of=1)]
"""A whole number. JSON has one kind of number, so 1000.0 is as good as 1000."""

Factor: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=100)]
Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]
Payback: TypeAlias = Literal["fast", "acceptable", "slow", "never"]

DAYS = Decimal(30)
"""Days in a month."""

FAST = Decimal(3)
"""Months of payback below which it is fast."""

ACCEPTABLE = Decimal(12)
"""Months of payback below which it is acceptable."""

_PER_TOKEN = Decimal("1e-6")
_CENT = Decimal("0.01")
_EXACT = Context(prec=10_000, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation])
"""Room for every digit of a product of floats, even of the smallest; nothing that decides is ever rounded."""


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a use case costs, as far as it is known: USD, prices per 1M tokens. Your numbers override every assumption.

    Attributes:
        model: the model that is prompted now; its name finds its prices.
        tuned_model: the model to tune, when it is another one; its name finds its prices.
        variable_input_tokens: input tokens of a request that differ from request to request, never cached.
        tuned_input_tokens: fixed instruction tokens of a request that remain after tuning.
        output_tokens: output tokens of a request.
        input_price: price of 1M input tokens of the model prompted now.
        output_price: price of 1M output tokens of the model prompted now.
        cache_factor: cached input price as a share of the input price; 1 is no cache.
        batch_factor: price in a batch as a share of the price; 1 is no batch.
        price_multiplier: tuned price as a multiple of the price of the model that is tuned.
        hosting_per_month: price of having the tuned model ready for a month, used or not.
        examples_to_make: examples that are still to be made.
        label_cost: price of making one example.
        training_tokens: tokens of the planned training set, not of all examples owned.
        epochs: times a training run goes through the training set.
        runs: training runs until one is good enough.
        training_price: price of 1M training tokens.
        engineering: price of all other work until the tuned model serves.
        model_months_left: months until the model to tune is withdrawn or outdone.
    """

    model: Name | None = None
    tuned_model: Name | None = None
    variable_input_tokens: Count | None = None
    tuned_input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_price: Number | None = None
    output_price: Number | None = None
    cache_factor: Factor | None = None
    batch_factor: Factor | None = None
    price_multiplier: Factor | None = None
    hosting_per_month: Number | None = None
    examples_to_make: Count | None = None
    label_cost: Number | None = None
    training_tokens: Count | None = None
    epochs: Count | None = None
    runs: Count | None = None
    training_price: Number | None = None
    engineering: Number | None = None
    model_months_left: Number | None = None


class CostAssumption(msgspec.Struct, frozen=True):
    """A number that was not given: what was used instead, as of when, and who says so."""

    field: str
    value: Decimal
    unit: str
    as_of: str
    source: str


class Economics(msgspec.Struct, frozen=True):
    """What is known of the money; null where something needed is missing.

    Attributes:
        monthly_prompted: USD a month now.
        monthly_tuned: USD a month with the tuned model, hosting included.
        monthly_saving: USD a month saved by tuning; negative when it costs more.
        upfront: USD before the tuned model serves.
        payback_months: months until the saving has paid for that, rounded down; null also when it never has.
        payback: the band of it: under 3 months, under 12, more, or never; `slow` too when the model lives no longer.
        break_even_requests_per_day: the lowest volume with an acceptable payback; null also when no volume has one.
        assumptions: numbers that were not given, and what was used for them.
        missing: fields that are needed, not given, and not to be assumed.
    """

    monthly_prompted: Decimal | None
    monthly_tuned: Decimal | None
    monthly_saving: Decimal | None
    upfront: Decimal | None
    payback_months: Decimal | None
    payback: Payback | None
    break_even_requests_per_day: Decimal | None
    assumptions: list[CostAssumption]
    missing: list[str]


class _Terms(msgspec.Struct, frozen=True):
    """What decides: a month of one request a day prompted and tuned, hosting, upfront, and the months left."""

    prompted: Decimal | None
    tuned: Decimal | None
    hosting: Decimal | None
    upfront: Decimal | None
    months_left: Decimal | None


def assess(costs: Costs, *, requests_per_day: float | None, prompt_tokens: float | None) -> Economics:
    """Work out the payback of tuning against prompting.

    How many labeled examples exist is no argument, and `training_tokens` counts the planned set: owning more examples
    changes nothing here, and a higher volume never slows the payback.

    Args:
        costs: what the use case costs.
        requests_per_day: its volume.
        prompt_tokens: its fixed instruction tokens per request.
    """
    with localcontext(_EXACT):
        book = _Book(costs)
        requests = book.argument("requests_per_day", requests_per_day)
        terms = _terms(book, book.argument("prompt_tokens", prompt_tokens))
        prompted = _known(mul, requests, terms.prompted)
        tuned = _known(lambda volume, cost, hosting: volume * cost + hosting, requests, terms.tuned, terms.hosting)
        saving = _known(sub, prompted, tuned)
        payback = _known(_band, terms.upfront, saving, terms.months_left)
        gain = _known(sub, terms.prompted, terms.tuned)
        return Economics(
            monthly_prompted=_known(_cents, prompted),
            monthly_tuned=_known(_cents, tuned),
            monthly_saving=_known(_cents, saving),
            upfront=_known(_cents, terms.upfront),
            payback_months=None if payback == "never" else _known(_months, terms.upfront, saving),
            payback=payback,
            break_even_requests_per_day=_known(_break_even, terms.upfront, gain, terms.hosting, terms.months_left),
            assumptions=book.assumptions,
            missing=book.missing,
        )


def price_digest(costs: Costs) -> str | None:
    """Return the SHA-256 of the figures that were looked up by a model's name; None when none were.

    They are those assumptions as compact JSON.
    """
    with localcontext(_EXACT):
        book = _Book(costs)
        _terms(book, None)
    return hashlib.sha256(msgspec.json.encode(book.looked_up)).hexdigest() if book.looked_up else None


class _Book:
    """Finds numbers: the caller's own first, else an assumption, which it lists; else it lists what is missing."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        self.assumptions: list[CostAssumption] = []
        self.looked_up: list[CostAssumption] = []
        self.missing: list[str] = []

    def argument(self, name: str, value: float | None) -> Decimal | None:
        """Return a number from outside `costs`."""
        if value is None:
            self.missing.append(name)
            return None
        return _exact(value)

    def stated(self, field: str) -> Decimal | None:
        """Return the caller's own number."""
        value: float | None = getattr(self.costs, field)
        return None if value is None else _exact(value)

    def number(self, field: str, by_name: Figure | None = None) -> Decimal | None:
        """Return the caller's own number, else what a model's name tells, else what is assumed of all models."""
        if (own := self.stated(field)) is not None:
            return own
        if by_name is not None:
            return self.look_up(field, by_name)
        if field in DEFAULTS:
            return self.assume(field, DEFAULTS[field])
        self.missing.append(f"costs.{field}")
        return None

    def assume(self, field: str, figure: Figure) -> Decimal:
        """Use a figure for a number that was not given."""
        self.assumptions.append(CostAssumption(f"costs.{field}", figure.value, figure.unit, AS_OF, figure.source))
        return figure.value

    def look_up(self, field: str, figure: Figure) -> Decimal:
        """Use what a model's name tells."""
        value = self.assume(field, figure)
        self.looked_up.append(self.assumptions[-1])
        return value

    def pair(self, field: str, of_input: Figure | None, of_output: Figure | None) -> tuple[Decimal | None, ...]:
        """Use what a model's name tells of input and output, when it tells both."""
        if of_input is None or of_output is None:
            self.missing.append(f"costs.{field}")
            return None, None
        return self.look_up(field, of_input), self.look_up(field, of_output)


def _terms(book: _Book, fixed: Decimal | None) -> _Terms:
    """Find every number there is and work out what decides."""
    costs = book.costs
    base = figures(costs.model) if costs.model is not None else {}
    variable = book.number("variable_input_tokens")
    output = book.number("output_tokens")
    prices: tuple[Decimal | None, ...] = (
        book.number("input_price", base.get("input_price")),
        book.number("output_price", base.get("output_price")),
    )
    cache = book.number("cache_factor", base.get("cache_factor"))
    batch = book.number("batch_factor")
    prompted = _known(_request, fixed, variable, output, cache, batch, *prices)

    if costs.tuned_model not in {None, costs.model}:
        base = figures(costs.tuned_model)
        prices = book.pair("tuned_model", base.get("input_price"), base.get("output_price"))
    factor = book.stated("price_multiplier")
    factors: tuple[Decimal | None, ...] = (factor, factor)
    if factor is None:
        factors = book.pair("price_multiplier", base.get("input_multiplier"), base.get("output_multiplier"))
    tuned_prices = (_known(mul, price, factor) for price, factor in zip(prices, factors, strict=True))
    tuned = _known(_request, _kept(book, fixed), variable, output, cache, batch, *tuned_prices)

    hosting = book.number("hosting_per_month")
    labels = _product(book, ["examples_to_make"], "label_cost")
    training = _product(book, ["training_tokens", "epochs", "runs"], "training_price", base.get("training_price"))
    upfront = _known(
        lambda labels, training, work: labels + training * _PER_TOKEN + work,
        labels,
        training,
        book.number("engineering"),
    )
    return _Terms(prompted, tuned, hosting, upfront, book.number("model_months_left"))


def _kept(book: _Book, fixed: Decimal | None) -> Decimal | None:
    """Return the fixed instruction tokens that remain after tuning: unless stated, a share, in whole tokens."""
    stated = book.stated("tuned_input_tokens")
    if stated is not None or fixed is None:
        return stated
    share = DEFAULTS["tuned_input_tokens"]
    value = (share.value * fixed).to_integral_value(ROUND_CEILING)
    return book.assume("tuned_input_tokens", Figure(value, share.unit, share.source))


def _product(book: _Book, counts: Sequence[str], price: str, by_name: Figure | None = None) -> Decimal | None:
    """Return a price times counts; of nothing, no price is needed."""
    numbers = [book.number(count) for count in counts]
    if 0 in numbers:
        return Decimal(0)
    return _known(lambda *factors: reduce(mul, factors), *numbers, book.number(price, by_name))


def _request(
    fixed: Decimal,
    variable: Decimal,
    output: Decimal,
    cache: Decimal,
    batch: Decimal,
    input_price: Decimal,
    output_price: Decimal,
) -> Decimal:
    """Return USD per month for one request a day."""
    cost = (fixed * cache + variable) * input_price + output * output_price
    return cost * batch * _PER_TOKEN * DAYS


def _band(upfront: Decimal, saving: Decimal, months_left: Decimal) -> Payback:
    if saving <= 0:
        return "never"
    if upfront >= min(ACCEPTABLE, months_left) * saving:
        return "slow"
    return "fast" if upfront < FAST * saving else "acceptable"


def _months(upfront: Decimal, saving: Decimal) -> Decimal:
    """Return the payback, rounded down so that it never shows the edge of a band it has not reached."""
    return min(upfront * 100 // saving, MOST * 100) * _CENT


def _break_even(upfront: Decimal, gain: Decimal, hosting: Decimal, months_left: Decimal) -> Decimal | None:
    """Solve upfront / (requests x gain - hosting) < limit for the smallest whole number of requests a day."""
    limit = min(ACCEPTABLE, months_left)
    if gain <= 0 or limit == 0:
        return None
    needed, gained = upfront + limit * hosting, limit * gain
    return needed // gained + 1 if needed < MOST * gained else None


def _known(formula: Callable[..., T], *numbers: Decimal | None) -> T | None:
    """Return what a formula gives, or None when it lacks a number."""
    return None if None in numbers else formula(*numbers)


def _cents(money: Decimal) -> Decimal:
    return money.quantize(_CENT) + 0  # no negative zero


def _exact(number: float) -> Decimal:
    """Return a number as it was written: 0.1 is one tenth."""
    return Decimal(str(number))
