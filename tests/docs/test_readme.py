"""The README and its pages say what the code says, in both directions, and their commands do what they say."""

import contextlib
import doctest
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import toolbox
import trivium
from api import serving
from casebook import report
from trivium import catalog, cli
from trivium.api.app import ROUTES
from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.settings import PREFIX, Settings
from trivium.api.telemetry.log import RequestFields
from trivium.cli.serve import serve
from trivium.decoding import allowed, base_type
from trivium.economics import Costs
from trivium.errors import ERROR_CODES
from trivium.interview import every_interview
from trivium.policy import Registry, load_directory
from trivium.profile import COUNTS, FIELD_TEXTS, MOST, PAYBACK, VOCABULARY, Profile, make_profile
from trivium.recommendation import Recommendation
from waiting import LIMIT, is_open, until


ADDRESS = "http://127.0.0.1:8000"
README = (toolbox.ROOT / "README.md").read_text(encoding="utf-8")
ANSWERS, COMMAND_LINE, ECONOMICS, ERRORS, POLICY_PAGE, PORTFOLIOS, PROFILE, PROOFS, TELEMETRY = (
    (toolbox.ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for page in (
        "answers",
        "command-line",
        "economics",
        "errors",
        "policies",
        "portfolios",
        "profile",
        "proofs",
        "telemetry",
    )
)
PORTFOLIOS = (toolbox.ROOT / "docs" / "portfolios.md").read_text(encoding="utf-8")
REGISTRY = Registry(load_directory(trivium.POLICIES, VOCABULARY))
POLICIES = REGISTRY.by_version
DEFAULT = REGISTRY.default.policy

Row = tuple[str, ...]


def section(title: str, page: str = README) -> str:
    found = re.split(r"^## ", page.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert found, title
    return found


def table(title: str, page: str = README) -> list[Row]:
    """Return the cells of the one table of a section."""
    return rows_of(section(title, page))


def rows_of(text: str) -> list[Row]:
    """Return the cells of the one table of a text, without code marks around whole cells."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [tuple(plain(cell) for cell in row) for row in rows[2:]]


def plain(cell: str) -> str:
    return match[1] if (match := re.fullmatch(r"`([^`]*)`", cell)) else cell


def names(cell: str) -> list[str]:
    """Return what a cell marks as code, or the cell itself."""
    return re.findall(r"`([^`]+)`", cell) or [cell]


def first_column(title: str, page: str = README) -> list[str]:
    return [name for row in table(title, page) for name in names(row[0])]


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def commands(page: str = README) -> list[str]:
    return [line for block in blocks("sh", page) for line in block.splitlines()]


def listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def docs_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what a class says of its attributes."""
    return {
        name: text[0].upper() + text[1:]
        for name, text in re.findall(r"^ +(\w+): (.+)$", kind.__doc__ or "", flags=re.MULTILINE)
    }


# Tables


def test_the_picture_has_the_numbers_of_the_default_policy() -> None:
    policy = DEFAULT
    rules = sum(len(one.rules) for one in policy.tables)
    (picture,) = blocks("text", POLICY_PAGE)
    assert f"{len(policy.inputs)} inputs " in picture
    assert f"{policy.cells:,} cells" in picture
    assert f"{len(policy.tables)} tables, {rules} rules " in picture
    assert f"{len(policy.strategies)} strategies" in picture
    assert f"one decision diagram of {nodes(policy.version)} nodes" in picture
    assert [one.name for one in policy.tables if one.name not in picture and one.name != "strategy"] == []


def nodes(version: str) -> int:
    policy = POLICIES[version].policy
    return len(policy.diagrams.nodes(policy.root))


def test_the_profile() -> None:
    assumed = {field.spec.derived_from or field.name: field.bands[field.assumed] for field in DEFAULT.inputs}
    expected = []
    for field in msgspec.structs.fields(Profile):
        kind, values = kind_and_values(field.name, field.type)
        expected.append((field.name, kind, values, assumed.get(field.name, "-"), FIELD_TEXTS[field.name]))
    assert table("Profile", PROFILE) == expected


def test_the_values_of_choices_mean_what_the_default_policy_says() -> None:
    phrases = {one.name: one.spec.phrases for one in DEFAULT.inputs}
    expected = []
    for field in msgspec.structs.fields(Profile):
        for value in allowed(field.type) or ():
            said = phrases[field.name][value]
            expected.append((field.name, value, f"{said[0].upper()}{said[1:]}."))
    assert len(expected) > 20
    assert table("Values", PROFILE) == expected


def test_the_fields_that_a_policy_does_not_read() -> None:
    (said,) = re.findall(r"Policy 1\.0\.0 does not read (.+?)\.", section("Profile", PROFILE), flags=re.DOTALL)
    read = {field.name for field in POLICIES["1.0.0"].policy.inputs}
    assert sorted(names(said)) == sorted(set(FIELD_TEXTS) - read - {"id", PAYBACK})
    assert f"*When unknown* is the band that policy {DEFAULT.version} assumes." in section("Profile", PROFILE)


def kind_and_values(name: str, annotation: Any) -> tuple[str, str]:
    if choices := allowed(annotation):
        return "choice", listed(choices)
    if base_type(annotation) is bool:
        return "boolean", "`true`, `false`"
    if base_type(annotation) is Costs:
        return "object", "[Costs](economics.md#costs)"
    if base_type(annotation) is str:
        return "string", "at most 200 characters"
    assert MOST == 10**12
    return "integer" if name in COUNTS else "number", "0 to 10^12"


def test_the_recommendation() -> None:
    assert sorted(first_column("Recommendation", ANSWERS)) == sorted(Recommendation.__struct_fields__)


def test_the_endpoints() -> None:
    served = []
    for handler in ROUTES:
        (method,) = handler.http_methods - {"HEAD"}
        (path,) = handler.paths
        served.append(f"{method} {path.replace(':str', '')}")
    assert first_column("API") == served


def test_the_policies() -> None:
    expected = []
    for version, served in POLICIES.items():
        policy, document = served.policy, served.policy.document
        rules = sum(len(one.rules) for one in policy.tables)
        parts = [len(policy.tables), rules, len(document.codes), len(document.promises), len(document.tests)]
        counts = [len(policy.inputs), f"{policy.cells:,}", nodes(version), *parts]
        expected.append((version, served.lifecycle.status, *map(str, counts)))
    assert table("The shipped policies", POLICY_PAGE) == expected, "\n".join(
        f"| {' | '.join(row)} |" for row in expected
    )


def test_the_casebook_s_numbers() -> None:
    printed = {row[0]: [cell.partition(" ")[0] for cell in row[1:]] for row in rows_of(report().partition("\n\n")[0])}
    strict, defensible = (printed[f"{kind} (69)"] for kind in ("strict", "strict or defensible"))
    said = " ".join(section("How good is the advice?").split())
    assert "holds 69 published use cases" in said
    newer = f"Policy 3.0.0, the default, gives the published outcome in {strict[3]} of them and a defensible one in"
    older = f"policy 2.0.0 in {strict[2]} and {defensible[2]}, policy 1.0.0 in {strict[1]} and {defensible[1]}"
    simple = f"a rule of four fields in {strict[0]} and {defensible[0]}"
    assert f"{newer} {defensible[3]}; {older}, and {simple}." in said
    assert DEFAULT.version == "3.0.0"


SAMPLES: dict[str, dict[str, Any]] = {
    "Support bot": {
        "requests_per_day": 5000,
        "task_consistency": "varied",
        "domain_specialization": "general",
        "labeled_examples": 0,
        "knowledge_need": "changing_facts",
        "knowledge_tokens": 1_200_000,
        "citations_required": True,
        "prompt_maturity": "basic",
        "primary_goal": "fewer_hallucinations",
    },
    "Ticket labels": {
        "requests_per_day": 15_000,
        "task_consistency": "consistent",
        "domain_specialization": "general",
        "base_model_underperforms": True,
        "labeled_examples": 20_000,
        "example_quality": "mixed",
        "can_label_more": True,
        "has_evaluation_set": True,
        "knowledge_need": "none",
        "prompt_maturity": "structured",
        "output_strictness": "format",
        "primary_goal": "quality",
    },
    "Meeting summaries": {
        "requests_per_day": 2000,
        "task_consistency": "consistent",
        "domain_specialization": "general",
        "base_model_underperforms": False,
        "labeled_examples": 0,
        "knowledge_need": "none",
        "prompt_maturity": "structured",
        "output_strictness": "style",
        "primary_goal": "quality",
    },
}
"""The use cases that the README shows first, by the name that it gives them."""


def test_the_sample_answers() -> None:
    rows = table("Three answers")
    assert [case.partition(":")[0] for case, *_ in rows] == list(SAMPLES)
    for case, strategy, status, said in rows:
        profile = SAMPLES[case.partition(":")[0]]
        answer = trivium.recommend(profile)
        assert (strategy, status) == (answer.strategy, answer.status)
        assert f"{answer.summary} ".startswith(f"{said} ")
        volume = re.search(r"([\d,]+) (?:varied )?requests a day", case)
        assert volume
        assert int(volume[1].replace(",", "")) == profile["requests_per_day"]


@pytest.mark.exhaustive
def test_the_length_of_an_interview() -> None:
    average = sum(len(interview.answers) * share for interview, share in every_interview(DEFAULT))
    said = " ".join(section("Advice", COMMAND_LINE).split())
    assert f"{float(average):.1f} of the {len(DEFAULT.inputs)} questions on average" in said


def test_the_page_stays_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_index_leads_to_every_page() -> None:
    folder = toolbox.ROOT / "docs"
    index = (folder / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| \[([\w-]+\.md)\]\(\1\) \|", index, flags=re.MULTILINE)
    assert sorted(linked) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")


def test_every_law_names_its_tests() -> None:
    rows = rows_of(PROOFS)
    assert len(rows) > 10
    for *_, tests in rows:
        found = re.findall(r"\[`(test_\w+)`\]\(\.\./([\w/.]+)\)", tests)
        assert found
        for name, file in found:
            assert f"\ndef {name}(" in (toolbox.ROOT / file).read_text(encoding="utf-8")


def test_the_problems() -> None:
    assert rows_of(ERRORS) == [(kind.code, str(kind.status), kind.description) for kind in PROBLEM_TYPES.values()]


def test_the_codes_of_field_errors() -> None:
    (said,) = re.findall(r"^Codes in `errors`: (.+?)\.$", ERRORS, flags=re.MULTILINE | re.DOTALL)
    assert names(said) == list(ERROR_CODES)


def test_the_settings() -> None:
    expected = [(option.envvar, str(option.default)) for option in serve.params if isinstance(option, click.Option)]
    values = []
    for field in msgspec.structs.fields(Settings):
        expected.append((PREFIX + field.name.upper(), as_written(field.default)))
        values.append((bounds(field.type), docs_of(Settings)[field.name]))
    rows = table("Settings")
    assert [row[:2] for row in rows] == expected
    assert [row[2:] for row in rows[2:]] == values
    (port,) = [option.type for option in serve.params if option.name == "port"]
    assert isinstance(port, click.IntRange)
    assert rows[1][2] == f"{port.min} to {port.max}"


def as_written(default: object) -> str:
    return str(default).lower() or "empty"


def bounds(annotation: Any) -> str:
    if choices := allowed(annotation):
        return listed(choices)
    if base_type(annotation) is bool:
        return "`true`, `false`"
    (meta,) = annotation.__metadata__
    return f"at most {meta.max_length} characters" if meta.max_length else f"{meta.ge} to {meta.le}"


def test_the_log() -> None:
    assert sorted(first_column("Log", TELEMETRY)) == sorted(
        ["time", "level", "event", *RequestFields.__annotations__, "exception"]
    )


def test_the_exit_codes() -> None:
    (said,) = re.findall(
        r"^Exit codes: (.+?)\.\n\n", section("Output and exit codes", COMMAND_LINE), flags=re.MULTILINE | re.DOTALL
    )
    epilog = re.findall(r"^ +(\d)  (.+)$", cli.EPILOG, flags=re.MULTILINE)
    assert " ".join(said.split()) == "; ".join(f"{code} {meaning}" for code, meaning in epilog)


def test_every_command_is_shown() -> None:
    assert [path for path in paths(cli.main, "trivium") if path not in COMMAND_LINE] == []


def paths(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from paths(inner, f"{path} {name}")
    else:
        yield path


# Commands


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Live]:
    with serving.live(tmp_path_factory.mktemp("live")) as served:
        yield served


def run(command: str, live: serving.Live, folder: Path = toolbox.ROOT) -> str:
    """Run a command as a reader would, after activating the environment."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{toolbox.SEARCH}"
    done = subprocess.run(
        [toolbox.path("bash"), "-euo", "pipefail", "-c", command.replace(ADDRESS, live.url)],
        cwd=folder,
        env={**os.environ, "PATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quickstart_is_two_commands() -> None:
    assert [line for line in section("Quickstart").splitlines() if line in commands()] == ["make run", "make test"]


def requests() -> list[str]:
    """Return the requests that are shown."""
    return [line for line in commands() if line.startswith("curl ")]


def post(base: str) -> httpx.Response:
    """Send the request whose answer is shown."""
    _, url, header, content_type, data, body = shlex.split(requests()[0])
    assert (url, header, data) == (f"{ADDRESS}/recommend", "-H", "-d")
    name, _, value = content_type.partition(": ")
    with httpx.Client(trust_env=False, timeout=LIMIT) as client:
        return client.post(url.replace(ADDRESS, base), content=body, headers={name: value})


def not_as_shown(answer: httpx.Response) -> list[str]:
    """Return where an answer differs from the one that is shown."""
    (excerpt,) = blocks("json")
    assert answer.status_code == 200
    return missing(json.loads(excerpt), answer.json())


def test_the_request_gets_the_answer_that_is_shown(live: serving.Live) -> None:
    assert not_as_shown(post(live.url)) == []


@pytest.mark.tool("bash", "curl")
def test_curl_gets_the_same_answer(live: serving.Live) -> None:
    assert run(requests()[0], live) == post(live.url).text


@pytest.mark.tool("bash", "curl")
def test_curl_gets_the_view_and_the_page_that_are_asked_for(live: serving.Live) -> None:
    _, brief, page = requests()
    renderer = catalog.shipped().renderer()
    for command, render in ((brief, lambda profile: renderer.json(profile, "brief")), (page, renderer.markdown)):
        body, _ = render(make_profile(json.loads(shlex.split(command)[-1])))
        assert run(command, live) == body.decode()


def test_make_run_serves_the_request_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # The old file is taken as it is, so that make installs nothing into the environment that runs this.
    only_serve = ["--old-file=.venv/.run", f"BIN={Path(sys.executable).parent}"]
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRIVIUM_", "MAKE", "MFLAGS"))
    }
    said = tmp_path / "said"
    with said.open("wb") as output:
        make = subprocess.Popen(
            ["make", "run", *only_serve],
            cwd=toolbox.ROOT,
            env=inherited | {"HOST": "127.0.0.1", "PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = printed_address(make, said)
        assert url == f"http://127.0.0.1:{port}"
        until(lambda: is_open(port))
        assert not_as_shown(post(url)) == []
        make.terminate()
        make.wait(LIMIT)
        # Signal 0 only asks whether the group of make and all that it started has anybody left.
        with pytest.raises(ProcessLookupError):
            os.killpg(make.pid, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGKILL)
        make.wait()


def printed_address(process: subprocess.Popen[bytes], said: Path) -> str:
    """Return the address that a service tells its reader."""

    def found() -> re.Match[str] | None:
        assert process.poll() is None, said.read_text()
        return re.search(r"^Trivium \S+ on (\S+), ", said.read_text(), flags=re.MULTILINE)

    return until(found, said.read_text)[1]


def missing(shown: Any, real: Any, place: str = "") -> list[str]:
    """Return where an excerpt says what is not there; of lists it may show some items, in their order."""
    if isinstance(shown, dict) and isinstance(real, dict):
        absent = [f"{place}/{name}" for name in shown.keys() - real.keys()]
        both = shown.keys() & real.keys()
        return absent + [told for name in both for told in missing(shown[name], real[name], f"{place}/{name}")]
    if isinstance(shown, list) and isinstance(real, list) and shown:
        rest = iter(real)
        return [f"{place}: {one}" for one in shown if all(missing(one, other) for other in rest)]
    return [] if shown == real else [f"{place}: {shown}, but {real}"]


def test_an_excerpt_that_says_something_else_is_noticed() -> None:
    real = {"a": 1, "b": [{"c": 1, "d": 2}, {"c": 3}], "e": ["x", "y"]}
    assert missing({"a": 1, "b": [{"c": 3}], "e": ["x", "y"]}, real) == []
    others: list[Any] = [
        {"a": 2},
        {"f": 1},
        {"b": [{"c": 2}]},
        {"b": [{"c": 3}, {"d": 2}]},
        {"e": ["y", "x"]},
        {"b": []},
    ]
    for wrong in others:
        assert missing(wrong, real) != []


@pytest.mark.tool("bash")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(README, id="README"),
        pytest.param(COMMAND_LINE, id="command-line", marks=pytest.mark.exhaustive),
        pytest.param(PORTFOLIOS, id="portfolios", marks=pytest.mark.exhaustive),
    ],
)
def test_the_commands_run_in_their_order(page: str, live: serving.Live, tmp_path: Path) -> None:
    before: set[Path] = set()
    shown = [line for line in commands(page) if "trivium " in line]
    assert len(shown) >= 3
    for command in shown:
        said = run(command, live, tmp_path)
        after = set(tmp_path.iterdir())
        assert said or after > before, command
        before = after


@pytest.mark.parametrize("page", [README, ECONOMICS, PORTFOLIOS], ids=["README", "economics", "portfolios"])
def test_the_library_does_what_is_shown(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toolbox.ROOT)
    snippet = "\n".join(blocks("pycon", page))
    test = doctest.DocTestParser().get_doctest(snippet, {}, "page", "page.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL | doctest.ELLIPSIS)
    said: list[str] = []
    result = runner.run(test, out=said.append)
    assert result.attempted > 5
    assert result.failed == 0, "".join(said)


def test_the_metrics(live: serving.Live) -> None:
    httpx.post(f"{live.url}/recommend", json={})
    expected = {}
    for family in text_string_to_metric_families(httpx.get(f"{live.url}/metrics").text):
        if family.name.startswith(("http_", "trivium_")) and not family.name.endswith("_created"):
            labels = {name for sample in family.samples for name in sample.labels} - {"le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            expected[name] = (family.type, labels, family.documentation)
    rows = {name: (kind, set(names(labels)) - {""}, text) for name, kind, labels, text in table("Metrics", TELEMETRY)}
    assert rows == expected
