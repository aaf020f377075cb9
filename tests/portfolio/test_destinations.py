"""Nothing that a run writes is written over its inputs, or over something else that it writes."""

import csv
import json
import os
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from cli.conftest import COMMAND, Invoke, environment
from portfolio.test_score import PORTFOLIO, scored, table


pytest_plugins = ["cli.conftest"]

OPTIONS = ("-o", "--rejects", "--report", "--markdown")
COMMANDS = (("score",), ("impact", "--from", "2.0.0"))
WRONG = [*PORTFOLIO[:3], {"id": "bad", "labeled_examples": "many"}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    table(tmp_path / "in" / "a.csv", WRONG)
    return tmp_path


@pytest.mark.parametrize("command", [*COMMANDS, ("score", "--engine", "ray")])
@pytest.mark.parametrize(("one", "other"), [*combinations(OPTIONS, 2)])
def test_two_outputs_are_two_files(
    invoke: Invoke, folder: Path, command: tuple[str, ...], one: str, other: str
) -> None:
    (folder / "z.csv").write_text("before", "utf-8")
    (folder / "link").symlink_to(folder)
    given = {"-o": "z2.csv", one: "z.csv", other: "link/z.csv"}
    done = invoke(*command, "in/a.csv", *(word for pair in given.items() for word in pair))
    assert (done.exit_code, done.stderr) == (
        2,
        f"Error: {one} and {other} are the same file, link/z.csv; write to two files\n",
    )
    assert (folder / "z.csv").read_text("utf-8") == "before"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("inputs", ["in/a.csv", "in", "in/*.csv"])
def test_no_input_is_written_over(
    invoke: Invoke, folder: Path, command: tuple[str, ...], option: str, inputs: str
) -> None:
    before = (folder / "in" / "a.csv").read_bytes()
    done = invoke(*command, inputs, option, "in/../in/a.csv")
    assert done.exit_code == 2
    assert done.stderr == f"Error: {option} in/a.csv: it is an input too; write to another file\n"
    assert (folder / "in" / "a.csv").read_bytes() == before
    assert sorted(path.name for path in folder.rglob("*")) == ["a.csv", "in"]


def test_rejects_by_default_are_a_file_too(invoke: Invoke, folder: Path) -> None:
    done = invoke("score", "in/a.csv", "-o", "out.csv", "--report", "out.rejects.csv")
    assert (done.exit_code, "--rejects and --report are the same file" in done.stderr) == (2, True)
    table(folder / "out.rejects.csv", PORTFOLIO)
    before = (folder / "out.rejects.csv").read_bytes()
    for inputs in ("out.rejects.csv", "*.csv"):
        done = invoke("score", inputs, "-o", "out.csv")
        assert (done.exit_code, "it is an input too" in done.stderr) == (2, True)
    assert (folder / "out.rejects.csv").read_bytes() == before


@pytest.mark.parametrize("command", [*COMMANDS, ("score", "-o", "out", "--engine", "ray")])
@pytest.mark.parametrize("option", OPTIONS)
def test_a_directory_that_is_missing_is_told_before_anything_is_read(
    invoke: Invoke, folder: Path, command: tuple[str, ...], option: str
) -> None:
    if "--engine" in command and option == "-o":
        return
    (folder / "in" / "a.csv").write_bytes(b"\xff")
    done = invoke(*command, "in/a.csv", option, "no/where/x.csv")
    assert (done.exit_code, done.stderr) == (2, f"Error: {option} no/where/x.csv: there is no directory no/where\n")


@pytest.mark.parametrize(
    ("name", "says"), [("in", "it is a directory; name a file"), ("pipe.csv", "it is no regular file")]
)
def test_what_is_no_file_is_not_replaced(invoke: Invoke, folder: Path, name: str, says: str) -> None:
    os.mkfifo(folder / "pipe.csv")
    done = invoke("score", "in/a.csv", "--rejects", name)
    assert (done.exit_code, says in done.stderr) == (2, True)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("option", "begins"), [("--report", "<!doctype html>"), ("--markdown", "# ")])
def test_a_report_may_go_to_standard_output(folder: Path, command: tuple[str, ...], option: str, begins: str) -> None:
    done = subprocess.run(
        [*COMMAND, *command, "in/a.csv", option, "-", "-o", "out.csv"],
        capture_output=True,
        check=True,
        cwd=folder,
        env=environment(),
        encoding="utf-8",
    )
    assert done.stdout.lower().startswith(begins)
    assert "3 projects" in done.stderr
    assert not (folder / "-").exists()
    assert len(scored(folder / "out.csv")) == len(WRONG)


@pytest.mark.parametrize(("one", "other"), [*combinations(("-o", "--report", "--markdown"), 2)])
def test_standard_output_takes_one_thing(invoke: Invoke, folder: Path, one: str, other: str) -> None:
    done = invoke("score", "in/a.csv", one, "-", other, "-")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {one} and {other} cannot both be written to standard output; name a file for one\n"
    done = invoke("score", "in/a.csv", "--rejects", "-")
    assert (done.exit_code, done.stderr.startswith("Error: --rejects -: ")) == (2, True)
    assert not (folder / "-").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["csv", "ndjson", "json"])
@pytest.mark.parametrize("inputs", ["in", "in/*"])
def test_what_a_run_writes_beside_its_inputs_is_no_input_of_the_next(
    invoke: Invoke, command: tuple[str, ...], kind: str, inputs: str
) -> None:
    run = (*command, inputs, "-o", f"in/out.{kind}", "--report", "in/report.html", "--prefix", "new ")
    for _ in range(3):
        done = invoke(*run)
        assert (done.exit_code, done.stderr.count("\n")) == (0, 1), done.stderr
        told = json.loads(done.stdout)
        assert (told["projects"], told["rejected"]) == (3, 1)


def test_rejects_of_another_run_are_named_and_left_out(invoke: Invoke, folder: Path) -> None:
    assert invoke("score", "in", "-o", "in/out.ndjson").exit_code == 0
    (folder / "in" / "out.ndjson").unlink()
    for inputs in ("in", "in/*.csv"):
        done = invoke("score", inputs, "-o", "out2.csv", "--fail-on", "rejected")
        assert "in/out.rejects.csv: it lists rejected rows of another run, so it is left out\n" in done.stderr
        assert [row["id"] for row in scored(folder / "out2.csv")] == [own["id"] for own in WRONG]
    assert invoke("score", "in", "-o", "in/first.csv").exit_code == 0
    done = invoke("score", "in", "-o", "out2.csv")
    assert (done.exit_code, "in/first.csv: it has a column `strategy` of its own" in done.stderr) == (2, True)
    (folder / "in" / "first.csv").unlink()
    table(folder / "in" / "own.rejects.csv", PORTFOLIO[3:5])  # somebody's own file of this name
    assert invoke("score", "in", "-o", "out2.csv").exit_code == 0
    assert len(scored(folder / "out2.csv")) == len(WRONG) + 2
    with (folder / "in" / "out.rejects.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 2
