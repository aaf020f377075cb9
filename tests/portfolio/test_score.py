"""`trivium score`: every row of the inputs is in the output, scored as the library does or with its error."""

import csv
import json
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import trivium
from cli.conftest import COMMAND, Invoke, environment, on_terminal
from toolbox import ROOT
from trivium.portfolio.job import CHECKPOINT_ROWS
from trivium.portfolio.rows import OUTPUTS
from trivium.profile import VOCABULARY


pytest_plugins = ["cli.conftest"]

Fields = dict[str, Any]


def fields(chance: random.Random) -> Fields:
    """Draw a profile."""
    made: Fields = {}
    for name, field in VOCABULARY.items():
        if field.derived_from is not None or chance.random() < 0.4:
            continue
        if field.kind == "number":
            made[name] = int(10 ** chance.uniform(0, 6))
        else:
            made[name] = chance.choice(field.choices) if field.kind == "choice" else chance.random() < 0.5
    return made


PORTFOLIO = [{"id": f"p{number}", **fields(random.Random(number))} for number in range(40)]  # noqa: S311 - no secret


def table(path: Path, rows: list[Fields]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        write = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        write.writeheader()
        write.writerows(rows)


def lines(path: Path, rows: list[Fields]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def scored(path: Path) -> list[Fields]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["csv", "ndjson", "json"])
def test_rows_are_scored_as_the_library_does(invoke: Invoke, tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"in.{kind}"
    if kind == "json":
        source.write_text(json.dumps(PORTFOLIO), "utf-8")
    else:
        (table if kind == "csv" else lines)(source, PORTFOLIO)
    done = invoke("score", str(source), "-o", str(tmp_path / "out.ndjson"), "--columns", ",".join(OUTPUTS))
    assert done.exit_code == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text("utf-8").splitlines()]
    assert len(rows) == len(PORTFOLIO)
    for row, own in zip(rows, PORTFOLIO, strict=True):
        made = trivium.recommend(own)
        assert (row["strategy"], row["status"], row["policy_version"]) == (
            made.strategy,
            made.status,
            made.policy.version,
        )
        assert row["codes"] == [reason.code for reason in made.rationale]
        assert row["first_question"] == (made.questions[0].input if made.questions else None)
        assert (row["reachable"], row["margin"]) == (made.reachable, made.margin)
        assert row["because"] == [premise.input for premise in made.because]
        assert (row["summary"], row["next_step"]) == (made.summary, made.steps[0].action)
        assert (row["decision_id"], row["error"]) == (made.decision_id, None)
        for column, flips in (("nearest_path", made.paths), ("nearest_risk", made.risks)):
            assert (row[column] or {}).get("strategy") == (flips[0].strategy if flips else None)
    summary = json.loads(done.stdout)
    assert summary["projects"] == len(PORTFOLIO)
    assert sum(summary["strategies"].values()) == len(PORTFOLIO)
    assert summary["settled"] == sum(row["status"] == "settled" for row in rows)


def test_the_money_is_that_of_the_library(invoke: Invoke) -> None:
    costs = {"model": "gpt-4o", "tuned_model": "gpt-4o-mini", "variable_input_tokens": 500, "tuned_input_tokens": 200}
    costs |= {"output_tokens": 50, "examples_to_make": 300, "label_cost": 10, "engineering": 6000}
    own = {"requests_per_day": 20_000, "prompt_tokens": 2000, "costs": costs}
    names = "payback,payback_months,monthly_saving,upfront,strategy"
    row = json.loads(invoke("score", "-", "-o", "-", "--columns", names, stdin=json.dumps(own)).stdout.splitlines()[0])
    made = trivium.recommend(own)
    assert made.economics is not None
    assert (row["payback"], row["strategy"]) == (made.economics.payback, made.strategy)
    for name in ("payback_months", "monthly_saving", "upfront"):
        assert row[name] == float(getattr(made.economics, name))
    assert row["costs.label_cost"] == 10


def test_columns_in_people_s_words_give_the_same(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(
        "\ufeffProject;Requests per Day;Knowledge-need;CITATIONS REQUIRED;Labels\r\n"
        "=1+1;10k;Changing facts;yes;1.000\r\n",
        "utf-8",
    )
    done = invoke(
        *("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv")),
        *("--map", "labels=labeled_examples", "--decimal", ",", "--prefix", "new "),
    )
    assert done.exit_code == 0, done.stderr
    (row,) = scored(tmp_path / "out.csv")
    own = {"requests_per_day": 10_000, "knowledge_need": "changing_facts", "citations_required": True}
    made = trivium.recommend(own | {"labeled_examples": 1000})
    assert (row["new strategy"], row["new status"]) == (made.strategy, made.status)
    assert row["new codes"].split(";") == [reason.code for reason in made.rationale]
    assert (row["Project"], row["Labels"]) == ("'=1+1", "1.000")


def test_a_wrong_row_is_kept_with_its_error_and_listed(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(
        'id,requests_per_day,primary_goal\na,"1,234",cost\nb,5,cots\nc,-1,facts\nd,5\ne,5,cost\n', "utf-8"
    )
    done = invoke("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"), "--fail-on", "rejected")
    assert done.exit_code == 1
    assert "4 rows are rejected" in done.stderr
    rows = scored(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == list("abcde")
    assert [bool(row["strategy"]) for row in rows] == [False, False, False, False, True]
    assert all(bool(row["error"]) != bool(row["strategy"]) for row in rows)
    rejects = scored(tmp_path / "out.rejects.csv")
    assert [(row["row"], row["column"], row["value"]) for row in rejects] == [
        *(("2", "requests_per_day", "1,234"), ("3", "primary_goal", "cots")),
        *(("4", "requests_per_day", "-1"), ("5", "", "")),
    ]
    assert "(--decimal)" in rejects[0]["reason"]
    assert "did you mean `cost`?" in rejects[1]["reason"]
    assert json.loads(done.stdout)["rejected"] == 4
    (tmp_path / "in.csv").write_text("id,primary_goal\na,cost\n", "utf-8")
    assert invoke("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv")).exit_code == 0
    assert not (tmp_path / "out.rejects.csv").exists()  # it was that of the rows before


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("in.csv", b"", "the file is empty"),
        ("in.csv", b"id,primary_goal\n", "there are columns and no rows"),
        ("in.csv", b"a,b\n1,2\n", "no column is a field of the profile"),
        ("in.csv", ",".join(f"c{n}" for n in range(10_000)).encode(), "more than 1000 columns"),
        ("in.ndjson", "".join(f'{{"c{n}": 1}}\n' for n in range(11_000)).encode(), "more than 1000 columns"),
        ("in.csv", b"labeled_exampels\n1\n", "looks like `labeled_examples`"),
        ("in.csv", b"id,ID\n1,2\n", "both give `id`"),
        ("in.csv", b"id,id\n1,2\n", "is there 2 times"),
        ("in.csv", b"id,strategy\n1,2\n", "say --prefix"),
        ("in.csv", b"id,note\n" + b"1,2\n" * 10_000 + b"\xe9,2\n", "line 10002 is not UTF-8"),
        ("in.txt", b"id\n1\n", "the extension says no format"),
        ("in.csv", b"PK\x03\x04\0\0", "null characters"),
    ],
)
def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    invoke: Invoke, tmp_path: Path, name: str, body: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(body)
    (tmp_path / "out.csv").write_text("before", "utf-8")
    done = invoke("score", str(tmp_path / name), "-o", str(tmp_path / "out.csv"))
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out.csv", name])
    assert (tmp_path / "out.csv").read_text("utf-8") == "before"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-o", "in.csv"), "it is an input too"),
        (("-o", "nowhere/out.csv"), "-o nowhere/out.csv: there is no directory nowhere"),
        (("-o", "out.txt"), "the extension says no format"),
        (("-o", "out.csv", "--write", "csv"), "--write is for standard output"),
        (("--read", "csv"), "--read is for standard input"),
        (("--to", "csv"), "No such option"),
        (("-o", "out.json", "--resume"), "can be resumed"),
        (("--columns", "stategy"), "did you mean `strategy`"),
        (("--columns", "error,error"), "twice"),
        (("--map", "id"), "expected COLUMN=FIELD"),
        (("--map", "x=id"), "no column `x`"),
        (("-",), "can only be scored alone"),
        (("none.csv",), "there is no such file"),
    ],
)
def test_wrong_usage_says_what_to_do(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "in.csv", PORTFOLIO)
    done = invoke("score", "in.csv", *options)
    assert done.exit_code == 2
    assert says in done.stderr


