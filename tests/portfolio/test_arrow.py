"""Record batches of any Arrow type get the answers, and the errors, that their rows get one by one."""

import math
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trivium
from portfolios import NEWEST, advisor, batch
from trivium import InvalidInputError, Recommendation
from trivium.economics import Costs
from trivium.policy import Field
from trivium.portfolio import impact
from trivium.portfolio.arrow import FIGURES, Scorer
from trivium.portfolio.columns import MOST_MISSPELT
from trivium.portfolio.costs import NAMES, NUMBERS
from trivium.portfolio.profiles import profile_columns
from trivium.portfolio.rows import DEFAULT_COLUMNS, OUTPUTS
from trivium.profile import VOCABULARY, make_profile
from trivium.recommendation import Flip
from trivium.rendering import Renderer


EVERYTHING = (
    *DEFAULT_COLUMNS,
    *("reachable", "because", "margin", "nearest_path", "nearest_risk", "decision_id", "payback"),
    *FIGURES,
)
MODELS = ("gpt-4o", "gpt-4o-mini", "GPT-4o", "ft:gpt-4o-mini-2024-07-18:a::b", "claude-sonnet-4-5", "none of these")


def answer(row: dict[str, Any], version: str = NEWEST) -> dict[str, Any]:
    """Return the columns of a row, as the advisor's whole recommendation has them."""
    try:
        profile = make_profile({name: value for name, value in row.items() if name in {*VOCABULARY, "costs"}})
    except InvalidInputError as error:
        return dict.fromkeys(EVERYTHING) | {"error": str(error)}
    said: Recommendation = advisor(version).recommend(profile)
    figures = {name: getattr(said.economics, name, None) for name in FIGURES}
    return {
        "strategy": said.strategy,
        "status": said.status,
        "codes": [reason.code for reason in said.rationale],
        "first_question": said.questions[0].input if said.questions else None,
        "policy_version": version,
        "error": None,
        "reachable": said.reachable,
        "because": [premise.input for premise in said.because],
        "margin": said.margin,
        "nearest_path": nearest(said.paths),
        "nearest_risk": nearest(said.risks),
        "decision_id": said.decision_id,
        "payback": said.economics and said.economics.payback,
        **{name: None if figure is None else float(figure) for name, figure in figures.items()},
    }


def nearest(flips: list[Flip]) -> dict[str, Any] | None:
    return {"strategy": flips[0].strategy, "inputs": [one.input for one in flips[0].changes]} if flips else None


def scored(rows: Any, version: str = NEWEST) -> list[dict[str, Any]]:
    """Return the columns that are added to a batch, without the words of changes."""
    found: list[dict[str, Any]] = Scorer(advisor(version), EVERYTHING).score(rows).select(EVERYTHING).to_pylist()
    for row in found:
        for name in ("nearest_path", "nearest_risk"):
            if row[name] is not None:
                assert row[name].pop("says")
    return found


@pytest.mark.parametrize("version", ["1.0.0", NEWEST])
def test_every_column_is_that_of_the_whole_recommendation(version: str) -> None:
    rows = batch(150, 4)
    assert scored(rows, version) == [answer(row, version) for row in rows.to_pylist()]


# Costs


def costs(random: Random) -> dict[str, Any] | None:
    """Draw costs, often with all that a payback needs, and with sums on the edges between bands."""
    if random.random() < 0.1:
        return None
    values: dict[str, Any] = dict.fromkeys(Costs.__struct_fields__)
    share = random.random()
    for name in NAMES:
        values[name] = random.choice((*MODELS, None, None))
    for name in NUMBERS:
        if random.random() < share:
            most = {"epochs": 4, "runs": 3, "model_months_left": 36, "output_tokens": 900, "engineering": 20_000}
            drawn = random.choice((0, 0.5, 1, 3, 12, random.uniform(0, 3), random.randrange(most.get(name, 3000))))
            values[name] = float(drawn if NUMBERS[name].doubles(pa.array([drawn]))[1] is None else int(drawn))
    for name in ("variable_input_tokens", "output_tokens", "engineering"):
        values[name] = random.randrange(2000) * 1.0 if values[name] is None else values[name]
    return {
        name: min(value, 100.0) if name.endswith(("factor", "multiplier")) and value else value
        for name, value in values.items()
    }


