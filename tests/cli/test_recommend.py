"""`trivium recommend`: words on a terminal, the API's JSON in a pipe, every mistake on a line of its own."""

import json
from pathlib import Path

import msgspec
import pytest

import trivium
from api.serving import JSON, Inside
from cli.conftest import INDEED, Invoke, on_terminal, run
from trivium.cli.authoring import STARTER
from trivium.recommendation import VIEWS, Recommendation, View


@pytest.fixture
def indeed(tmp_path: Path) -> str:
    (tmp_path / "indeed.json").write_text(INDEED, encoding="utf-8")
    return str(tmp_path / "indeed.json")


@pytest.mark.parametrize("view", VIEWS)
def test_elsewhere_it_is_the_json_of_the_api(invoke: Invoke, served: Inside, indeed: str, view: View) -> None:
    answer = served.client.post("/recommend", content=INDEED, params={"view": view}, headers=JSON)
    assert answer.status_code == 200
    done = invoke("recommend", indeed, "--view", view)
    assert done.exit_code == 0
    assert done.stdout_bytes == answer.content + b"\n"
    assert not done.stderr


def test_in_a_pipe_it_reads_standard_input_and_writes_the_same(invoke: Invoke, indeed: str) -> None:
    done = run("recommend", "-", stdin=INDEED)
    assert done.returncode == 0
    assert done.stdout == invoke("recommend", indeed).stdout
    assert not done.stderr


def test_on_a_terminal_it_is_words(indeed: str) -> None:
    code, said = on_terminal("recommend", indeed, "--policy", "1.0.0")
    assert code == 0
    made = trivium.recommend(json.loads(INDEED), policy="1.0.0")
    words = " ".join(said.split())
    assert words.startswith("Fine-tuning - settled Fine-tune a model, because ")
    for reason in made.standard().rationale:
        assert f"{reason.message} {reason.code}" in words
    for part in ("Retrieval (not needed): ", "Done when: ", "There are 500 or more labeled examples. stated"):
        assert part in words
    assert made.decision_id in said
    assert "<sub>" not in said


def test_on_a_terminal_json_can_be_asked_for(indeed: str) -> None:
    code, said = on_terminal("recommend", indeed, "--json", "--view", "full")
    assert code == 0
    assert msgspec.json.decode(said, type=Recommendation) == trivium.recommend(json.loads(INDEED))
    assert said.startswith('{\n  "strategy": "fine_tuning"')


def test_markdown_is_the_page_of_the_library(indeed: str) -> None:
    page = run("recommend", indeed, "--markdown").stdout
    assert page.startswith(trivium.recommend(json.loads(INDEED)).to_markdown())
    assert "trivium recommend --policy 3.0.0 -" in page


def test_on_a_narrow_terminal_no_line_is_too_long(indeed: str) -> None:
    _, said = on_terminal("recommend", indeed, columns=50)
    assert max(map(len, said.splitlines())) <= 50


def test_what_is_not_known_is_asked_and_said(invoke: Invoke) -> None:
    profile = '{"id": "x[red]\\u001b[31m", "labeled_examples": 120, "requests_per_day": 5e4, "knowledge_tokens": 5}'
    said = " ".join(invoke("recommend", "-", "--policy", "1", "--table", stdin=profile).stdout.split())
    for part in (
        "Prompt engineering - provisional",
        "There are fewer than 500 labeled examples. stated",
        "Ask next 1 Do answers need facts from your documents, and do those change?",
        "Not read by this policy • knowledge_tokens",
        "id x[red]\N{REPLACEMENT CHARACTER}[31m",
    ):
        assert part in said


def test_warnings_are_shown(invoke: Invoke) -> None:
    profile = '{"task_consistency": "one_off", "requests_per_day": 20000}'
    assert "(ONE_OFF_AT_VOLUME)" in invoke("recommend", "-", "--table", stdin=profile).stdout


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--expect", "fine_tuning"), 0, ""),
        (("--expect", "rag"), 1, "expected rag, and fine_tuning is recommended"),
        (("--expect", "rga"), 2, "`rga` is no strategy of the policy: prompt_engineering, rag"),
        (("--fail-on", "provisional"), 1, "the answer is provisional"),
        (("--fail-on", "provisional", "--policy", "1"), 0, ""),
    ],
)
def test_a_pipeline_can_insist_on_an_answer(invoke: Invoke, options: tuple[str, ...], code: int, says: str) -> None:
    done = invoke("recommend", "-", *options, stdin=INDEED)
    assert done.exit_code == code
    assert says in done.stderr
    assert bool(done.stdout) == (code != 2)


def test_a_policy_of_your_own_recommends(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(STARTER.read_text("utf-8"), "utf-8")
    made = json.loads(
        invoke("recommend", "-", "--policy", str(file), stdin='{"knowledge_need": "stable_facts"}').stdout
    )
    assert (made["strategy"], made["policy"]["name"]) == ("rag", "starter")
    assert made["summary"].startswith("Use retrieval, because answers need facts from documents.")
    assert invoke("recommend", "-", "--policy", str(tmp_path / "none.yaml"), stdin="{}").exit_code == 2
    file.write_text("policy: own", "utf-8")
    assert invoke("recommend", "-", "--policy", str(file), stdin="{}").exit_code == 1


def test_every_bad_field_has_a_line_of_its_own() -> None:
    done = run("recommend", "-", stdin='{"labeled_exampels": 1, "primary_goal": "cots", "requests_per_day": -1}')
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.splitlines() == [
        "<stdin>: labeled_exampels: unknown field; did you mean `labeled_examples`?",
        "<stdin>: primary_goal: unknown value; did you mean `cost`?",
        "<stdin>: requests_per_day: expected a number >= 0.0",
    ]


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "\ufeff{}", "[" * 100_000])
def test_what_is_no_profile_is_refused_in_one_line(invoke: Invoke, body: str) -> None:
    refused = invoke("recommend", "-", stdin=body)
    assert refused.exit_code == 2
    assert refused.stderr.startswith("<stdin>: profile: ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_missing_file_is_wrong_usage(invoke: Invoke) -> None:
    assert invoke("recommend", "nowhere.json").exit_code == 2


@pytest.mark.parametrize(
    ("selector", "major"), [("1", "1"), ("1.0", "1"), ("1.0.0", "1"), ("2", "2"), ("3", "3"), ("latest", "3")]
)
def test_a_policy_can_be_chosen(invoke: Invoke, selector: str, major: str) -> None:
    made = json.loads(invoke("recommend", "-", "--policy", selector, stdin="{}").stdout)
    assert made["policy"]["version"][0] == major


def test_an_unknown_policy_has_an_exit_code_of_its_own(monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    refused = invoke("recommend", "-", "--policy", "9", stdin="{}")
    assert refused.exit_code == 3
    assert refused.stderr.startswith("Error: no policy `9`; known: `1.0.0`")
    monkeypatch.setenv("TRIVIUM_DEFAULT_POLICY", "9")
    assert invoke("recommend", "-", stdin="{}").exit_code == 3