def test_several_files_make_one_output(invoke: Invoke, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    table(folder / "a.csv", PORTFOLIO[:10])
    lines(folder / "b.ndjson", [{"Owner": "Ann", **row} for row in PORTFOLIO[10:]])
    done = invoke("score", str(folder), "-o", str(tmp_path / "out.csv"))
    assert done.exit_code == 0, done.stderr
    rows = scored(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == [own["id"] for own in PORTFOLIO]
    assert [row["strategy"] for row in rows] == [trivium.recommend(own).strategy for own in PORTFOLIO]
    assert [row["Owner"] for row in rows] == [""] * 10 + ["Ann"] * 30


def test_a_dry_run_shows_how_columns_are_understood(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("Project,Labeled Examples\n", "utf-8")
    shown = json.loads(invoke("score", str(tmp_path / "in.csv"), "--dry-run").stdout)
    assert shown["columns"] == [
        {"column": "Project", "field": None},
        {"column": "Labeled Examples", "field": "labeled_examples"},
    ]
    code, said = on_terminal("score", str(tmp_path / "in.csv"), "--dry-run")
    assert code == 0
    assert "kept as it is" in said


def test_on_a_terminal_the_summary_is_tables(tmp_path: Path) -> None:
    table(tmp_path / "in.csv", PORTFOLIO)
    code, said = on_terminal("score", str(tmp_path / "in.csv"))
    assert code == 0
    for part in ("40 projects", "what keeps projects from fine-tuning", "question to answer first", "can settle"):
        assert part in said
    shares = [int(share) for share in re.findall(r"(\d+)%", said.partition("strategy")[2].partition("settled,")[0])]
    assert len(shares) == 4
    assert 98 <= sum(shares) <= 102  # each is rounded


def test_summary_and_report_say_what_was_read_and_where_rejects_are(invoke: Invoke, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("Project,Requests per day,Own\x1b[31mer,Goal\na,5,Ann,cost\nb,few,Bob,cost\n", "utf-8")
    paths = [tmp_path / "report.html", tmp_path / "report.md"]
    options = ("--map", "Goal=primary_goal", "--report", str(paths[0]), "--markdown", str(paths[1]))
    done = invoke("score", str(source), "-o", str(out), *options)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["columns"] == [
        {"column": "Project", "field": None},
        {"column": "Requests per day", "field": "requests_per_day"},
        {"column": "Own\x1b[31mer", "field": None},
        {"column": "Goal", "field": "primary_goal"},
    ]
    for path in paths:
        text = path.read_text("utf-8").replace("\\", "")
        assert "read 2 of 4 columns: Requests per day, Goal; not read: Project, Own\ufffd[31mer" in text
        assert f"1 project; 1 row was rejected: what is wrong with it is in {tmp_path / 'out.rejects.csv'}" in text
    code, said = on_terminal("score", str(source), "--map", "Goal=primary_goal")
    assert code == 0
    assert "Read 2 of 4 columns: Requests per day, Goal; not read: Project, Own" in " ".join(said.split())


ROWS = 8 * CHECKPOINT_ROWS


def many(path: Path) -> None:
    """Write more rows than a checkpoint has, some of them wrong."""
    rows = [dict(PORTFOLIO[number % 40]) for number in range(ROWS)]
    for number, row in enumerate(rows):
        row["id"] = str(number)
        if number % 1000 == 7:
            row["primary_goal"] = "fame"
    table(path, rows)


def test_a_run_that_was_killed_goes_on_and_gives_the_same(invoke: Invoke, tmp_path: Path) -> None:
    source, whole, out = tmp_path / "in.csv", tmp_path / "whole.csv", tmp_path / "out.csv"
    many(source)
    assert invoke("score", str(source), "-o", str(whole)).exit_code == 0
    command = [*COMMAND, "score", str(source), "-o", str(out)]
    for how in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen([*command, "--resume"], stderr=subprocess.DEVNULL, env=environment()) as process:
            state = tmp_path / ".out.csv.state"
            before = state.stat().st_mtime_ns if state.exists() else 0
            while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
                time.sleep(0.002)
            process.send_signal(how)
        assert out.exists() == (process.returncode == 0)
    done = invoke("score", str(source), "-o", str(out), "--resume")
    assert done.exit_code == 0, done.stderr
    assert out.read_bytes() == whole.read_bytes()
    rejects = (tmp_path / "out.rejects.csv").read_bytes()
    assert rejects == (tmp_path / "whole.rejects.csv").read_bytes()
    assert json.loads(done.stdout)["projects"] == ROWS - ROWS // 1000
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_run_is_not_resumed_over_other_inputs(invoke: Invoke, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table(source, PORTFOLIO)
    (tmp_path / ".out.csv.state").write_text("{}", "utf-8")
    refused = invoke("score", str(source), "-o", str(out), "--resume")
    assert refused.exit_code == 2
    assert "start anew" in refused.stderr
    assert invoke("score", str(source), "-o", str(out)).exit_code == 0


def test_the_page_names_every_column_that_can_be_asked_for() -> None:
    page = (ROOT / "docs" / "portfolios.md").read_text("utf-8").partition("## Output")[2].partition("## Summary")[0]
    named = [
        name for row in re.findall(r"^\| (`.+?) \|", page, flags=re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(named) == sorted(OUTPUTS)


def test_a_report_is_written_beside_the_rows(invoke: Invoke, tmp_path: Path) -> None:
    table(tmp_path / "in.csv", [{"Project": f"Desk {row['id']}", **row, "id": ""} for row in PORTFOLIO])
    paths = [tmp_path / "report.html", tmp_path / "report.md"]
    done = invoke("score", str(tmp_path / "in.csv"), "--report", str(paths[0]), "--markdown", str(paths[1]))
    assert done.exit_code == 0, done.stderr
    for path in paths:
        text = path.read_text("utf-8")
        assert "40 projects" in text
        assert [row for row in PORTFOLIO if f"Desk {row['id']}" not in text] == []
    refused = invoke("score", str(tmp_path / "in.csv"), "--report", str(tmp_path / "none" / "report.html"))
    assert (refused.exit_code, "there is no directory" in refused.stderr) == (2, True)