def priced(count: int, seed: int) -> tuple[Any, Any]:
    """Draw a batch with a column of costs, and the same with a column each."""
    random = Random(seed)  # noqa: S311 - test data
    kinds = [(name, pa.string() if name in NAMES else pa.float64()) for name in Costs.__struct_fields__]
    column = pa.array([costs(random) for _ in range(count)], pa.struct(kinds))
    rows = batch(count, seed, unknown=0.1)
    at = rows.schema.get_field_index("requests_per_day")
    volumes = pa.array([random.choice((0, 100, 5000, 20_000, 10**6, random.randrange(10**6))) for _ in range(count)])
    rows = rows.set_column(at, "requests_per_day", volumes)
    flat = rows
    for (name, _), values in zip(kinds, column.flatten(), strict=True):
        flat = flat.append_column(f"costs.{name}", values)
    return rows.append_column("costs", column), flat


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.exhaustive)])
def test_paybacks_and_figures_are_those_of_the_exact_economics(count: int) -> None:
    nested, flat = priced(count, 2)
    names = ("strategy", "status", "codes", "first_question", "payback", *FIGURES)
    wanted = []
    for row in nested.to_pylist():
        whole = answer(row)
        wanted.append({name: whole[name] for name in names})
    assert {"fast", "acceptable", "slow", "never", None} == {row["payback"] for row in wanted}
    for rows in (nested, flat):
        assert Scorer(advisor(), names).score(rows).select(names).to_pylist() == wanted


def test_costs_of_which_nothing_is_stated_are_those_of_a_row_without() -> None:
    rows = pa.RecordBatch.from_pydict(
        {"knowledge_need": ["none"] * 2, "costs.model": [None, "gpt-4o"], "costs.epochs": [math.nan, None]}
    )
    plain, stated = scored(rows)
    assert plain == answer({"knowledge_need": "none"})
    assert stated == answer({"knowledge_need": "none", "costs": {"model": "gpt-4o"}})


# Types


def as_dictionary(array: Any) -> Any:
    return array.dictionary_encode()


def as_runs(array: Any) -> Any:
    return pa.compute.run_end_encode(array)


TEXTS: list[Callable[[Any], Any]] = [
    lambda array: array.cast(pa.large_string()),
    lambda array: array.cast(pa.string_view()),
    as_dictionary,
    lambda array: pa.DictionaryArray.from_arrays(
        as_dictionary(array).indices.cast(pa.uint32()), as_dictionary(array).dictionary.cast(pa.string_view())
    ),
    as_runs,
]
WHOLE: list[Callable[[Any], Any]] = [
    *(
        lambda array, kind=kind: array.cast(kind)
        for kind in (pa.uint32(), pa.uint64(), pa.int32(), pa.float32(), pa.float64(), pa.decimal128(38, 0))
    ),
    lambda array: array.cast(pa.decimal128(38, 0)).cast(pa.decimal256(40, 2)),
    as_dictionary,
    as_runs,
]


@pytest.mark.parametrize("texts", TEXTS)
def test_text_of_any_type_is_read_alike(texts: Callable[[Any], Any]) -> None:
    same(batch(300, 5), lambda array: texts(array) if array.type == pa.string() else array)


@pytest.mark.parametrize("numbers", WHOLE)
def test_numbers_of_any_type_are_read_alike(numbers: Callable[[Any], Any]) -> None:
    same(batch(300, 6), lambda array: numbers(array) if array.type == pa.int64() else array)


def test_slices_are_read_alike() -> None:
    rows = batch(300, 7)
    assert scored(rows.slice(13, 200)) == scored(rows)[13:213]
    assert scored(rows.slice(13, 0)) == []


def same(rows: Any, change: Callable[[Any], Any]) -> None:
    changed = pa.RecordBatch.from_arrays([change(column) for column in rows.columns], names=rows.schema.names)
    assert scored(changed) == scored(rows)


