"""Whole columns of profiles, beside when/then in Polars and CASE in DuckDB generated from the same tables, on one core.

`python -m benchmarks.columns` prints the rows as JSON; `rows` runs it in a process of its own, because the number of
threads of Polars is set before it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks import NEWEST
from benchmarks.rows import Race, Row, at_least
from trivium import Advisor, catalog
from trivium.policy import Policy
from trivium.policy.engine.tables import Condition
from trivium.portfolio.arrow import FIGURES, Scorer
from trivium.portfolio.kernel import CHUNK, Kernel
from trivium.portfolio.profiles import ProfileReader
from trivium.portfolio.rows import DEFAULT_COLUMNS
from trivium.profile import PAYBACK, VOCABULARY, make_profile


VERSION = "2.0.0"
"""The policy of which the rivals have the tables."""

COUNT = 1 << 20
FEW = 2000
ROUNDS = 5
UNKNOWN = 0.3
EVERYTHING = (
    *DEFAULT_COLUMNS,
    *("reachable", "because", "margin", "nearest_path", "nearest_risk", "decision_id", "payback"),
    *FIGURES,
)


def rows() -> Iterator[Row]:
    """Measure, in a process whose libraries have one thread."""
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.columns"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603 - our own command
    yield from msgspec.json.decode(done.stdout, type=list[Row])


def measured() -> Iterator[Row]:
    """Measure in this process."""
    advisor = catalog.shipped().advisor(VERSION)
    table = pa.Table.from_batches([drawn(COUNT, seed=1)])
    ours, polars, duck = contestants(advisor, table)
    texts = pa.table(
        {name: column.cast(_plain(column.type)) for name, column in zip(table.schema.names, table.columns, strict=True)}
    )
    scorer = Scorer(advisor)
    race = Race(
        {
            "ours": (ours, [table]),
            "polars": (polars, [table]),
            "duckdb": (duck, [table]),
            "default": (_scoring(scorer), [table]),
            "texts": (_scoring(scorer), [texts]),
            "costs": (_scoring(scorer), [priced(table)]),
            "newest": (_scoring(Scorer(catalog.shipped().advisor(NEWEST))), [table]),
        },
        ROUNDS,
    )

    def speed(name: str) -> str:
        return f"{COUNT / race.microseconds(name):.3g} M rows/s"

    yield Row("columns of profiles on one core, three of ten inputs unknown", f"policy {VERSION}, {COUNT:,} rows")
    told = f"{speed('ours')}, with exact status"
    what = "  strategy and fired rules vs"
    yield at_least(
        f"{what} when/then of Polars", race.ratio("polars", "ours"), 1.3, f"{told}; Polars {speed('polars')}"
    )
    yield at_least(f"{what} CASE of DuckDB", race.ratio("duckdb", "ours"), 6, f"{told}; DuckDB {speed('duckdb')}")
    quick = COUNT / race.microseconds("default")
    yield Row("  the default columns of `trivium.score`", speed("default"), "at least 1 M rows/s", quick >= 1)
    yield Row("  the same from text instead of dictionaries", speed("texts"))
    yield Row("  the same with costs in every row", speed("costs"))
    yield Row(f"  the default columns by policy {NEWEST}", speed("newest"))
    yield every_column(advisor)


def every_column(advisor: Advisor) -> Row:
    """Compare all columns with whole recommendations, of rows that were never seen by an engine that is warm."""
    Scorer(advisor, ["margin"]).score(drawn(5 * FEW, seed=4))
    batch, record = drawn(FEW, seed=2), Scorer(advisor, EVERYTHING).score
    record(batch.slice(0, 1))
    one = Race({"columns": (record, [batch]), "rows": (lambda rows: _by_row(advisor, rows), [batch])}, 1)
    microseconds = one.microseconds("columns") / FEW, one.microseconds("rows") / FEW
    detail = f"{microseconds[0]:.0f} us a row; {microseconds[1]:.0f} us"
    return at_least("  every column vs one recommendation a row", one.ratio("rows", "columns"), 3, detail)


def _by_row(advisor: Advisor, batch: Any) -> None:
    for row in batch.to_pylist():
        advisor.recommend(make_profile(row))


def drawn(count: int, seed: int) -> Any:
    """Draw a record batch of profiles: words as dictionaries, numbers over all orders of magnitude.

    Words are those that the rivals' tables have; what later policies added, earlier ones read as something else.
    """
    random = np.random.default_rng(seed)
    inputs = catalog.shipped().advisor(VERSION).policy.document.inputs
    columns = {}
    for name, field in VOCABULARY.items():
        if name == PAYBACK:
            continue
        missing = random.random(count) < UNKNOWN
        if field.kind == "choice":
            words = list(inputs[name].api_values.values()) if name in inputs else field.choices
            chosen = pa.array(random.integers(0, len(words), count).astype(np.int8), mask=missing)
            columns[name] = pa.DictionaryArray.from_arrays(chosen, pa.array(words))
        elif field.kind == "flag":
            columns[name] = pa.array(random.random(count) < 0.5, mask=missing)  # noqa: PLR2004 - one half
        else:
            columns[name] = pa.array(np.rint(10 ** random.uniform(0, 7, count)).astype(np.int64), mask=missing)
    return pa.RecordBatch.from_pydict(columns)


def priced(table: Any) -> Any:
    """Add costs to every row."""
    random = np.random.default_rng(3)
    models = pa.array(["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"])
    for name, most in (("variable_input_tokens", 3000), ("output_tokens", 900), ("engineering", 20_000)):
        table = table.append_column(f"costs.{name}", pa.array(random.integers(0, most, len(table))))
    chosen = pa.array(random.integers(0, len(models), len(table)).astype(np.int8))
    return table.append_column("costs.model", pa.DictionaryArray.from_arrays(chosen, models))


def _plain(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _scoring(scorer: Scorer) -> Callable[[Any], None]:
    def score(table: Any) -> None:
        for batch in table.to_batches(max_chunksize=2 * CHUNK):
            scorer.score(batch)

    return score


def decider(advisor: Advisor) -> Callable[[Any], list[Any]]:
    """Return what reads a table and gives strategies, fired rules and statuses."""
    reader, kernel = ProfileReader(advisor), Kernel(advisor.policy)

    def decide(table: Any) -> list[Any]:
        parts = []
        for batch in table.to_batches(max_chunksize=CHUNK):
            decided = kernel.decide(reader.read(batch).codes)
            parts.append((decided.strategy, *kernel.fired(decided), kernel.several(decided.reachable)))
        return [np.concatenate(columns) for columns in zip(*parts, strict=True)]

    return decide


def by_polars(policy: Policy, table: Any) -> Callable[[Any], Any]:
    """Return what gives the fired rule of every table by when/then."""
    frame = pl.DataFrame(table)

    def term(position: int, labels: frozenset[int]) -> pl.Expr:
        if position >= len(policy.inputs):
            rules = policy.tables[position - len(policy.inputs)].rules
            return pl.col(policy.variables[position].name).is_in(
                [one.position for one in rules if one.outcome in labels]
            )
        field = policy.inputs[position]
        column = pl.col(field.name)
        if field.name == PAYBACK:
            return pl.lit(field.assumed in labels)
        if field.cuts is None:
            words = [field.values[band] for band in labels if band in field.stated]
            found = pl.any_horizontal([column == word for word in words]) if words else pl.lit(value=False)
        else:
            found = pl.any_horizontal([_between(column, field.lowest(band), field.limit(band)) for band in labels])
        return (found | column.is_null()) if field.assumed in labels else found.fill_null(value=False)

    def condition(terms: Condition) -> pl.Expr:
        return pl.all_horizontal([term(*one) for one in terms])

    lazy = frame.lazy()
    for one in policy.tables:
        chain: Any = pl
        for rule in one.rules[:-1]:
            chain = chain.when(condition(rule.condition)).then(pl.lit(rule.position, pl.UInt8))
        lazy = lazy.with_columns(chain.otherwise(pl.lit(one.rules[-1].position, pl.UInt8)).alias(one.name))
    strategies = [policy.strategies.index(policy.tables[-1].outcomes[rule.outcome]) for rule in policy.tables[-1].rules]
    strategy = pl.col(policy.tables[-1].name).replace_strict(range(len(strategies)), strategies, return_dtype=pl.UInt8)
    plan = lazy.select(strategy.alias("_strategy"), *(one.name for one in policy.tables))
    return lambda _: plan.collect()


def _between(column: pl.Expr, lowest: float | None, limit: float | None) -> pl.Expr:
    found = pl.lit(value=True) if lowest is None else column >= lowest
    return found if limit is None else found & (column < limit)


def by_duckdb(policy: Policy, table: Any) -> Callable[[Any], Any]:
    """Return what gives the fired rule of every table by CASE."""
    connection = duckdb.connect(config={"threads": 1})
    connection.register("arrow", table)
    connection.execute("CREATE TABLE profiles AS SELECT * FROM arrow")

    def term(position: int, labels: frozenset[int]) -> str:
        if position >= len(policy.inputs):
            rules = policy.tables[position - len(policy.inputs)].rules
            among = ", ".join(str(one.position) for one in rules if one.outcome in labels)
            return f'"{policy.variables[position].name}" IN ({among})'
        field = policy.inputs[position]
        if field.name == PAYBACK:
            return str(field.assumed in labels)
        name = f'"{field.name}"'
        if field.cuts is None:
            words = ", ".join(f"'{field.values[band]}'" for band in sorted(labels) if band in field.stated)
            found = f"{name} IN ({words})" if words else "false"
        else:
            found = " OR ".join(f"({within(name, field.lowest(band), field.limit(band))})" for band in sorted(labels))
        return f"({found} OR {name} IS NULL)" if field.assumed in labels else f"({found})"

    def within(name: str, lowest: float | None, limit: float | None) -> str:
        least = "true" if lowest is None else f"{name} >= {lowest}"
        return least if limit is None else f"{least} AND {name} < {limit}"

    query = "profiles"
    for one in policy.tables:
        whens = " ".join(
            f"WHEN {' AND '.join(term(*part) for part in rule.condition)} THEN {rule.position}"
            for rule in one.rules[:-1]
        )
        case = f"CASE {whens} ELSE {one.rules[-1].position} END" if whens else str(one.rules[-1].position)
        query = f'(SELECT *, ({case})::UTINYINT AS "{one.name}" FROM {query})'  # noqa: S608 - of our own policy
    outcomes = policy.tables[-1].outcomes
    strategies = " ".join(
        f"WHEN {rule.position} THEN {policy.strategies.index(outcomes[rule.outcome])}"
        for rule in policy.tables[-1].rules
    )
    names = ", ".join(f'"{one.name}"' for one in policy.tables)
    strategy = f'(CASE "{policy.tables[-1].name}" {strategies} END)::UTINYINT AS _strategy'
    text = f"SELECT {strategy}, {names} FROM {query}"  # noqa: S608 - of our own policy
    return lambda _: connection.sql(text).to_arrow_table()


def contestants(advisor: Advisor, table: Any) -> tuple[Callable[[Any], Any], ...]:
    """Return Trivium, Polars and DuckDB, which agree in every row of a table.

    Raises:
        AssertionError: they do not.
    """
    ours, polars, duck = decider(advisor), by_polars(advisor.policy, table), by_duckdb(advisor.policy, table)
    agree(ours(table), polars(None), duck(None))
    return ours, polars, duck


def agree(ours: list[Any], polars: Any, duck: Any) -> None:
    """Check that all say the same of every row."""
    for at, mine in enumerate(ours[:-1]):
        for rival, column in (("Polars", polars.to_series(at).to_numpy()), ("DuckDB", duck.column(at).to_numpy())):
            if not np.array_equal(mine, column):
                row = int(np.flatnonzero(mine != column)[0])
                raise AssertionError(f"column {at}, row {row}: Trivium says {mine[row]}, {rival} {column[row]}")


if __name__ == "__main__":
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    sys.stdout.buffer.write(msgspec.json.encode(list(measured())))
