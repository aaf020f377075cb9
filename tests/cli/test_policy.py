"""`trivium policy`: what authors of policies read, check, test, compare and draw."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.serving import Inside
from cli.conftest import INDEED, SHIPPED, Invoke, on_terminal, run
from trivium import catalog


Edited = Callable[..., str]

VOLUME = ("cuts: {low: 0, high: 10000}", "cuts: {low: 0, high: 20000}")
VERSION = ("version: 1.0.0", "version: 2.0.0")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["list"], "/policies"),
        (["show", "1.0.0"], "/policies/1.0.0"),
        (["show", "latest"], "/policies/latest"),
        (["diff", "1", "1.0.0"], "/policies/1/diff/1.0.0"),
    ],
)
def test_json_is_that_of_the_api(invoke: Invoke, served: Inside, arguments: list[str], path: str) -> None:
    assert json.loads(invoke("policy", *arguments).stdout) == served.client.get(path).json()


@pytest.mark.parametrize("source", ["1.0.0", SHIPPED])
def test_yaml_is_what_the_author_wrote(invoke: Invoke, source: str) -> None:
    assert invoke("policy", "show", source, "--yaml").stdout == Path(SHIPPED).read_text(encoding="utf-8")


def test_a_policy_whose_examples_fail_is_compared_and_that_is_said(invoke: Invoke, tmp_path: Path) -> None:
    text = Path(SHIPPED).read_text(encoding="utf-8")
    strategy = next(line for line in text.partition("\ntests:")[2].splitlines() if "strategy: rag," in line)
    failing = tmp_path / "failing.yaml"
    failing.write_text(text.replace(strategy, strategy.replace("strategy: rag,", "strategy: fine_tuning,")), "utf-8")
    assert invoke("policy", "check", str(failing)).exit_code == 1
    compared = invoke("policy", "diff", SHIPPED, str(failing), "--json")
    assert compared.exit_code == 0
    assert json.loads(compared.stdout)["changed_cells"] == 0
    assert compared.stderr == f"Warning: examples of {failing} fail; see trivium policy test {failing}\n"


def test_the_json_of_a_map_is_that_of_the_api(invoke: Invoke, served: Inside) -> None:
    asked = {"x": "knowledge_need", "y": "labeled_examples", "profile": json.loads(INDEED)}
    mapped = invoke("policy", "map", "1", "--x", asked["x"], "--y", asked["y"], "--profile", "-", stdin=INDEED)
    assert json.loads(mapped.stdout) == served.client.post("/policies/1/map", json=asked).json()


def test_list_shows_the_default() -> None:
    code, said = on_terminal("policy", "list")
    assert code == 0
    assert "3.0.0     active, default" in said


def test_show_lays_out_decision_tables(invoke: Invoke) -> None:
    said = invoke("policy", "show", "1", "--table").stdout
    assert "(low: under 10,000), high: at least 10,000" in said
    assert "task_consistency   domain_specialization   then    because" in said
    assert "varied-and-general   varied             general                 unfit   VARIED_GENERAL_WORK" in said


def test_a_table_too_wide_names_its_inputs_row_by_row() -> None:
    _, said = on_terminal("policy", "show", "1", columns=80)
    assert "base_model_underperforms: no" in said
    assert max(map(len, said.splitlines())) <= 80


def test_show_takes_a_file(invoke: Invoke, edited: Edited) -> None:
    assert json.loads(invoke("policy", "show", edited(VERSION)).stdout)["version"] == "2.0.0"


# Check


def test_a_sound_policy_passes_the_check(invoke: Invoke) -> None:
    assert json.loads(invoke("policy", "check", SHIPPED).stdout) == {"files": [SHIPPED], "problems": []}
    assert (
        f"{SHIPPED}: adaptation 1.0.0 is sound in all 1,259,712 cells"
        in invoke("policy", "check", SHIPPED, "--table").stdout
    )


def test_a_dead_rule_is_shown_with_its_place(edited: Edited) -> None:
    file = edited(
        ("      - {id: no-documents,", "      - {id: any, then: none}\n      - {id: no-documents,"),
    )
    done = run("policy", "check", file, SHIPPED)
    assert done.returncode == 1
    line = (
        Path(file)
        .read_text(encoding="utf-8")
        .splitlines()
        .index(next(line for line in Path(file).read_text(encoding="utf-8").splitlines() if "id: no-documents" in line))
    )
    assert done.stderr.startswith(f"{file}:{line + 1}:9: dead-rule: never fires")
    assert "(rule retrieval/no-documents)" in done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["code"], problem["line"], problem["rule"]) == ("dead-rule", line + 1, "retrieval/no-documents")


def test_a_broken_promise_is_shown_with_a_counterexample(invoke: Invoke, edited: Edited) -> None:
    file = edited(("promises:\n", "promises:\n  - {id: all-prompt, if: {}, then_strategy: [prompt_engineering]}\n"))
    refused = invoke("policy", "check", file)
    assert refused.exit_code == 1
    assert "broken-promise: `all-prompt`" in refused.stderr
    assert "for example with: " in refused.stderr


@pytest.mark.parametrize("content", [b"\xff", b"policy: [", b"", b"a: &x 1\nb: *x\n"])
def test_what_is_no_policy_is_refused_in_one_line(invoke: Invoke, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    for command in ("check", "test", "show"):
        refused = invoke("policy", command, str(file))
        assert refused.exit_code == 1
        assert refused.stderr.startswith(f"{file}:")
        assert "Traceback" not in refused.stderr


# Test


def test_the_shipped_examples_pass_and_cover_the_policy(invoke: Invoke) -> None:
    (tested,) = json.loads(invoke("policy", "test", SHIPPED).stdout)["files"]
    assert all(example["passed"] for example in tested["examples"])
    for part in ("rules", "codes", "strategies"):
        assert tested[part]["covered"] == tested[part]["total"] > 0
        assert tested[part]["missing"] == []


def test_a_failing_example_is_named_with_what_differs(invoke: Invoke, edited: Edited) -> None:
    file = edited(("id: nothing-known, profile: {}, strategy: prompt_engineering", "id: nothing-known, strategy: rag"))
    failed = invoke("policy", "test", file, SHIPPED, "--table")
    assert failed.exit_code == 1
    assert "84 passed" not in failed.stdout.partition(SHIPPED)[0]
    assert "strategy is prompt_engineering, expected rag" in failed.stdout
    assert "1 failed" in failed.stdout
    one, other = json.loads(invoke("policy", "test", file, SHIPPED).stdout)["files"]
    assert [example["id"] for example in one["examples"] if not example["passed"]] == ["nothing-known"]
    assert all(example["passed"] for example in other["examples"])


def test_what_no_example_covers_is_named(invoke: Invoke, tmp_path: Path) -> None:
    head, mark, _ = Path(SHIPPED).read_text(encoding="utf-8").partition("\ntests:\n")
    file = tmp_path / "few.yaml"
    file.write_text(f"{head}{mark}  - {{id: nothing, strategy: prompt_engineering}}\n", encoding="utf-8")
    tested = invoke("policy", "test", str(file), "--table")
    assert tested.exit_code == 0
    assert "strategies: 1 of 4 covered; not: rag, fine_tuning, rag_and_fine_tuning" in tested.stdout
    assert "retrieval/changing-facts" in tested.stdout


def test_examples_of_a_policy_with_other_problems_are_not_run(invoke: Invoke, edited: Edited) -> None:
    file = edited(("      - {id: no-documents,", "      - {id: any, then: none}\n      - {id: no-documents,"))
    refused = invoke("policy", "test", file)
    assert refused.exit_code == 1
    assert "dead-rule" in refused.stderr
    assert json.loads(refused.stdout)["files"] == []


# Diff


def test_a_difference_counts_cells_exactly(invoke: Invoke, edited: Edited) -> None:
    file = edited(VERSION, VOLUME, ("\ntests:\n", "\nx-tests:\n"))
    text, _, _ = Path(file).read_text(encoding="utf-8").partition("\nx-tests:\n")
    Path(file).write_text(text, encoding="utf-8")
    difference = json.loads(invoke("policy", "diff", "1.0.0", file).stdout)
    assert (difference["from"], difference["to"], difference["bump"]) == ("1.0.0", "2.0.0", "major")
    assert 0 < difference["changed_cells"] == sum(change["cells"] for change in difference["changes"])
    said = invoke("policy", "diff", "1.0.0", file, "--table").stdout
    assert "1.0.0 -> 2.0.0: major" in said
    assert f"{difference['changed_cells']:,} of {difference['cells']:,} cells change strategy" in said
    assert "requests_per_day: 10000" in said.replace(",", "")


def test_what_cannot_be_compared_is_said(invoke: Invoke, tmp_path: Path, edited: Edited) -> None:
    file = edited(("cuts: {low: 0, high: 10000}", "values: [low, high]"), VERSION)
    refused = invoke("policy", "diff", "1", file)
    assert refused.exit_code == 1
    assert "requests_per_day" in refused.stderr
    assert invoke("policy", "diff", "1", str(tmp_path / "none.yaml")).exit_code == 2
    assert invoke("policy", "diff", "1", "7").exit_code == 3


# Map


def test_a_map_is_a_grid_that_marks_the_profile(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(INDEED, encoding="utf-8")
    code, said = on_terminal(
        *[
            "policy",
            "map",
            "1",
            "--x",
            "knowledge_need",
            "--y",
            "labeled_examples",
            "--profile",
            str(tmp_path / "p.json"),
        ],
        columns=120,
    )
    assert code == 0
    few, _, enough, *_ = [
        line.split("  ") for line in said.splitlines() if line.startswith((" few", " under", " enough"))
    ]
    assert [cell.strip() for cell in few if cell.strip()] == [
        "few",
        "Prompt engineering",
        "Retrieval (RAG)",
        "Retrieval (RAG)",
    ]
    assert [cell.strip() for cell in enough if cell.strip()] == [
        "enough",
        "[Fine-tuning]",
        "Retrieval and fine-tuning",
        "Retrieval and fine-tuning",
    ]
    assert "primary_goal: cost; all else is assumed." in " ".join(said.split())


@pytest.mark.parametrize(("x", "said"), [("labeled_exampels", "did you mean"), ("labeled_examples", "two different")])
def test_a_map_needs_two_inputs(invoke: Invoke, x: str, said: str) -> None:
    refused = invoke("policy", "map", "1", "--x", x, "--y", "labeled_examples")
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_map_refuses_a_bad_profile(invoke: Invoke) -> None:
    asked = ["--x", "labeled_examples", "--y", "primary_goal", "--profile", "-"]
    assert "did you mean" in invoke("policy", "map", "1", *asked, stdin='{"prompt_token": 1}').stderr


# Retired


def test_a_retired_policy_can_be_read_but_does_not_decide(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, invoke: Invoke
) -> None:
    text = Path(SHIPPED).read_text(encoding="utf-8")
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "new.yaml").write_text(text.replace("version: 1.0.0", "version: 9.0.0", 1), encoding="utf-8")
    (tmp_path / "lifecycle.yaml").write_text("1.0.0: {status: retired, successor: 9.0.0}", encoding="utf-8")
    policies = catalog.load(tmp_path)
    monkeypatch.setattr(catalog, "shipped", lambda: policies)
    refused = invoke("recommend", "-", "--policy", "1.0.0", stdin="{}")
    assert refused.exit_code == 3
    assert refused.stderr == "Error: policy 1.0.0 is retired; use 9.0.0\n"
    assert invoke("policy", "show", "1.0.0").exit_code == 0