def test_null_and_nan_are_unknown_whatever_the_type() -> None:
    nothing = answer({})
    for field, column in [
        ("labeled_examples", pa.array([math.nan, None])),
        ("knowledge_need", pa.array([math.nan, None])),
        ("can_label_more", pa.array([math.nan, None], pa.float16())),
        ("primary_goal", pa.nulls(2)),
        ("prompt_tokens", pa.nulls(2)),
        ("primary_goal", pa.array([None, None], pa.timestamp("s"))),
        ("labeled_examples", pa.DictionaryArray.from_arrays(pa.array([0, None]), pa.array([math.nan]))),
        ("primary_goal", pa.DictionaryArray.from_arrays(pa.array([0, None]), pa.array([None], pa.string()))),
        ("costs", pa.nulls(2)),
        ("costs", pa.array([None, None], pa.struct([("model", pa.string())]))),
    ]:
        assert scored(pa.RecordBatch.from_arrays([column], names=[field])) == [nothing] * 2, field


# Faults


def valid(field: Field) -> st.SearchStrategy[Any]:
    return {
        "choice": st.sampled_from(field.choices or ("",)),
        "flag": st.booleans(),
        "number": st.integers(0, 1000),
    }[field.kind]


@given(st.data())
def test_a_bad_value_is_an_error_of_its_row_as_the_row_path_names_it(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 6))
    columns = {}
    for name in data.draw(st.lists(st.sampled_from(sorted(VOCABULARY)[:14]), min_size=1, max_size=4, unique=True)):
        field = VOCABULARY[name]
        if field.derived_from is None:
            kinds = [valid(field), st.floats(), st.integers(-5, 2**62), st.text(max_size=3), st.booleans()]
            one = data.draw(st.sampled_from(kinds))
            columns[name] = pa.array(data.draw(st.lists(st.none() | one, min_size=rows, max_size=rows)))
    if columns:
        drawn = pa.RecordBatch.from_pydict(columns)
        unknown = [
            {
                name: None
                if isinstance(value, float) and math.isnan(value)
                # a flag may be 1 or 0
                else bool(value)
                if VOCABULARY[name].kind == "flag" and value in {0, 1}
                else value
                for name, value in row.items()
            }
            for row in drawn.to_pylist()
        ]
        assert scored(drawn) == [answer(row) for row in unknown]


def test_fields_that_a_policy_does_not_read_have_the_faults_that_the_row_path_names() -> None:
    sizes = pa.array([*VOCABULARY["model_size"].choices, "vast", None])
    columns = [
        ("model_size", sizes),
        ("model_size", sizes.dictionary_encode()),
        ("model_size", sizes.dictionary_encode().slice(0, 1)),
        ("must_self_host", pa.array([True, False, None])),
        ("must_self_host", pa.array([True, False, None]).dictionary_encode()),
        ("must_self_host", pa.array(["true", None])),
        ("knowledge_tokens", pa.array([12.5, -1.0, 7.0, None])),
        ("knowledge_tokens", pa.array([-1, 1 << 50, 7, None])),
        ("knowledge_tokens", pa.array(["7", None])),
    ]
    for name, column in columns:
        assert name not in advisor("1.0.0").policy.positions
        rows = pa.RecordBatch.from_arrays([column], names=[name])
        assert scored(rows, "1.0.0") == [answer(row, "1.0.0") for row in rows.to_pylist()], column


def test_faults_of_costs_and_odd_types_are_errors_of_their_rows() -> None:
    rows = pa.RecordBatch.from_pydict(
        {
            "knowledge_need": ["none"] * 5,
            "costs.model": ["m" * 201, "gpt-4o", None, "m" * 200, None],
            "costs.epochs": [1, 1.5, -1, 2, None],
            "labeled_examples": pa.array([Decimal("1.00"), Decimal("1.50"), None, Decimal("2.00"), Decimal("-1.00")]),
        }
    )
    said = [row["error"] for row in scored(rows)]
    assert [text.split(":")[0] if text else None for text in said] == [
        "/costs/model",
        "/costs/epochs",
        "/costs/epochs",
        None,
        "/labeled_examples",
    ]
    assert (
        said[1]
        == "/costs/epochs: expected a whole number, got 1.5; /labeled_examples: expected a whole number, got 1.5"
    )
    odd = pa.RecordBatch.from_pydict({"costs": ["{}", None], "primary_goal": pa.array([[1], None])})
    assert [row["error"] for row in scored(odd)] == [
        "/costs: expected an object, got a string; /primary_goal: expected one of "
        + ", ".join((*VOCABULARY["primary_goal"].choices[:-1], "fewer_hallucinations, got an array")),
        None,
    ]


