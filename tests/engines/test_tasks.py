"""A portfolio is divided into tasks; whatever happens to attempts at them, each output is there whole, and once."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import trivium
from engines import inputs
from trivium import catalog
from trivium.portfolio import columnar
from trivium.portfolio.engines.attempt import attempt, attempt_path, attempt_target
from trivium.portfolio.engines.gather import check_apart, join_rejects, ranking_of
from trivium.portfolio.engines.plan import TOTALS, Outcome, RunSpec, Task, find_inputs, finished, make_tasks
from trivium.portfolio.engines.run import Result, score_tasks
from trivium.portfolio.engines.spec import ScorerSpec, WorkerError, load_scorer, scored_batches
from trivium.portfolio.files import COLUMNAR, READERS, FileError
from trivium.portfolio.job import Job, Outputs, Reading, Source, State, source_of
from trivium.portfolio.paths import format_of, found_files
from trivium.portfolio.report import report_of
from trivium.portfolio.report_formats import html
from trivium.portfolio.rows import DEFAULT_COLUMNS, RowScorer


RUN = RunSpec(ScorerSpec.find(inputs.VERSION), Reading())
RANKED = msgspec.structs.replace(RUN, ranked=True)


def in_turn(run: RunSpec, tasks: Sequence[Task]) -> Iterator[Outcome]:
    return map(partial(attempt, run), tasks)


def no_engine(run: RunSpec, tasks: Sequence[Task]) -> Iterator[Outcome]:
    raise AssertionError(f"{run} has nothing left to do, but for {tasks}")


def tasks_of(source: Path, output: Path, run: RunSpec = RUN, limit: int = 1 << 30) -> list[Task]:
    places = find_inputs([str(source)], output)
    return make_tasks([(opened(path), place) for path, place in places.items()], output, run, limit)


def opened(path: Path) -> Source:
    return source_of(path, format_of(path, READERS))


def score(source: Path, output: Path, run: RunSpec = RUN) -> Result:
    return score_tasks(run, tasks_of(source, output, run), output, in_turn)


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    inputs.write(tmp_path / "in", 3, 200)
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_every_output_is_what_one_process_makes_of_its_input(source: Path, output: Path, tmp_path: Path) -> None:
    result = score(source, output)
    expected = [
        inputs.assert_same(output / path.name, path, tmp_path, DEFAULT_COLUMNS) for path in sorted(source.iterdir())
    ]
    assert (result.tasks, result.skipped, result.failed) == (3, 0, [])
    assert result.summary.projects == sum(one.projects for one in expected) == 591
    assert result.summary.rejected == sum(one.rejected for one in expected) == 9
    shown = msgspec.json.decode((output / TOTALS).read_bytes())
    assert (shown["projects"], shown["rejected"]) == (591, 9)


def test_a_large_file_is_split_between_row_groups(tmp_path: Path, output: Path) -> None:
    inputs.write(tmp_path / "in", 1, 1000, group=100)
    (path,) = (tmp_path / "in").iterdir()
    group = sum(pq.read_metadata(path).row_group(0).column(at).total_compressed_size for at in range(22))
    tasks = tasks_of(path, output, limit=3 * group)
    assert tasks[0].row_groups == (0, 3)
    assert len(tasks) in {3, 4}
    result = score_tasks(RUN, tasks, output, in_turn)
    outputs = sorted(output.glob("*.parquet"))
    assert [one.name for one in outputs] == [f"0.{number:05d}.parquet" for number in range(len(tasks))]

    inputs.by_one_process(path, tmp_path / "whole.parquet", DEFAULT_COLUMNS)
    assert pa.concat_tables(map(pq.read_table, outputs)).equals(pq.read_table(tmp_path / "whole.parquet"))
    rejected = [line for one in sorted(output.glob("*.rejects.csv")) for line in inputs.rejected(one)[1:]]
    assert rejected == inputs.rejected(tmp_path / "whole.rejects.csv")[1:]
    assert result.summary.projects + result.summary.rejected == 1000


def test_folders_are_kept(tmp_path: Path, output: Path) -> None:
    inputs.write(tmp_path / "in" / "day=1", 1, 10)
    inputs.write(tmp_path / "in" / "day=2", 1, 10)
    score(tmp_path / "in", output)
    assert names(output) == [
        "_summary.json",
        "day=1/0.parquet",
        "day=1/0.rejects.csv",
        "day=2/0.parquet",
        "day=2/0.rejects.csv",
    ]


# Formats of rows


def as_csv(table: Any, path: Path) -> None:
    pc.write_csv(table, path)


def as_lines(table: Any, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), "utf-8")


def as_array(table: Any, path: Path) -> None:
    path.write_text(json.dumps(table.to_pylist()), "utf-8")


ROWS: dict[str, Callable[[Any, Path], None]] = {"csv": as_csv, "ndjson": as_lines, "json": as_array}


def by_rows(sources: Sequence[Path], target: Path | None, rejects: Path | None = None) -> State:
    """Score files without an engine, row by row where not all of them are columnar."""
    scorer = load_scorer(RUN.scorer)
    job = Job(list(map(opened, sources)), RowScorer(scorer.advisor, scorer.columns), Reading())
    if all(source.kind in COLUMNAR for source in job.sources):
        return columnar.run(job, Outputs(target, "parquet", rejects), ranked=True)
    return job.run(Outputs(target, "parquet", rejects))


@pytest.mark.parametrize("kind", ROWS)
def test_files_of_rows_are_scored_as_one_process_does(tmp_path: Path, output: Path, kind: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    paths = [source / f"{number}.{kind}" for number in range(2)]
    for number, path in enumerate(paths):
        ROWS[kind](inputs.table(200, number), path)
    result = score(source, output)
    assert (result.tasks, result.failed, result.summary.projects, result.summary.rejected) == (2, [], 394, 6)
    for path in paths:
        expected, rejects = tmp_path / "expected.parquet", tmp_path / "expected.csv"
        by_rows([path], expected, rejects)
        made = output / f"{path.stem}.parquet"
        assert pq.read_table(made).equals(pq.read_table(expected))
        assert made.with_suffix(".rejects.csv").read_bytes() == rejects.read_bytes()
    again = score_tasks(RUN, tasks_of(source, output), output, no_engine)
    assert (again.skipped, again.summary) == (2, result.summary)


def test_a_file_of_rows_that_cannot_be_read_is_reported(tmp_path: Path, output: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.csv").write_bytes(b"id,primary_goal\na,cost\n")
    (source / "b.csv").write_bytes(b"colour\nred\n")
    (source / "c.json").write_bytes(b"[{")
    result = score(source, output)
    assert [failed.file for failed in result.failed] == [str(source / "b.csv"), str(source / "c.json")]
    assert "no column is a field of the profile" in result.failed[0].error
    assert names(output) == ["a.parquet"]


# What is gathered


@pytest.mark.parametrize("kinds", [["parquet"], ["parquet", "csv", "ndjson"]], ids=["columns", "columns and rows"])
@pytest.mark.parametrize(
    "group", [pytest.param(1 << 20, id="whole", marks=pytest.mark.exhaustive), pytest.param(100, id="split")]
)
def test_the_report_and_the_rejects_are_those_of_one_process(
    tmp_path: Path, output: Path, kinds: list[str], group: int
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    writers: dict[str, Any] = {**ROWS, "parquet": partial(pq.write_table, row_group_size=group)}
    for number in range(4):
        kind = kinds[number % len(kinds)]
        writers[kind](inputs.table(700, number), source / f"{number}.{kind}")
    limit = 1 << 30 if group > 700 else 20_000
    tasks = tasks_of(source, output, RANKED, limit)
    assert (len(tasks) > 4) == (group < 700)
    score_tasks(RANKED, tasks[:2], output, in_turn)  # as by an earlier run that was stopped
    result = score_tasks(RANKED, tasks, output, lambda run, left: reversed([*in_turn(run, left)]))
    assert result.skipped == 2
    join_rejects(tasks, tmp_path / "all.csv")
    expected = by_rows(found_files([str(source)]), None, tmp_path / "expected.csv")
    assert (tmp_path / "all.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    advisor = load_scorer(RUN.scorer).advisor
    made = html(report_of(advisor, result.summary, ranking_of(tasks)))
    assert made == html(report_of(advisor, expected.summary, expected.ranking))
    assert not list(tmp_path.glob(".*"))


def test_a_file_of_rejects_is_there_only_where_a_row_is_rejected(tmp_path: Path, output: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    pq.write_table(inputs.table(90, 1).slice(1), source / "0.parquet")
    (tmp_path / "all.csv").write_text("of an earlier run", "utf-8")
    score(source, output)
    join_rejects(tasks_of(source, output), tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()
    with pytest.raises(FileError, match="No such file or directory"):
        join_rejects([], tmp_path / "nowhere" / "all.csv")


@pytest.mark.parametrize("name", ["in/0.parquet", "out/0.parquet", "out/0.rejects.csv"])
def test_rejects_do_not_replace_what_is_read_or_written(source: Path, output: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="it is an input, or the output of one"):
        check_apart(tasks_of(source, output), tmp_path / name)
    check_apart(tasks_of(source, output), output / "rejects.csv")


def test_a_report_needs_the_first_projects_of_each_output(source: Path, output: Path) -> None:
    score(source, output)
    tasks = tasks_of(source, output)
    with pytest.raises(FileError, match="repeat the command"):
        ranking_of(tasks)
    assert score(source, output, RANKED).skipped == 0
    assert ranking_of(tasks).seen == 591
    assert score(source, output, RUN).skipped == 3  # which has more than is needed


# Again


def test_an_output_whose_rejects_have_gone_is_done_again(source: Path, output: Path) -> None:
    score(source, output)
    (output / "1.rejects.csv").unlink()
    assert score(source, output).skipped == 2
    assert (output / "1.rejects.csv").exists()


def test_what_is_done_is_skipped_and_counted(source: Path, output: Path) -> None:
    first = score(source, output)
    before = {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    (output / "1.parquet").unlink()
    second = score(source, output)
    assert second.skipped == 2
    assert second.summary == first.summary
    assert [path.name for path, time in before.items() if path.stat().st_mtime_ns != time] == ["1.parquet"]
    third = score_tasks(RUN, tasks_of(source, output), output, no_engine)
    assert (third.skipped, third.summary) == (3, first.summary)


@pytest.mark.parametrize(
    "run",
    [
        RunSpec(ScorerSpec.find("1.0.0"), Reading()),
        RunSpec(ScorerSpec.find(inputs.VERSION, ["strategy"]), Reading()),
        RunSpec(ScorerSpec.find(inputs.VERSION), Reading(prefix="new_")),
        RunSpec(ScorerSpec.find(inputs.VERSION), Reading(mapping={"number": "requests_per_day"})),
        RunSpec(msgspec.structs.replace(RUN.scorer, version="0.0.1"), Reading()),
    ],
    ids=["policy", "columns", "prefix", "mapping", "version"],
)
def test_other_options_do_all_again(source: Path, output: Path, run: RunSpec) -> None:
    score(source, output)
    assert [finished(task) for task in tasks_of(source, output, run)] == [None] * 3


def test_an_input_that_has_changed_is_done_again(source: Path, output: Path) -> None:
    score(source, output)
    pq.write_table(inputs.table(100, 1), source / "1.parquet")
    result = score(source, output)
    assert result.skipped == 2
    assert pq.read_metadata(output / "1.parquet").num_rows == 100


def test_a_damaged_output_is_done_again(source: Path, output: Path) -> None:
    score(source, output)
    whole = (output / "0.parquet").read_bytes()
    (output / "0.parquet").write_bytes(whole[: len(whole) // 2])
    (output / "1.parquet").write_bytes(b"")
    assert score(source, output).skipped == 1
    assert (output / "0.parquet").read_bytes() == whole


def test_what_killed_attempts_left_is_removed(source: Path, output: Path) -> None:
    output.mkdir()
    left = [attempt_path(output / "0.parquet"), attempt_path(output / "0.rejects.csv")]
    left.append(left[0].with_name(f".{left[0].name}.part"))
    others = [output / ".other.parquet.1-0123456789abcdef", output / ".0.parquet.swp"]
    for path in (*left, *others):
        path.touch()
    score(source, output)
    assert [path.exists() for path in (*left, *others)] == [False, False, False, True, True]


@pytest.mark.parametrize("name", ["a.parquet", "a.1-0.parquet", ".a.parquet", "a b.00001.rejects.csv"])
def test_the_name_of_an_attempt_says_whose_it_is(name: str) -> None:
    path = attempt_path(Path("folder") / name)
    assert attempt_target(path.name) == attempt_target(f".{path.name}.part") == name.lstrip(".")
    assert attempt_target(name) is None


def test_attempts_at_once_make_one_output(source: Path, output: Path, tmp_path: Path) -> None:
    output.mkdir()
    (task, *_) = tasks_of(source, output)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, repeat(RUN, 16), repeat(task)))
    assert {outcome.error for outcome in outcomes} == {None}
    inputs.assert_same(output / "0.parquet", source / "0.parquet", tmp_path, DEFAULT_COLUMNS)
    assert names(output) == ["0.parquet", "0.rejects.csv"]


# What is wrong


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_done(source: Path, output: Path) -> None:
    (source / "1.parquet").write_bytes(b"PAR1 and no more")
    pq.write_table(pa.table({"colour": ["red"]}), source / "2.parquet")
    result = score(source, output)
    assert [failed.file for failed in result.failed] == [str(source / "1.parquet"), str(source / "2.parquet")]
    assert "it is no Parquet file, or damaged" in result.failed[0].error
    assert "colour" in result.failed[1].error or "no column" in result.failed[1].error
    assert names(output) == ["0.parquet", "0.rejects.csv"]


def test_a_file_without_rows_becomes_one_without_rows(source: Path, output: Path) -> None:
    pq.write_table(inputs.table(0, 1), source / "1.parquet")
    result = score(source, output)
    assert result.failed == []
    assert pq.read_table(output / "1.parquet").schema == pq.read_table(output / "0.parquet").schema
    assert not (output / "1.rejects.csv").exists()


def test_rejects_of_an_earlier_run_do_not_stay(source: Path, output: Path) -> None:
    score(source, output)
    pq.write_table(inputs.table(10, 1).slice(1), source / "1.parquet")
    score(source, output)
    assert names(output) == ["0.parquet", "0.rejects.csv", "1.parquet", "2.parquet", "2.rejects.csv", "_summary.json"]


def test_an_input_that_changes_during_the_run_is_reported(source: Path, output: Path) -> None:
    tasks = tasks_of(source, output)
    pq.write_table(inputs.table(100, 1), source / "1.parquet")
    (source / "2.parquet").unlink()
    result = score_tasks(RUN, tasks, output, in_turn)
    assert [failed.error for failed in result.failed] == [
        f"{source / '1.parquet'}: it has changed since the run began; repeat the command",
        f"{source / '2.parquet'}: No such file or directory",
    ]


def test_the_totals_are_there_only_when_all_is(source: Path, output: Path) -> None:
    score(source, output)
    (source / "0.parquet").write_bytes(b"damaged")
    score(source, output)
    assert not (output / TOTALS).exists()


def test_outputs_of_another_portfolio_are_not_mixed_in(source: Path, output: Path) -> None:
    score(source, output)
    (source / "1.parquet").unlink()
    with pytest.raises(FileError, match=r"1\.parquet is not of this portfolio: remove it"):
        tasks_of(source, output)


def test_two_inputs_for_one_output_are_refused(tmp_path: Path, output: Path) -> None:
    inputs.write(tmp_path / "a", 1, 10)
    inputs.write(tmp_path / "b", 1, 10)
    with pytest.raises(FileError, match=r"a/0\.parquet and .*b/0\.parquet would both become .*out/0\.parquet"):
        tasks_of(tmp_path / "[ab]" / "*.parquet", output)


def test_outputs_among_the_inputs_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="whose files are the inputs"):
        find_inputs([str(source)], source / "out")
    with pytest.raises(FileError, match="where the outputs go"):
        find_inputs([str(source / "0.parquet")], source)
    with pytest.raises(FileError, match="name a directory"):
        find_inputs([str(source)], source / "0.parquet")
    assert find_inputs([str(source)], tmp_path / "out")


# Workers


def test_a_worker_with_another_version_refuses(source: Path, output: Path) -> None:
    output.mkdir()
    other = RunSpec(msgspec.structs.replace(RUN.scorer, version="0.0.1"), Reading())
    expected = f"the driver has trivium 0.0.1, this worker has {trivium.__version__}: install one on all machines"
    assert [attempt(other, task).error for task in tasks_of(source, output, other)] == [expected] * 3
    assert names(output) == []


def test_a_worker_does_not_score_by_another_policy() -> None:
    other = msgspec.structs.replace(RUN.scorer, digest="0" * 64)
    with pytest.raises(WorkerError, match="the policy has the digest"):
        load_scorer(other)


def test_the_policy_may_be_a_file(tmp_path: Path) -> None:
    served = catalog.shipped().registry.deciding("1.0.0")
    path = tmp_path / "own.yaml"
    path.write_text(served.policy.parsed.text, encoding="utf-8")
    assert ScorerSpec.find(path).digest == ScorerSpec.find(str(path)).digest == served.policy.digest


def test_frames_are_scored_with_plain_types() -> None:
    rows = inputs.table(1000, 1)
    columns = ["strategy", "codes", "nearest_path", "error", "payback_months"]
    spec = ScorerSpec.find(inputs.VERSION, columns)
    scored = pa.Table.from_batches(scored_batches(spec, rows.to_batches(max_chunksize=300)))
    assert scored.to_pylist() == trivium.score(rows, policy=inputs.VERSION, columns=columns).read_all().to_pylist()
    assert scored.schema.field("strategy").type == pa.string()
    assert scored.schema.field("codes").type == pa.list_(pa.string())
    assert list(scored_batches(spec, pa.Table.from_batches([], rows.schema).to_batches())) == []
