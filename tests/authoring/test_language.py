"""The published schema accepts what loads, and refuses what is malformed."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

import toolbox
import trivium
from authoring.reference_page import reference
from trivium import cli
from trivium.cli.authoring import STARTER, pointed_out
from trivium.policy import PolicyError, Problem, load_policy
from trivium.policy.language import document
from trivium.policy.language.json_schema import schema
from trivium.profile import VOCABULARY


PUBLISHED = toolbox.ROOT / "openapi" / "policy.schema.json"
COMMUTE = toolbox.ROOT / "tests" / "policy" / "commute.yaml"
POLICIES = [*sorted(trivium.POLICIES.glob("adaptation-*.yaml")), STARTER, COMMUTE]


class Core(yaml.SafeLoader):
    """YAML 1.2, in which `yes` and `no` are words, as editors have it."""


Core.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(("bool", "timestamp"))]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def validator() -> Draft202012Validator:
    made = schema()
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_that_loads_is_valid(path: Path) -> None:
    validator().validate(yaml.load(path.read_text(), Core))  # noqa: S506 - a safe loader


MALFORMED = {
    "a missing section": ("title: How to get to work\n", ""),
    "an unknown section": ("title:", "subtitle: Bus or bike\ntitle:"),
    "an unknown key": ("{id: rides, then: fine}", "{id: rides, than: fine, then: fine}"),
    "a misspelt key": ("{id: rides, then: fine}", "{id: rides, than: fine}"),
    "a policy's name": ("policy: commute", "policy: Commute!"),
    "a version": ("version: 1.0.0", "version: 1.0"),
    "a version that leads with zero": ("version: 1.0.0", "version: 01.0.0"),
    "an empty text": ("title: How to get to work", 'title: ""'),
    "a year": ("year: 2026", "year: soon"),
    "a year far off": ("year: 2026", "year: 1026"),
    "a rule's id": ("id: rides", "id: It Rides"),
    "a code's name": ("because: [RAIN]", "because: [rain]"),
    "a cut that is no number": ("near: 0,", "near: none,"),
    "one band": ("{near: 0, middle: 2, far: 10}", "{near: 0}"),
    "one value": ("values: [dry, wet]", "values: [dry]"),
    "a value twice": ("values: [dry, wet]", "values: [dry, dry]"),
    "cuts and values": ("values: [dry, wet]", "values: [dry, wet]\n    cuts: {dry: 0, wet: 1}"),
    "neither cuts nor values": ("    values: [dry, wet]\n", ""),
    "a band called unmeasured": ("values: [dry, wet]", "values: [dry, unmeasured]"),
    "who changes it": ("changed_by: action", "changed_by: somebody"),
    "a condition that is a number": ("when: {distance: near}, then: walk", "when: {distance: 1}, then: walk"),
    "a condition that is no mapping": ("when: {distance: near}, then: walk", "when: distance, then: walk"),
    "a table without rules": ("inputs: [distance, cycling]\n    rules:", "inputs: [distance, cycling]\n    rows:"),
    "no table called strategy": ("\n  strategy:\n", "\n  answer:\n"),
    "a lever that is neither": ("{label: Feet, always: true}", "{label: Feet}"),
    "a lever that is both": ("{label: Feet, always: true}", "{label: Feet, always: true, table: cycling}"),
    "a verdict": ("bad: not_needed", "bad: never"),
    "an effect": ("effect: informs", "effect: hints"),
    "a code without a source": ('get wet.", source: [S1]', 'get wet.", source: []'),
    "a phase": ("phase: now", "phase: soon"),
    "a warning without a condition": ("when: {has_bike: yes, distance: far}, ", ""),
    "a promise of half a form": ("raising: distance, never_leaves: [bus]", "raising: distance"),
    "a promise of two forms": ("reachable_given: [distance", "raising: distance, reachable_given: [distance"),
    "a setting of two inputs": ("setting: {weather: wet}", "setting: {weather: wet, distance: far}"),
    "an example without a strategy": ("profile: {distance: 10}, strategy: bus", "profile: {distance: 10}"),
    "a list that is a text": ("codes: [NO_BIKE]", "codes: NO_BIKE"),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_invalid_and_does_not_load(change: tuple[str, str]) -> None:
    text = COMMUTE.read_text()
    assert change[0] in text
    broken = text.replace(*change, 1)
    assert not validator().is_valid(yaml.load(broken, Core))  # noqa: S506 - a safe loader
    with pytest.raises(PolicyError):
        load_policy(broken, "broken.yaml")


def test_the_published_schema_is_current() -> None:
    printed = CliRunner().invoke(cli.main, ["policy", "schema"])
    assert printed.exit_code == 0
    assert PUBLISHED.read_text() == printed.output


def test_every_key_is_described_and_every_part_closed() -> None:
    for name, part in schema()["$defs"].items():
        assert part["description"]
        if name != "When":
            assert part["additionalProperties"] is False
            assert all(value["description"] for value in part["properties"].values()), name


def test_the_schema_has_every_key_of_the_language() -> None:
    definitions = schema()["$defs"]
    kinds: list[Any] = [
        kind
        for kind in vars(document).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__name__ in definitions
    ]
    assert {kind.__name__ for kind in kinds} == definitions.keys() - {"When"}
    for kind in kinds:
        assert {field.encode_name for field in msgspec.structs.fields(kind)} == definitions[kind.__name__][
            "properties"
        ].keys()


def test_the_reference_is_current() -> None:
    page = (toolbox.ROOT / "docs" / "authoring.md").read_text()
    assert page.endswith(reference())


def test_the_starter_loads_under_any_name(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    run = CliRunner()
    made = run.invoke(cli.main, ["policy", "new", "own", "--file", str(file)])
    assert made.exit_code == 0, made.output
    policy = load_policy(file.read_text(), str(file), VOCABULARY)
    assert policy.document.policy == "own"
    assert all(getattr(policy.document, part) for part in ("levers", "codes", "steps", "promises", "tests"))

    before = file.read_text()
    again = run.invoke(cli.main, ["policy", "new", "other", "--file", str(file)])
    assert (again.exit_code, again.stderr) == (2, f"Error: {file} is there already; choose another with --file\n")
    assert file.read_text() == before


def test_the_starter_is_named_for_its_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli.main, ["policy", "new", "own"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["own-1.0.0.yaml"]


@pytest.mark.parametrize("name", ["Own", "1st", "own policy", "../own", "", "x" * 65, "own\n"])
def test_a_name_that_no_policy_may_have_is_refused(name: str, tmp_path: Path) -> None:
    made = CliRunner().invoke(cli.main, ["policy", "new", name, "--file", str(tmp_path / "own.yaml")])
    assert made.exit_code == 2
    assert "is no name for a policy" in made.stderr
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli.main, ["policy", "new", "own", "--file", str(tmp_path / "no" / "own.yaml")])
    assert (made.exit_code, "No such file" in made.stderr) == (2, True)


def test_a_problem_is_shown_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(STARTER.read_text().replace("lever: rag, effect: opposes", "lever: rga, effect: opposes"))
    checked = CliRunner().invoke(cli.main, ["policy", "check", str(file)])
    assert checked.exit_code == 1
    said, line, mark = checked.stderr.splitlines()
    assert said.startswith(f"{file}:")
    assert "no lever `rga`; did you mean `rag`?" in said
    assert line[mark.index("^") :].startswith("lever: rga")


def test_a_long_line_is_shown_around_the_place() -> None:
    text = "x" * 500 + "here" + "y" * 500
    shown = pointed_out(Problem("code", "what", file="f", line=1, column=501), text).splitlines()
    assert len(shown[1]) < 220
    assert shown[1][shown[2].index("^") :].startswith("here")
    assert pointed_out(Problem("code", "what", file="f"), text) == "f: code: what"
