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
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    localcontext,
)
from functools import reduce
from operator import mul, sub
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from trivium.prices import AS_OF, DEFAULTS, Figure, figures


T = TypeVar("T")

MOST = Decimal(10**12)
"""The largest number a caller may state, and of months that is shown; every whole number up to here is exact."""

Number: TypeAlias = Annotated[float, Meta(ge=0, le=float(MOST))]
Count: TypeAlias = Annotated[float, Meta(ge=0, le=float(MOST), multiple_of=1)]
"""A whole number. JSON has one kind of number, so 1000.0 is as good as 1000."""

Factor: TypeAlias = Annotated[float, Meta(ge=0, le=100)]
Name: TypeAlias = Annotated[str, Meta(max_length=200)]
Payback: TypeAlias = Annotated[Literal["fast", "acceptable", "slow", "never"], Meta(title="Payback")]

DAYS = Decimal(30)
"""Days in a month."""

FAST = Decimal(3)
"""Months of payback below which it is fast."""

ACCEPTABLE = Decimal(12)
"""Months of payback below which it is acceptable."""

WORTH_IT = Decimal(60)
"""Months of payback beyond which it is said to be never worth it."""

FEW = 3
"""Missing fields up to which a sentence names them all."""

_ROUNDED = Decimal(100)
"""Months from which on their fractions are not shown."""

_PER_TOKEN = Decimal("1e-6")
_CENT = Decimal("0.01")
_EXACT = Context(prec=10_000, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation])
"""Room for every digit of a product of floats, even of the smallest; nothing that decides is ever rounded."""


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a use case costs, as far as it is known: USD, prices per 1M tokens. Your numbers override assumptions."""

    model: Annotated[Name | None, Meta(description="The model that is prompted now; its name finds its prices.")] = None
    tuned_model: Annotated[
        Name | None, Meta(description="The model to tune, when it is another one; its name finds its prices.")
    ] = None
    variable_input_tokens: Annotated[
        Count | None, Meta(description="Input tokens of a request that differ from request to request, never cached.")
    ] = None
    tuned_input_tokens: Annotated[
        Count | None, Meta(description="Fixed instruction tokens of a request that remain after tuning.")
    ] = None
    output_tokens: Annotated[Count | None, Meta(description="Output tokens of a request.")] = None
    input_price: Annotated[Number | None, Meta(description="Price of 1M input tokens of the model prompted now.")] = (
        None
    )
    output_price: Annotated[Number | None, Meta(description="Price of 1M output tokens of the model prompted now.")] = (
        None
    )
    cache_factor: Annotated[
        Factor | None, Meta(description="Cached input price as a share of the input price; 1 is no cache.")
    ] = None
    batch_factor: Annotated[
        Factor | None, Meta(description="Price in a batch as a share of the price; 1 is no batch.")
    ] = None
    price_multiplier: Annotated[
        Factor | None, Meta(description="Tuned price as a multiple of the price of the model that is tuned.")
    ] = None
    hosting_per_month: Annotated[
        Number | None, Meta(description="Price of having the tuned model ready for a month, used or not.")
    ] = None
    examples_to_make: Annotated[Count | None, Meta(description="Examples that are still to be made.")] = None
    label_cost: Annotated[Number | None, Meta(description="Price of making one example.")] = None
    training_tokens: Annotated[
        Count | None, Meta(description="Tokens of the planned training set, not of all examples owned.")
    ] = None
    epochs: Annotated[Count | None, Meta(description="Times a training run goes through the training set.")] = None
    runs: Annotated[Count | None, Meta(description="Training runs until one is good enough.")] = None
    training_price: Annotated[Number | None, Meta(description="Price of 1M training tokens.")] = None
    engineering: Annotated[Number | None, Meta(description="Price of all other work until the tuned model serves.")] = (
        None
    )
    model_months_left: Annotated[
        Number | None, Meta(description="Months until the model to tune is withdrawn or outdone.")
    ] = None


class CostAssumption(msgspec.Struct, frozen=True):
    """A number that was not given: what was used instead, as of when, and who says so."""

    field: str
    value: Decimal
    unit: str
    as_of: str
    source: str


class Economics(msgspec.Struct, frozen=True):
    """What is known of the money; null where something needed is missing."""

    monthly_prompted: Annotated[Decimal | None, Meta(description="USD a month now.")]
    monthly_tuned: Annotated[Decimal | None, Meta(description="USD a month with the tuned model, hosting included.")]
    monthly_saving: Annotated[
        Decimal | None, Meta(description="USD a month saved by tuning; negative when it costs more.")
    ]
    upfront: Annotated[Decimal | None, Meta(description="USD before the tuned model serves.")]
    payback_months: Annotated[
        Decimal | None,
        Meta(description="Months until the saving has paid for that, rounded down; null also when it never has."),
    ]
    payback: Annotated[
        Payback | None,
        Meta(
            description="The band of it: under 3 months, under 12, more, or never; also `slow` beyond the model's life."
        ),
    ]
    break_even_requests_per_day: Annotated[
        Decimal | None,
        Meta(description="The lowest volume with an acceptable payback; null also when no volume has one."),
    ]
    assumptions: Annotated[
        list[CostAssumption], Meta(description="Numbers that were not given, and what was used for them.")
    ]
    missing: Annotated[list[str], Meta(description="Fields that are needed, not given, and not to be assumed.")]
    says: Annotated[str, Meta(description="The payback in words, as a clause.")]


class _Terms(msgspec.Struct, frozen=True):
    """What decides: a month of one request a day prompted and tuned, hosting, upfront, and the months left."""

    prompted: Decimal | None
    tuned: Decimal | None
    hosting: Decimal | None
    upfront: Decimal | None
    months_left: Decimal | None


def assess(
    costs: Costs, *, requests_per_day: float | None, prompt_tokens: float | None, labeled_examples: float | None = None
) -> Economics:
    """Work out the payback of tuning against prompting.

    Neither more examples nor a higher volume ever slows the payback: examples that exist need not be made, and
    `training_tokens` counts the planned training set, whatever is owned.

    Args:
        costs: what the use case costs.
        requests_per_day: its volume.
        prompt_tokens: its fixed instruction tokens per request.
        labeled_examples: how many examples exist.
    """
    with localcontext(_EXACT):
        book = _Book(costs, labeled_examples)
        requests = book.argument("requests_per_day", requests_per_day)
        terms = _terms(book, book.argument("prompt_tokens", prompt_tokens))
        prompted = _known(mul, requests, terms.prompted)
        tuned = _known(lambda volume, cost, hosting: volume * cost + hosting, requests, terms.tuned, terms.hosting)
        saving = _known(sub, prompted, tuned)
        payback = _known(_band, terms.upfront, saving, terms.months_left)
        gain = _known(sub, terms.prompted, terms.tuned)
        months = None if payback == "never" else _known(_months, terms.upfront, saving)
        break_even = _known(_break_even, terms.upfront, gain, terms.hosting, terms.months_left)
        return Economics(
            monthly_prompted=_known(_cents, prompted),
            monthly_tuned=_known(_cents, tuned),
            monthly_saving=_known(_cents, saving),
            upfront=_known(_cents, terms.upfront),
            payback_months=months,
            payback=payback,
            break_even_requests_per_day=break_even,
            assumptions=book.assumptions,
            missing=book.missing,
            says=_clause(payback, months, terms.months_left, break_even, book.missing),
        )


def unknown_models(costs: Costs) -> list[str]:
    """Return the model names for which prices are needed, and nothing is known."""
    names = [costs.model] if costs.input_price is None or costs.output_price is None else []
    names += [costs.tuned_model] if costs.tuned_model != costs.model else []
    return [name for name in names if name is not None and "input_price" not in figures(name)]


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

    def __init__(self, costs: Costs, labeled_examples: float | None = None) -> None:
        self.costs = costs
        self.owned = _exact(labeled_examples or 0)
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

    def examples_to_make(self) -> Decimal:
        """Return the caller's own number, else what is missing of what policies ask for."""
        if (own := self.stated("examples_to_make")) is not None:
            return own
        asked = DEFAULTS["examples_to_make"]
        return self.assume(
            "examples_to_make", Figure(max(asked.value - self.owned, Decimal(0)), asked.unit, asked.source)
        )

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

    if costs.tuned_model is not None and costs.tuned_model != costs.model:
        base = figures(costs.tuned_model)
        prices = book.pair("tuned_model", base.get("input_price"), base.get("output_price"))
        cache = book.number("cache_factor", base.get("cache_factor"))
    factor = book.stated("price_multiplier")
    factors: tuple[Decimal | None, ...] = (factor, factor)
    if factor is None:
        factors = book.pair("price_multiplier", base.get("input_multiplier"), base.get("output_multiplier"))
    tuned_prices = (_known(mul, price, factor) for price, factor in zip(prices, factors, strict=True))
    tuned = _known(_request, _kept(book, fixed), variable, output, cache, batch, *tuned_prices)

    hosting = book.number("hosting_per_month")
    labels = _product(book, [book.examples_to_make()], "label_cost")
    amounts = [book.number(field) for field in ("training_tokens", "epochs", "runs")]
    training = _product(book, amounts, "training_price", base.get("training_price"))
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


