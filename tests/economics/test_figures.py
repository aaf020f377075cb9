"""The cost model's arithmetic, against the figures it rests on, worked by hand."""

import doctest
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import trivium
from trivium import economics
from trivium.economics import CostAssumption, Costs, Economics, assess, price_digest
from trivium.prices import AS_OF, DEFAULTS


FREE: dict[str, Any] = {
    "variable_input_tokens": 0,
    "output_tokens": 0,
    "cache_factor": 1,
    "hosting_per_month": 0,
    "examples_to_make": 0,
    "training_tokens": 0,
    "engineering": 0,
}
"""Nothing but instruction tokens costs anything."""

PRICED: dict[str, Any] = FREE | {"input_price": 10, "output_price": 10, "price_multiplier": 1}
"""Per 1,000 requests a day, 100 fixed tokens cost 30 USD a month."""


def ask(costs: dict[str, Any], requests: float | None = 1000, prompt: float | None = 1000) -> Economics:
    checked = msgspec.convert(costs, Costs)
    return assess(checked, requests_per_day=requests, prompt_tokens=prompt)


def assumed(found: Economics, field: str) -> list[Decimal]:
    return [one.value for one in found.assumptions if one.field == f"costs.{field}"]


def test_the_worked_example() -> None:
    results = doctest.testmod(economics)
    assert results.failed == 0
    assert results.attempted > 0


@pytest.mark.parametrize(
    ("model", "cut"), [("gpt-4o", "1/3"), ("gpt-4.1", "1/3"), ("gpt-4o-mini", "1/2"), ("gpt-3.5-turbo", "5/6")]
)
def test_the_prompt_cut_that_just_breaks_even_on_input(model: str, cut: str) -> None:
    part, whole = map(int, cut.split("/"))  # 33, 50 and 83 %
    kept = 6000 * (whole - part) // whole
    even = FREE | {"model": model, "tuned_input_tokens": kept}
    assert ask(even, prompt=6000).monthly_saving == 0
    assert ask(even, prompt=6000).payback == "never"
    assert ask(even | {"tuned_input_tokens": kept - 1}, prompt=6000).payback == "fast"
    saving = ask(even | {"tuned_input_tokens": kept + 1}, prompt=6000).monthly_saving
    assert saving is not None
    assert saving < 0


def test_a_tuned_small_model_is_8_3_times_cheaper_than_a_prompted_large_one() -> None:
    tokens = {"variable_input_tokens": 700, "tuned_input_tokens": 1000, "output_tokens": 300}
    found = ask(tokens | {"model": "gpt-4o", "tuned_model": "gpt-4o-mini"})
    assert found.monthly_prompted is not None
    assert found.monthly_tuned is not None
    assert round(found.monthly_prompted / found.monthly_tuned, 1) == Decimal("8.3")
    assert assumed(found, "tuned_model") == [Decimal("0.15"), Decimal("0.6")]
    assert assumed(found, "price_multiplier") == [2, 2]


@pytest.mark.parametrize(("model", "price"), [("gpt-4o-mini", "4.50"), ("gpt-3.5-turbo", "12.00"), ("gpt-4o", "37.50")])
def test_training_on_500_examples(model: str, price: str) -> None:
    found = ask({"model": model, "examples_to_make": 0, "engineering": 0})
    assert found.upfront == Decimal(price)


def test_the_model_that_is_tuned_is_the_one_trained() -> None:
    found = ask({"model": "gpt-4o", "tuned_model": "gpt-4o-mini", "examples_to_make": 0, "engineering": 0})
    assert found.upfront == Decimal("4.50")


def test_sixty_percent_of_the_prompt_saved() -> None:
    costs = {
        "model": "gpt-3.5-turbo",
        "price_multiplier": 1,
        "variable_input_tokens": 500,
        "output_tokens": 200,
        "examples_to_make": 400,
        "label_cost": 5,
        "engineering": 988,
    }
    found = ask(costs, requests=100_000, prompt=2000)
    assert assumed(found, "tuned_input_tokens") == [800]
    assert found.monthly_prompted == Decimal("4650.00")  # 3M requests x (2,500 x 0.50 + 200 x 1.50) / 1M
    assert found.monthly_tuned == Decimal("2850.00")  # 3M requests x (1,300 x 0.50 + 200 x 1.50) / 1M
    assert found.monthly_saving == Decimal("1800.00")
    assert found.upfront == Decimal("3000.00")  # 400 x 5 + 12 + 988
    assert found.payback_months == Decimal("1.66")  # 1.666...
    assert found.payback == "fast"
    assert found.break_even_requests_per_day == 13_889  # 3,000 / 12 a month at 0.018 a month per daily request
    assert found.missing == []


