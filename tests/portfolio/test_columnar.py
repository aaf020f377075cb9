"""Parquet and Feather files get, as record batches, the answers, errors and counts that they get row by row."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from cli.conftest import COMMAND, Invoke, environment, run_without
from portfolios import advisor, batch
from trivium.portfolio import columnar
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.arrow_input import BatchFile
from trivium.portfolio.job import Job, Outputs, Reading, source_of
from trivium.portfolio.ranking import MOST_RANKED, Ranking
from trivium.portfolio.rows import OUTPUTS, RowScorer
from trivium.portfolio.summary import Summary
from trivium.profile import make_profile


pytest_plugins = ["cli.conftest"]

Fields = dict[str, Any]

COSTS = pa.struct([("model", pa.string()), ("output_tokens", pa.float64()), ("engineering", pa.float64())])


def portfolio(count: int, seed: int = 1) -> Any:
    """Draw a table of projects with ids and costs, some of them wrong."""
    chance = random.Random(seed)  # noqa: S311 - test data
    rows = batch(count, seed)
    numbers = [chance.choice((0, 40, 600, None, 20_000)) for _ in range(count)]
    flags = [chance.choice((0, 1, None, None, 2 if chance.random() < 0.05 else 1)) for _ in range(count)]
    costs = [
        chance.choice((None, {"model": chance.choice(("gpt-4o", "none such", "", "m" * 201)), "output_tokens": 50.0}))
        for _ in range(count)
    ]
    for name, column in (("labeled_examples", pa.array(numbers)), ("can_label_more", pa.array(flags))):
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    goals = ["Cost", "fewer hallucinations", "?", "fame", None, "quality "]
    rows = rows.set_column(
        rows.schema.get_field_index("primary_goal"), "Primary goal", pa.array(chance.choices(goals, k=count))
    )
    names = [f" {chance.choice('abc')}{number}" if number % 50 else "x" * 201 for number in range(count)]
    return pa.Table.from_batches(
        [rows.append_column("id", pa.array(names)).append_column("costs", pa.array(costs, COSTS))]
    )


def texts(table: Any) -> Any:
    """Return a table of text, as people would write it."""
    columns = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if pa.types.is_struct(column.type):
            columns[name] = column
        elif pa.types.is_boolean(column.type):
            columns[name] = pa.array([None if one is None else ("yes" if one else "No") for one in column.to_pylist()])
        elif pa.types.is_integer(column.type):
            spelled = {5000: "5k", 20_000: "20,000.0", 12: "1,200", None: "n/a"}
            columns[name] = pa.array([spelled.get(one, str(one)) for one in column.to_pylist()])
        else:
            columns[name] = column
    return pa.table(columns)


def odd(table: Any) -> Any:
    """Return a table with types that files seldom have."""
    as_is = {"id": pa.string_view(), "primary_goal": pa.large_string(), "knowledge_tokens": pa.decimal128(30, 2)}
    columns = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        kind = as_is.get(name)
        if kind is not None:
            columns[name] = column.cast(kind)
        elif name in {"prompt_maturity", "prompt_tokens"}:
            columns[name] = column.combine_chunks().dictionary_encode()
        elif name == "has_evaluation_set":
            columns[name] = column.cast(pa.int8()).cast(pa.float32())
        elif name == "requests_per_day":
            columns[name] = column.cast(pa.timestamp("s")).cast(pa.date64(), safe=False)
        elif name == "citations_required":
            columns[name] = pa.array([None if one is None else [one] for one in column.to_pylist()])
        elif name == "model_size":
            columns[name] = column.cast(pa.binary())
        else:
            columns[name] = column
    return pa.table(columns)


def write(table: Any, path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=170)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path, chunksize=170)
    else:
        with pa.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table, 170)
    return path


def kind_of(path: Path) -> str:
    return "parquet" if path.suffix == ".parquet" else "feather"


def job_of(path: Path, columns: Any = OUTPUTS, version: str = "3.0.0") -> Job:
    return Job([source_of(path, kind_of(path))], RowScorer(advisor(version), columns), Reading())


def rejects(path: Path) -> list[Fields]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows_of(path: Path) -> list[Fields]:
    found: list[Fields] = pq.read_table(path).to_pylist()
    return found


def ranked(ranking: Ranking) -> list[Any]:
    return [(one.key, one.name, one.number, one.profile) for one in ranking.first()]


@pytest.mark.parametrize("change", [lambda table: table, texts, odd], ids=["typed", "texts", "odd"])
@pytest.mark.parametrize(
    "name",
    ["in.parquet", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("in.feather", "in.arrow"))],
)
def test_record_batches_say_what_rows_say(tmp_path: Path, name: str, change: Callable[[Any], Any]) -> None:
    job = job_of(write(change(portfolio(400)), tmp_path / name))
    by_batch = columnar.run(job, Outputs(tmp_path / "a.parquet", "parquet", tmp_path / "a.csv"), ranked=True)
    by_row = job.run(Outputs(tmp_path / "b.ndjson", "ndjson", tmp_path / "b.csv"))
    assert by_batch.summary == by_row.summary
    assert by_batch.rejects == by_row.rejects
    assert by_row.summary.rejected
    assert rejects(tmp_path / "a.csv") == rejects(tmp_path / "b.csv")
    assert ranked(by_batch.ranking) == ranked(by_row.ranking)
    lines = [json.loads(line) for line in (tmp_path / "b.ndjson").read_text("utf-8").splitlines()]
    found = pq.read_table(tmp_path / "a.parquet")
    assert found.select(OUTPUTS).to_pylist() == [{name: line[name] for name in OUTPUTS} for line in lines]
    assert found.drop_columns(OUTPUTS).schema.names == job.names


def test_a_table_is_scored_alike_in_every_format(invoke: Invoke, tmp_path: Path) -> None:
    table = texts(portfolio(300)).flatten()
    write(table, tmp_path / "in.parquet")
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, table.schema.names)
        written.writeheader()
        written.writerows(table.to_pylist())
    said = []
    for source in ("in.csv", "in.parquet"):
        for target in ("out.csv", "out.parquet", "out.feather"):
            out = tmp_path / f"{source}.{target}"
            done = invoke("score", str(tmp_path / source), "-o", str(out))
            assert done.exit_code == 0, done.stderr
            if out.suffix == ".csv":
                rows = rejects(out)
                answers = [(row["strategy"], row["codes"], row["error"], row["id"].strip("'")) for row in rows]
            else:
                rows = (pq if out.suffix == ".parquet" else pyarrow.feather).read_table(out).to_pylist()
                answers = [
                    (row["strategy"] or "", ";".join(row["codes"] or ()), row["error"] or "", row["id"]) for row in rows
                ]
            summary = json.loads(done.stdout)
            wrong = rejects(Path(summary.pop("rejects")))
            before = 1 if source == "in.csv" else 0  # the row of names
            refused = [(int(one["row"]) - before, one["column"], one["value"], one["reason"]) for one in wrong]
            said.append((answers, {**summary, "output": ""}, refused))
    assert said[0][2]
    assert [one for one in said if one != said[0]] == []


def test_columns_keep_their_types_and_ids_have_no_dictionary(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([f"p{number}" for number in range(30_000)], pa.large_string()),
            "team": ["a", "b", "c"] * 10_000,
            "since": pa.array([0] * 30_000, pa.timestamp("us", "UTC")),
            "tags": [["x", "y"]] * 30_000,
            "group": pa.array(["a", "b", "c"] * 10_000).dictionary_encode(),
            "labeled_examples": pa.array([7] * 30_000, pa.uint16()),
        }
    ).replace_schema_metadata({"made": "here"})
    source = write(table, tmp_path / "in.parquet")
    columnar.run(job_of(source, ("strategy", "codes")), Outputs(tmp_path / "out.parquet", "parquet"))
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(table.schema.names).equals(table.cast(found.schema.remove(7).remove(6)))
    assert found.schema.metadata == {b"made": b"here"}
    types = dict(zip(found.schema.names, found.schema.types, strict=True))
    assert (types["since"], types["labeled_examples"]) == (pa.timestamp("us", "UTC"), pa.uint16())
    assert types["strategy"] == pa.dictionary(pa.int8(), pa.string())
    stored = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    indexed = {stored.column(at).path_in_schema: stored.column(at).has_dictionary_page for at in range(8)}
    assert (indexed["id"], indexed["team"], indexed["strategy"]) == (False, True, True)
    columnar.run(job_of(source, ("strategy",)), Outputs(tmp_path / "out.feather", "feather"))
    assert pyarrow.feather.read_table(tmp_path / "out.feather")["group"].to_pylist() == table["group"].to_pylist()


def test_several_files_make_one_output(invoke: Invoke, tmp_path: Path) -> None:
    whole = portfolio(300)
    write(whole.slice(0, 100), tmp_path / "a.parquet")
    write(whole.slice(100, 100).append_column("owner", pa.array(["Ann"] * 100)), tmp_path / "b.feather")
    narrow = whole.slice(200).set_column(0, "requests_per_day", pa.array([5.5] * 100))
    write(narrow.drop_columns(["id"]), tmp_path / "c.parquet")
    done = invoke("score", str(tmp_path), "-o", str(tmp_path / "out.parquet"), "--rejects", str(tmp_path / "r.csv"))
    assert done.exit_code == 0, done.stderr
    rows = rows_of(tmp_path / "out.parquet")
    assert [row["owner"] for row in rows] == [None] * 100 + ["Ann"] * 100 + [None] * 100
    assert [row["id"] for row in rows] == [*whole["id"].to_pylist()[:200], *[None] * 100]
    assert [row["requests_per_day"] for row in rows[200:]] == [5.5] * 100
    files = {Path(one["file"]).name: int(one["row"]) for one in rejects(tmp_path / "r.csv")}
    assert set(files) <= {"a.parquet", "b.feather", "c.parquet"}
    assert max(files.values()) <= 100
    (tmp_path / "d.csv").write_text("id,primary_goal\nx,cost\n", "utf-8")
    mixed = [str(tmp_path / name) for name in ("a.parquet", "d.csv")]
    assert invoke("score", *mixed, "-o", str(tmp_path / "mixed.feather")).exit_code == 0
    last = pyarrow.feather.read_table(tmp_path / "mixed.feather").to_pylist()[-1]
    assert (last["id"], last["Primary goal"], last["primary_goal"]) == ("x", None, "cost")


def test_parts_add_up_to_the_whole(tmp_path: Path) -> None:
    source = source_of(write(portfolio(500), tmp_path / "in.parquet"), "parquet")
    scorer = Scorer(advisor())
    whole = columnar.score_file(source, Outputs(tmp_path / "whole.parquet", "parquet", tmp_path / "whole.csv"), scorer)
    summary, rows, wrong = Summary.of(advisor().policy.strategies), [], []
    with source.open() as file:
        groups = BatchFile(file, source.name, source.kind).groups
    assert groups == 3
    for group in range(groups):
        out = Outputs(tmp_path / f"{group}.parquet", "parquet", tmp_path / f"{group}.csv")
        part = columnar.score_file(source, out, scorer, groups=[group], metadata={"run": "7"})
        summary.merge(msgspec.msgpack.decode(msgspec.msgpack.encode(part.summary), type=Summary))
        rows += rows_of(tmp_path / f"{group}.parquet")
        wrong += rejects(tmp_path / f"{group}.csv")
        assert pq.read_schema(tmp_path / f"{group}.parquet").metadata[b"run"] == b"7"
    assert summary == whole.summary
    assert rows == rows_of(tmp_path / "whole.parquet")
    assert wrong == rejects(tmp_path / "whole.csv")


def priced(count: int, seed: int) -> Any:
    """Draw projects of which many pay back after the same time, or after one that doubles cannot tell."""
    chance = np.random.default_rng(seed)
    volumes = chance.choice([0, 1, 10, 1000, 1000, 20_000], count)
    saving = chance.choice([0.0, 3.0, 10.0, 10.0, 30.0, 1e6], count)
    costs = pa.StructArray.from_arrays(
        [
            pa.array(np.full(count, 100.0)),
            pa.array(np.zeros(count)),
            pa.array(saving),
            pa.array(np.zeros(count)),
            pa.array(chance.choice([30.0, 90.0, 1000.0, 1e5], count)),
            pa.array(np.full(count, 0.0), mask=chance.random(count) < 0.2),
        ],
        ["variable_input_tokens", "output_tokens", "input_price", "output_price", "engineering", "price_multiplier"],
    )
    columns = {"requests_per_day": volumes, "costs": costs, "prompt_tokens": np.full(count, 1000), "examples": volumes}
    return pa.table(columns)


@pytest.mark.parametrize("draw", [priced, portfolio, lambda count, _: pa.table({"primary_goal": ["cost"] * count})])
def test_the_first_projects_are_those_of_the_row_path(tmp_path: Path, draw: Callable[[int, int], Any]) -> None:
    count = MOST_RANKED * 2 + 400
    source = write(draw(count, 3), tmp_path / "in.parquet")
    job = job_of(source, ("strategy",))
    found, wanted = columnar.run(job, Outputs(), ranked=True).ranking, job.run(Outputs()).ranking
    assert (found.seen, ranked(found)) == (wanted.seen, ranked(wanted))
    assert len(found.kept) == MOST_RANKED
    halves = Ranking()
    for groups in ([0, 1, 2, 3, 4], range(5, -(-count // 170))):
        halves.merge(columnar.run(job, Outputs(), groups=list(groups), ranked=True).ranking)
    assert [one[1:] for one in ranked(halves)] == [one[1:] for one in ranked(wanted)]


def test_a_report_of_parquet_is_that_of_rows(invoke: Invoke, tmp_path: Path) -> None:
    write(portfolio(200), tmp_path / "in.parquet")
    for name, out in (("columns", "out.parquet"), ("rows", "out.csv")):
        paths = ("--report", str(tmp_path / f"{name}.html"), "--markdown", str(tmp_path / f"{name}.md"))
        assert invoke("score", str(tmp_path / "in.parquet"), "-o", str(tmp_path / out), *paths).exit_code == 0
    for suffix in ("html", "md"):
        assert (tmp_path / f"columns.{suffix}").read_text("utf-8") == (tmp_path / f"rows.{suffix}").read_text("utf-8")


def test_options_hold_for_columns_too(invoke: Invoke, tmp_path: Path) -> None:
    write(pa.table({"Labels": ["1.000", "7"], "Goal": ["cost", "x"], "strategy": ["a", "b"]}), tmp_path / "in.parquet")
    source, out = str(tmp_path / "in.parquet"), str(tmp_path / "out.pq")
    options = ("--map", "labels=labeled_examples", "--map", "Goal=primary_goal", "--decimal", ",", "--prefix", "new ")
    shown = json.loads(invoke("score", source, *options, "--dry-run").stdout)
    assert [one["field"] for one in shown["columns"]] == ["labeled_examples", "primary_goal", None]
    done = invoke("score", source, "-o", out, *options, "--columns", "strategy,error", "--fail-on", "rejected")
    assert (done.exit_code, "1 row is rejected" in done.stderr) == (1, True)
    first, second = rows_of(Path(out))
    assert (first["Labels"], first["strategy"], first["new error"]) == ("1.000", "a", None)
    assert (second["new strategy"], second["new error"][:20]) == (None, "Goal: unknown value;")
    assert invoke("score", source, *options).exit_code == 0  # counted only
    piped = invoke("score", source, "-o", "-", *options)
    assert piped.stdout.startswith("Labels,Goal,strategy,new strategy")
    refused = invoke("score", source, "-o", out, "--resume", *options)
    assert (refused.exit_code, "run it again without --resume" in refused.stderr) == (2, True)


def test_standard_streams_can_be_columnar(tmp_path: Path) -> None:
    source = write(portfolio(50), tmp_path / "in.feather")
    for kind in ("parquet", "feather"):
        command = [*COMMAND, "score", "-", "-o", "-", "--write", kind, "--columns", "strategy"]
        with source.open("rb") as file:
            done = subprocess.run(command, stdin=file, capture_output=True, env=environment(), check=True)
        (tmp_path / "out").write_bytes(done.stdout)
        assert (pq if kind == "parquet" else pyarrow.feather).read_table(tmp_path / "out").num_rows == 50
        source = tmp_path / "out"
        source.write_bytes(write(portfolio(50), tmp_path / "in.parquet").read_bytes())


def test_impact_reads_and_writes_parquet(invoke: Invoke, tmp_path: Path) -> None:
    source = write(portfolio(200), tmp_path / "in.parquet")
    done = invoke("impact", str(source), "--from", "1.0.0", "--to", "3.0.0", "-o", str(tmp_path / "out.parquet"))
    assert done.exit_code == 0, done.stderr
    rows = rows_of(tmp_path / "out.parquet")
    assert len(rows) == 200
    assert sum(bool(row["changed"]) for row in rows) == json.loads(done.stdout)["changed"] > 0
    assert pq.read_schema(tmp_path / "out.parquet").field("requests_per_day").type == pa.int64()


def test_a_stopped_run_leaves_nothing(tmp_path: Path) -> None:
    source = write(pa.concat_tables([portfolio(2000)] * 20), tmp_path / "in.parquet")
    (tmp_path / "out.parquet").write_text("before", "utf-8")
    command = [*COMMAND, "score", str(source), "-o", str(tmp_path / "out.parquet")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        rejects = tmp_path / ".out.rejects.csv.part"
        while process.poll() is None and not (rejects.exists() and rejects.stat().st_size):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    if process.returncode:
        assert said.endswith("Stopped\n")
        assert (tmp_path / "out.parquet").read_text("utf-8") == "before"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "arguments", [("in.parquet",), ("in.feather", "-o", "out.csv"), ("in.csv", "-o", "out.parquet")]
)
def test_without_the_extra_the_error_names_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write(portfolio(2), tmp_path / "in.parquet")
    write(portfolio(2), tmp_path / "in.feather")
    (tmp_path / "in.csv").write_text("id\n1\n", "utf-8")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run_without(["pyarrow", "numpy"], ["score", *arguments], tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("pip install '.[arrow]'\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


PEAK = """
import re, sys
from pathlib import Path
from portfolios import advisor
from trivium.portfolio import columnar
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.job import Outputs, source_of
state = columnar.score_file(
    source_of(Path(sys.argv[1]), "parquet"), Outputs(Path(sys.argv[2]), "parquet"), Scorer(advisor("2.0.0"))
)
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(state.summary.projects, int(peak) // 1024)
"""


@pytest.mark.exhaustive
def test_a_million_rows_take_constant_memory_and_are_scored_as_rows_are(tmp_path: Path) -> None:
    peaks = []
    for count in (1 << 18, 1 << 20):
        source = tmp_path / "in.parquet"
        writer = None
        with pa.OSFile(str(source), "wb") as sink:
            for start in range(0, count, 1 << 17):
                rows = batch(1 << 17, start + 9)
                rows = rows.append_column("id", pa.array([f"project-{start + at}" for at in range(1 << 17)]))
                writer = writer or pq.ParquetWriter(sink, rows.schema)
                writer.write_batch(rows)
            assert writer is not None
            writer.close()
        command = [sys.executable, "-c", PEAK, str(source), str(tmp_path / "out.parquet")]
        path = {"PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(command, capture_output=True, text=True, env=environment(**path), check=True)
        projects, peak = map(int, done.stdout.split())
        assert projects == count
        peaks.append(peak)
    assert peaks[1] < 400
    assert peaks[1] - peaks[0] < 60
    scorer = RowScorer(advisor("2.0.0"))
    found = pq.ParquetFile(tmp_path / "out.parquet")
    assert found.metadata.num_rows == 1 << 20
    for group in range(0, found.num_row_groups, 3):
        rows = found.read_row_group(group).slice(1000, 400).to_pylist()
        for row in rows:
            profile = make_profile({name: value for name, value in row.items() if name not in scorer.columns})
            assert {name: row[name] for name in scorer.columns} == dict(
                zip(scorer.columns, scorer.score(profile).values, strict=True)
            )
    found.close()