def _product(
    book: _Book, amounts: Sequence[Decimal | None], price: str, by_name: Figure | None = None
) -> Decimal | None:
    """Return a price times amounts; of nothing, no price is needed."""
    if 0 in amounts:
        return Decimal(0)
    return _known(lambda *factors: reduce(mul, factors), *amounts, book.number(price, by_name))


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


def _named(missing: Sequence[str]) -> str:
    """Name the fields that are missing; of many, two, for `missing` lists them all."""
    names = [f"`{name}`" for name in missing]
    if len(names) == 1:
        return f"{names[0]} is"
    last = names[-1] if len(names) <= FEW else f"{len(names) - 2} more fields"
    return f"{', '.join(names[: min(len(names), FEW) - 1])} and {last} are"


def _clause(
    payback: Payback | None,
    months: Decimal | None,
    months_left: Decimal | None,
    break_even: Decimal | None,
    missing: Sequence[str],
) -> str:
    """Say when training pays back, as a clause."""
    if payback is None:
        return f"it is not known when training would pay back, because {_named(missing)} missing"
    if months is None:
        return "training never pays back, because it saves no money"
    shown = f"{months:,.0f}" if months >= _ROUNDED else f"{months.quantize(Decimal('0.1'), ROUND_DOWN):,}"
    if months_left is not None and months >= months_left:
        return f"training takes {shown} months to pay back, longer than the model lasts, so it never pays for itself"
    if months > WORTH_IT:
        return f"training takes {shown} months to pay back, so it is never worth it for the money"
    volume = "" if break_even is None else f" and breaks even at {break_even:,} requests a day"
    return f"training pays back in {shown} months{volume}"


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