def test_the_tuned_price_by_direction() -> None:
    """Gpt-3.5-turbo: six times in, four times out."""
    costs = FREE | {"model": "gpt-3.5-turbo", "tuned_input_tokens": 1000, "output_tokens": 1000}
    found = ask(costs, requests=1_000_000 / 30)
    assert (found.monthly_prompted, found.monthly_tuned) == (Decimal("2000.00"), Decimal("9000.00"))
    assert assumed(found, "price_multiplier") == [6, 4]


@pytest.mark.parametrize("tuned", ["ft:gpt-4o-mini", "ft:gpt-4o-mini-2024-07-18:acme::x1", "FT:GPT-4o-mini:acme"])
def test_a_tuned_model_by_its_own_name_has_the_tuned_price(tuned: str) -> None:
    by_base = ask({"model": "gpt-4o", "tuned_model": "gpt-4o-mini", "variable_input_tokens": 1, "output_tokens": 9})
    by_name = ask({"model": "gpt-4o", "tuned_model": tuned, "variable_input_tokens": 1, "output_tokens": 9})
    assert by_name.monthly_tuned == by_base.monthly_tuned
    assert assumed(by_name, "tuned_model") == [Decimal("0.3"), Decimal("1.2")]
    assert assumed(by_name, "price_multiplier") == [1, 1]


@pytest.mark.parametrize(
    "model", ["gemini-2.5-flash", "amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0", "nova-micro"]
)
def test_some_clouds_charge_nothing_extra_for_a_tuned_model(model: str) -> None:
    assert assumed(ask({"model": model}), "price_multiplier") == [1, 1]


def test_cached_and_batched() -> None:
    costs = {"input_price": 4, "output_price": 8, "variable_input_tokens": 250, "output_tokens": 500}
    million_a_month = 1_000_000 / 30
    assert ask(costs | {"cache_factor": 1}, million_a_month).monthly_prompted == Decimal("9000.00")
    assert ask(costs | {"cache_factor": 0.25}, million_a_month).monthly_prompted == Decimal("6000.00")
    assert ask(costs | {"cache_factor": 0.25, "batch_factor": 0.5}, million_a_month).monthly_prompted == 3000


@pytest.mark.parametrize(
    ("engineering", "months_left", "payback", "months"),
    [
        (0, 12, "fast", "0"),
        (899.99, 12, "fast", "2.99"),
        (900, 12, "acceptable", "3"),
        (3599.99, 12, "acceptable", "11.99"),
        (3600, 12, "slow", "12"),
        (3600, 1e6, "slow", "12"),
        (899.99, 2.5, "slow", "2.99"),
        (749.99, 2.5, "fast", "2.49"),
        (0, 0, "slow", "0"),
    ],
)
def test_bands(engineering: float, months_left: float, payback: str, months: str) -> None:
    found = ask(PRICED | {"tuned_input_tokens": 0, "engineering": engineering, "model_months_left": months_left})
    assert found.monthly_saving == 300
    assert (found.payback, found.payback_months) == (payback, Decimal(months))


def test_hosting_alone_can_eat_the_saving() -> None:
    found = ask(PRICED | {"tuned_input_tokens": 0, "hosting_per_month": 300})
    assert (found.monthly_tuned, found.monthly_saving) == (Decimal(300), Decimal(0))
    assert (found.payback, found.payback_months) == ("never", None)
    assert found.break_even_requests_per_day == 1001


def test_no_requests_save_nothing() -> None:
    found = ask(PRICED | {"tuned_input_tokens": 0}, requests=0)
    assert (found.monthly_prompted, found.break_even_requests_per_day) == (Decimal(0), Decimal(1))
    assert found.payback == "never"


def test_no_volume_helps_where_a_request_gets_dearer() -> None:
    found = ask(PRICED | {"tuned_input_tokens": 1000, "price_multiplier": 2})
    assert (found.payback, found.break_even_requests_per_day) == ("never", None)


def test_the_break_even_needs_no_volume() -> None:
    found = ask(PRICED | {"tuned_input_tokens": 0, "engineering": 3600}, requests=None)
    assert found.break_even_requests_per_day == 1001
    assert (found.monthly_prompted, found.payback_months, found.payback) == (None, None, None)
    assert found.missing == ["requests_per_day"]