def test_other_columns_and_the_schema_are_kept() -> None:
    rows = batch(3, 1).append_column("id", pa.array([1, 2, 3])).append_column("team", pa.array(["a", "b", None]))
    rows = rows.replace_schema_metadata({"made": "here"})
    scorer = Scorer(Renderer(advisor()))
    found = scorer.score(rows)
    assert found.schema.equals(scorer.schema(rows.schema), check_metadata=True)
    assert found.schema.metadata == {b"made": b"here"}
    assert found.select(rows.schema.names).equals(rows)
    assert found.schema.names == [*rows.schema.names, *DEFAULT_COLUMNS]
    found.validate(full=True)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["team"], "no column is a field of a profile"),
        (["examples"], "did you mean `labeled_examples`?"),
        (["label_examples"], "column `label_examples` looks like `labeled_examples`: rename it"),
        (["requests_per_dya", "knowledge_need"], "column `requests_per_dya` looks like `requests_per_day`: rename it"),
        (["Requests per day", "knowledge_need"], "column `Requests per day` looks like `requests_per_day`: rename it"),
        (["knowledge_need", "cost.engineering"], "looks like `costs.engineering`: rename it"),
        (["primary_goal", "primary_goal"], "more than one column of this name"),
        (["primary_goal", "strategy"], "rename it, or name other columns to add"),
        (["costs.modle"], "did you mean `model`?"),
        (["costs", "costs.model"], "keep one of the two"),
        ([], "no column is a field of a profile"),
    ],
)
def test_what_is_wrong_with_all_rows_is_said_at_once(names: list[str], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says.replace("?", r"\?")):
        Scorer(advisor()).schema(pa.schema([(name, pa.string()) for name in names]))


def test_columns_that_trivium_adds_are_no_misspelt_fields() -> None:
    added = [*OUTPUTS, *impact.COLUMNS, "index", "id", "ID", "summary"]
    assert [*profile_columns(pa.schema([(name, pa.string()) for name in ["knowledge_need", *added]]))] == [
        "knowledge_need"
    ]


def test_of_many_misspelt_names_the_first_are_named() -> None:
    names = [f"labeled_exampels{number}" for number in range(50)]
    with pytest.raises(InvalidInputError) as raised:
        profile_columns(pa.schema([(name, pa.string()) for name in ["x" * 5000, *names]]))
    assert len(raised.value.errors) == MOST_MISSPELT


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(5, 2)])
def test_flags_may_be_one_and_zero(kind: Any) -> None:
    numbers = pa.array([1, 0, None, 2, 1], kind)
    for flags in (numbers, numbers.dictionary_encode()):
        rows = pa.RecordBatch.from_arrays(
            [flags, pa.array([None, None, None, None, "m"])], names=["citations_required", "costs.model"]
        )
        found = Scorer(advisor(), ("strategy", "decision_id", "error")).score(rows).to_pylist()
        for row, flag in zip(found, (True, False, None), strict=False):
            made = trivium.recommend({"citations_required": flag})
            assert (row["strategy"], row["decision_id"], row["error"]) == (made.strategy, made.decision_id, None)
        assert "/citations_required: expected true or false" in found[3]["error"]
        assert found[4]["error"] is None


def test_columns_to_add_are_known_and_named_once() -> None:
    with pytest.raises(InvalidInputError, match=r"give a list of names, such as \['strategy'\]"):
        Scorer(advisor(), "strategy")
    with pytest.raises(InvalidInputError, match="did you mean `strategy`"):
        Scorer(advisor(), ["stratgy"])
    with pytest.raises(InvalidInputError, match="`strategy` is named twice"):
        Scorer(advisor(), ["strategy", "strategy"])
    assert Scorer(advisor(), ()).score(batch(2, 1)).equals(batch(2, 1))
