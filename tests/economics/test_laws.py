"""Laws of the cost model, over any costs: sane, exact, monotone, and open about what it assumes."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from trivium.economics import Costs, Economics, assess, price_digest
from trivium.prices import DEFAULTS


FIELDS = {field.name: field for field in msgspec.structs.fields(Costs)}
NAMES = ("model", "tuned_model")
NUMBERS = tuple(name for name in FIELDS if name not in NAMES)
TOKENS = ("variable_input_tokens", "tuned_input_tokens", "output_tokens", "training_tokens")
COUNTS = (*TOKENS, "examples_to_make", "epochs", "runs")
FACTORS = ("cache_factor", "batch_factor", "price_multiplier")
PRICES = ("input_price", "output_price", "batch_factor", "cache_factor")
MONEY = ("monthly_prompted", "monthly_tuned", "monthly_saving", "upfront", "payback_months")
BANDS = ("never", "slow", "acceptable", "fast")
MOST = 1e12

models = st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-4.1-nano", "gpt-3.5-turbo", "ft:gpt-4o", "gemini-x", "own", ""])
everyday = st.integers(0, 10_000)
numbers = everyday | st.floats(0, 10_000) | st.sampled_from([0.01, 0.1, 0.15, 1.1]) | st.floats(0, MOST)
counts = everyday | st.integers(0, int(MOST))
requests = everyday | counts | st.floats(0, MOST)


def value(name: str) -> st.SearchStrategy[Any]:
    if name in NAMES:
        return models
    if name in COUNTS:
        return counts
    return st.floats(0, 4) | st.floats(0, 100) if name in FACTORS else numbers


some = st.fixed_dictionaries({}, optional={name: value(name) for name in FIELDS})
full = st.fixed_dictionaries({name: value(name) for name in NUMBERS})
usual = st.fixed_dictionaries(
    {
        "variable_input_tokens": st.integers(0, 2000),
        "tuned_input_tokens": st.integers(0, 400),
        "output_tokens": st.integers(0, 500),
        "input_price": st.sampled_from([0.15, 2.5, 3]),
        "output_price": st.sampled_from([0.6, 10]),
        "price_multiplier": st.sampled_from([0.3, 1, 1.1]),
        "hosting_per_month": st.sampled_from([0, 0.1, 1224]),
        "training_price": st.just(3),
        "engineering": st.integers(0, 20_000) | st.floats(0, 20_000),
    },
    optional={"examples_to_make": st.integers(0, 900), "model_months_left": st.floats(0, 24)},
)
"""Costs under which tuning often pays."""

enough = full | usual


def ask(costs: dict[str, Any], volume: float | None = 1000, prompt: float | None = 1000) -> Economics:
    return assess(msgspec.convert(costs, Costs), requests_per_day=volume, prompt_tokens=prompt)


def speed(found: Economics) -> int:
    assert found.payback is not None
    return BANDS.index(found.payback)


EVERYTHING = dict.fromkeys(NUMBERS, MOST) | dict.fromkeys(FACTORS, 100)
TINY = dict.fromkeys(NUMBERS, 5e-324) | dict.fromkeys(COUNTS, 1)


@given(some, st.none() | requests, st.none() | counts)
@example(EVERYTHING, MOST, MOST)
@example(EVERYTHING | {"price_multiplier": 0}, MOST, MOST)
@example(EVERYTHING | {"price_multiplier": 0, "input_price": 5e-324}, 5e-324, MOST)
@example(TINY, 5e-324, 1)
@example(TINY | {"price_multiplier": 0, "hosting_per_month": 0, "engineering": MOST}, 5e-324, MOST)
@example(dict.fromkeys(NUMBERS, 0), 0, 0)
def test_anything_gets_a_sane_answer(costs: dict[str, Any], volume: float | None, prompt: float | None) -> None:
    found = ask(costs, volume, prompt)
    for field in MONEY:
        number = getattr(found, field)
        assert number is None or (number.is_finite() and number.as_tuple().exponent == -2 and abs(number) < 10**43)
        assert str(number) != "-0.00"
    upfront, months, even = found.upfront, found.payback_months, found.break_even_requests_per_day
    assert upfront is None or upfront >= 0
    assert months is None or 0 <= months <= MOST
    assert even is None or (1 <= even <= MOST and even == int(even))
    assert (found.payback is None) == (found.missing != [])
    assert (months is None) == (found.payback in {None, "never"})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Economics) == found
    assert ask(costs, volume, prompt) == found
    assert price_digest(msgspec.convert(costs, Costs)) == price_digest(msgspec.convert(costs, Costs))


@given(enough, requests, requests, counts)
def test_more_requests_never_slow_the_payback(costs: dict[str, Any], one: float, other: float, prompt: float) -> None:
    costs = {"training_price": 1} | costs
    fewer, more = (ask(costs, volume, prompt) for volume in sorted((one, other)))
    assert speed(fewer) <= speed(more)
    if fewer.payback_months is not None:
        assert more.payback_months is not None
        assert more.payback_months <= fewer.payback_months
    assert fewer.break_even_requests_per_day == more.break_even_requests_per_day


@given(enough, counts, counts)
def test_more_examples_never_slow_the_payback(costs: dict[str, Any], one: float, other: float) -> None:
    costs = {"training_price": 1} | costs
    fewer, more = (
        assess(msgspec.convert(costs, Costs), requests_per_day=1000, prompt_tokens=1000, labeled_examples=owned)
        for owned in sorted((one, other))
    )
    assert speed(fewer) <= speed(more)


@given(enough, counts)
@example(EVERYTHING | {"price_multiplier": 0}, MOST)
@example(TINY | {"price_multiplier": 0, "hosting_per_month": 0}, 10**6)
def test_the_break_even_is_exact(costs: dict[str, Any], prompt: float) -> None:
    even = ask(costs, None, prompt).break_even_requests_per_day
    if even is None:
        assert speed(ask(costs, MOST, prompt)) < BANDS.index("acceptable")
    else:
        assert speed(ask(costs, int(even), prompt)) >= BANDS.index("acceptable")
        assert speed(ask(costs, int(even) - 1, prompt)) < BANDS.index("acceptable")


@given(usual, st.integers(1, 3000))
def test_a_break_even_where_tuning_can_pay(costs: dict[str, Any], prompt: int) -> None:
    costs |= {"price_multiplier": 0.5, "tuned_input_tokens": 0, "model_months_left": 6}
    assert ask(costs, None, prompt).break_even_requests_per_day is not None


@pytest.mark.parametrize("field", [*PRICES, "price_multiplier", "hosting_per_month", "label_cost", "training_price"])
@given(costs=enough, data=st.data(), volume=requests, prompt=counts)
def test_no_cost_falls_when_a_price_rises(
    field: str, costs: dict[str, Any], data: st.DataObject, volume: float, prompt: float
) -> None:
    low, high = sorted((data.draw(value(field)), data.draw(value(field))))
    lower, higher = (ask(costs | {field: price}, volume, prompt) for price in (low, high))
    for total in ("monthly_prompted", "monthly_tuned", "upfront"):
        assert getattr(lower, total) <= getattr(higher, total)
    if field not in PRICES:  # they raise what is compared with, too
        assert speed(lower) >= speed(higher)
    if field in {"price_multiplier", "hosting_per_month"}:
        assert lower.monthly_prompted == higher.monthly_prompted


@given(usual, st.data(), requests)
def test_a_life_that_ends_sooner_never_speeds_the_payback(
    costs: dict[str, Any], data: st.DataObject, volume: float
) -> None:
    sooner, later = sorted((data.draw(st.floats(0, 24)), data.draw(st.floats(0, 24))))
    ends, stays = (ask(costs | {"model_months_left": months}, volume) for months in (sooner, later))
    assert speed(ends) <= speed(stays)
    assert ends.payback_months == stays.payback_months


@given(some, st.none() | counts)
def test_exactly_what_is_left_out_is_assumed_or_missing(costs: dict[str, Any], prompt: float | None) -> None:
    found = ask(costs, 1, prompt)
    listed = {one.field.removeprefix("costs.") for one in found.assumptions}
    missing = {field.removeprefix("costs.") for field in found.missing}
    assert not listed & missing
    for field in NUMBERS:
        assert not (field in costs and field in listed | missing)
    left_out = set(NUMBERS) - costs.keys()
    moot = set()
    if prompt is None:
        moot.add("tuned_input_tokens")  # a share of what is not known
    if costs.get("examples_to_make") == 0:
        moot.add("label_cost")
    if 0 in {costs.get("training_tokens"), costs.get("epochs"), costs.get("runs")}:
        moot.add("training_price")
    assert left_out - moot == (listed | missing) - {"tuned_model", "prompt_tokens"}
    assert DEFAULTS.keys() & left_out - moot <= listed
    other = costs.get("tuned_model") not in {None, costs.get("model")}
    assert ("tuned_model" in listed | missing) == other


@given(some, counts)
def test_a_number_that_was_assumed_gives_the_same_answer_when_stated(costs: dict[str, Any], prompt: float) -> None:
    found = ask(costs, 1000, prompt)
    values: dict[str, list[Decimal]] = {}
    for one in found.assumptions:
        values.setdefault(one.field.removeprefix("costs."), []).append(one.value)
    values.pop("tuned_model", None)
    assume(all(len(set(both)) == 1 for both in values.values()))  # one multiplier for input and output
    stated = ask(costs | {field: float(both[0]) for field, both in values.items()}, 1000, prompt)
    assert [getattr(stated, field) for field in Economics.__struct_fields__[:7]] == [
        getattr(found, field) for field in Economics.__struct_fields__[:7]
    ]
    assert {one.field for one in stated.assumptions} <= {"costs.tuned_model"}


@pytest.mark.parametrize("name", NUMBERS)
def test_bounds(name: str) -> None:
    highest = 100 if name in FACTORS else MOST
    for good in (0, highest):
        assert getattr(msgspec.convert({name: good}, Costs), name) == good
    for bad in (-1, highest * 2, "1", True, *([0.5] if name in COUNTS else [])):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({name: bad}, Costs)