def test_nothing_known() -> None:
    found = ask({}, None, None)
    assert [getattr(found, field) for field in Economics.__struct_fields__[:7]] == [None] * 7
    assert found.missing == [
        "requests_per_day",
        "prompt_tokens",
        "costs.variable_input_tokens",
        "costs.output_tokens",
        "costs.input_price",
        "costs.output_price",
        "costs.price_multiplier",
        "costs.training_price",
        "costs.engineering",
    ]
    assert {one.field.removeprefix("costs.") for one in found.assumptions} == DEFAULTS.keys() - {"tuned_input_tokens"}


def test_a_model_that_nobody_knows_is_a_missing_price() -> None:
    found = ask({"model": "our-own-7b", "variable_input_tokens": 1, "output_tokens": 1})
    assert found.missing[:2] == ["costs.input_price", "costs.output_price"]
    other = ask(PRICED | {"model": "gpt-4o", "tuned_model": "our-own-7b"})
    assert other.missing == ["costs.tuned_model"]
    assert other.monthly_prompted == 300
    assert other.monthly_tuned is None


def test_no_training_needs_no_training_price() -> None:
    assert ask(PRICED | {"epochs": 0}).missing == []
    assert "costs.training_price" in ask(PRICED | {"training_tokens": 1}).missing


def test_an_assumption_tells_all_about_itself() -> None:
    found = ask({"model": "gpt-4o"})
    training = next(one for one in found.assumptions if one.field == "costs.training_price")
    assert training == CostAssumption(
        "costs.training_price", Decimal(25), "USD per 1M training tokens", AS_OF, "OpenAI 2024"
    )
    assert all(one.unit and one.source and one.as_of == "2026-11" for one in found.assumptions)


def test_the_digest_is_of_what_was_looked_up() -> None:
    digest = price_digest(Costs(model="gpt-4o"))
    assert digest is not None
    assert len(digest) == 64
    assert price_digest(Costs(model="gpt-4o", label_cost=1, output_tokens=5)) == digest
    assert price_digest(Costs(model="GPT-4o")) == digest
    assert price_digest(Costs(model="gpt-4o-mini")) not in {None, digest}
    assert price_digest(Costs(model="gpt-4o", input_price=1)) not in {None, digest}
    assert price_digest(Costs()) is None
    assert price_digest(Costs(model="our-own-7b", tuned_model="our-own-1b", label_cost=1)) is None
    priced = Costs(input_price=1, output_price=1, cache_factor=1, price_multiplier=1, training_price=1)
    assert price_digest(msgspec.structs.replace(priced, model="gpt-4o")) is None


# Each model has its own cache discount


def test_tuned_tokens_get_the_cache_discount_of_the_model_that_is_tuned() -> None:
    """A prompt on gpt-5 is cached at a tenth of the price, one on gpt-4o-mini at half of it."""
    costs = {
        "model": "gpt-5",
        "tuned_model": "gpt-4o-mini",
        "variable_input_tokens": 100,
        "output_tokens": 50,
        "examples_to_make": 0,
        "engineering": 3000,
    }
    found = ask(costs, requests=8000, prompt=10_000)
    assert found.monthly_tuned == Decimal("165.60")  # 240,000 x ((4,000 x 0.5 + 100) x 0.30 + 50 x 1.20) / 1M
    assert assumed(found, "cache_factor") == [Decimal("0.1"), Decimal("0.5")]


def test_a_stated_cache_discount_holds_for_both_models() -> None:
    costs = {"model": "gpt-5", "tuned_model": "gpt-4o-mini", "cache_factor": 0.1}
    costs |= {"variable_input_tokens": 100, "output_tokens": 50}
    found = ask(costs, requests=8000, prompt=10_000)
    assert found.monthly_tuned == Decimal("50.40")
    assert assumed(found, "cache_factor") == []


def test_the_wrong_discount_made_a_wrong_strategy() -> None:
    """At 8,000 requests a day tuning seemed to pay, because its prompt was priced by the other model's cache."""
    profile = {
        "requests_per_day": 8000,
        "task_consistency": "consistent",
        "prompt_tokens": 10_000,
        "labeled_examples": 500,
        "example_quality": "expert_reviewed",
        "prompt_maturity": "structured",
        "has_evaluation_set": True,
        "fine_tuning_available": True,
    }
    costs = {"model": "gpt-5", "tuned_model": "gpt-4o-mini", "variable_input_tokens": 100, "output_tokens": 50}
    costs |= {"engineering": 4500}
    made = trivium.recommend(profile | {"costs": costs})
    assert made.strategy == "prompt_engineering"
    assert trivium.recommend(profile | {"costs": costs | {"cache_factor": 0.1}}).strategy == "fine_tuning"


# Examples that exist need not be made


@pytest.mark.parametrize(("owned", "to_make"), [(None, 500), (0, 500), (120, 380), (500, 0), (5000, 0)])
def test_only_the_missing_examples_are_made(owned: float | None, to_make: int) -> None:
    costs = msgspec.convert(PRICED | {"label_cost": 10}, Costs)
    costs = msgspec.structs.replace(costs, examples_to_make=None)
    found = assess(costs, requests_per_day=1000, prompt_tokens=1000, labeled_examples=owned)
    assert assumed(found, "examples_to_make") == [to_make]
    assert found.upfront == to_make * 10


def test_a_stated_number_of_examples_to_make_stands() -> None:
    costs = msgspec.convert(PRICED | {"label_cost": 10, "examples_to_make": 40}, Costs)
    assert assess(costs, requests_per_day=1000, prompt_tokens=1000, labeled_examples=5000).upfront == 400


# In words


@pytest.mark.parametrize(
    ("engineering", "months_left", "says"),
    [
        (900, 24, "training pays back in 3.0 months and breaks even at 251 requests a day"),
        (4500, 24, "training pays back in 15.0 months and breaks even at 1,251 requests a day"),
        (4500, 12, "training takes 15.0 months to pay back, longer than the model lasts, so it never pays for itself"),
        (18_300, 1000, "training takes 61.0 months to pay back, so it is never worth it for the money"),
        (60_000, 1000, "training takes 200 months to pay back, so it is never worth it for the money"),
    ],
)
def test_the_payback_in_words(engineering: float, months_left: float, says: str) -> None:
    found = ask(PRICED | {"tuned_input_tokens": 0, "engineering": engineering, "model_months_left": months_left})
    assert found.says == says


def test_no_payback_in_words() -> None:
    assert ask(PRICED | {"tuned_input_tokens": 1000}).says == "training never pays back, because it saves no money"
    assert ask(PRICED, requests=None).says.endswith("would pay back, because `requests_per_day` is missing")
    assert ask(PRICED, None, None).says.endswith("because `requests_per_day` and `prompt_tokens` are missing")
    nothing = ask({}, None, None)
    assert nothing.says.endswith(f", `{nothing.missing[1]}` and {len(nothing.missing) - 2} more fields are missing")


# Pages


@pytest.mark.parametrize(
    ("costs", "says"),
    [
        ({"model": "gpt-4o"}, ["`costs.price_multiplier` 1.5,", "`costs.cache_factor` 0.5,"]),
        (
            {"model": "gpt-3.5-turbo"},
            ["`costs.price_multiplier` 6 times the input price and 4 times the output price,"],
        ),
        (
            {"model": "gpt-5", "tuned_model": "gpt-4o-mini"},
            [
                "`costs.cache_factor` 0.1 when prompted and 0.5 when tuned,",
                "`costs.tuned_model` 0.15 USD per 1M input tokens and 0.6 USD per 1M output tokens,",
                "`costs.price_multiplier` 2,",
            ],
        ),
        ({"model": "gpt-4o-mini", "tuned_model": "gpt-4o"}, ["`costs.cache_factor` 0.5,"]),
    ],
)
def test_a_page_names_each_assumed_field_once_and_says_which_figure_is_which(
    costs: dict[str, Any], says: list[str]
) -> None:
    made = trivium.recommend({"costs": costs})
    (markdown,) = [line for line in made.to_markdown().splitlines() if line.startswith("- **assumed:**")]
    (html,) = re.findall(r"<li><strong>assumed:</strong> (.*?)</li>", made.to_html())
    for page, code in ((markdown, r"`(costs\.\w+)`"), (html, r"<code>(costs\.\w+)</code>")):
        fields = re.findall(code, page)
        assert len(fields) == len(set(fields))
        assert set(fields) == {one.field for one in ask(costs).assumptions} - {"costs.tuned_input_tokens"}
    for one in says:
        assert one in markdown
        assert re.sub("`(.*?)`", r"<code>\1</code>", one) in html


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-3.5-turbo"])
def test_the_unit_says_which_of_two_figures_of_a_field_is_which(model: str) -> None:
    assumptions = ask({"model": "gpt-4o-mini", "tuned_model": model, "cache_factor": 1}).assumptions
    named = [(one.field, one.unit) for one in assumptions]
    assert len(named) == len(set(named))
