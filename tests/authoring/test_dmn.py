"""The DMN that a policy becomes: a modeler's own library reads it, and its tables decide as the policy does."""

import json
import random
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import generators
import toolbox
import trivium
from trivium import cli
from trivium.cli.authoring import STARTER
from trivium.policy import CompiledInput, Policy, compile_policy
from trivium.policy.export.dmn import export_dmn


COMMUTE = toolbox.ROOT / "tests" / "policy" / "commute.yaml"
POLICIES = [*sorted(trivium.POLICIES.glob("adaptation-*.yaml")), STARTER, COMMUTE]
MODEL = {"dmn": "https://www.omg.org/spec/DMN/20191111/MODEL/"}

Values = dict[str, Any]


def literal(text: str) -> Any:
    """Read a FEEL literal; those that occur are JSON's."""
    return json.loads(text)


def holds(test: str, value: Any) -> bool:
    """Evaluate FEEL unary tests on a value; an order that null takes part in is never true."""
    if test == "-":
        return True
    if negated := re.fullmatch(r"not\((.*)\)", test):
        return not holds(negated[1], value)
    return any(holds_one(one, value) for one in re.findall(r"\[[^)]*\)|\"(?:[^\"\\]|\\.)*\"|[^,\s][^,]*", test))


def holds_one(test: str, value: Any) -> bool:
    if interval := re.fullmatch(r"\[(.+)\.\.(.+)\)", test):
        return value is not None and literal(interval[1]) <= value < literal(interval[2])
    if comparison := re.fullmatch(r"(<|>=) (.+)", test):
        limit = literal(comparison[2])
        return value is not None and (value < limit if comparison[1] == "<" else value >= limit)
    return type(literal(test)) is type(value) and bool(literal(test) == value)


class Model:
    """A DMN document, evaluated by the first rule whose tests all hold."""

    def __init__(self, text: str) -> None:
        self.root = ET.fromstring(text)  # noqa: S314 - written by the exporter under test

    def find(self, element: ET.Element, path: str) -> list[str]:
        return [found.text or "" for found in element.findall(path, MODEL)]

    def decide(self, given: Values) -> tuple[Values, dict[str, str]]:
        """Return what every decision says, and the rule that fired in it."""
        values, fired = dict(given), {}
        for decision in self.root.findall("dmn:decision", MODEL):
            (table,) = decision.findall("dmn:decisionTable", MODEL)
            assert table.get("hitPolicy") == "FIRST"
            read = self.find(table, "dmn:input/dmn:inputExpression/dmn:text")
            for rule in table.findall("dmn:rule", MODEL):
                tests = self.find(rule, "dmn:inputEntry/dmn:text")
                if all(holds(test, values[name]) for name, test in zip(read, tests, strict=True)):
                    name = decision.attrib["name"]
                    (output,) = self.find(rule, "dmn:outputEntry/dmn:text")
                    values[name] = literal(output)
                    fired[name] = self.find(rule, "dmn:annotationEntry/dmn:text")[0]
                    break
        return values, fired


def stated(field: CompiledInput, chance: random.Random) -> Any:
    """Draw a value that a profile may state: at the edges of bands more often than not."""
    if field.cuts is None:
        return chance.choice(list(field.spec.api_values.values()))
    cut = chance.choice(field.cuts)
    return max(field.cuts[0], cut + chance.choice([0, 0, -1, 1, -0.5, 0.5, chance.randint(0, 1_000_000)]))


def agree(policy: Policy, profiles: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    model = Model(export_dmn(policy))
    for _ in range(profiles):
        profile = {field.name: None if chance.random() < 0.25 else stated(field, chance) for field in policy.inputs}
        cell, _ = policy.read([profile[field.name] for field in policy.inputs])
        decision = policy.decide(cell)
        values, fired = model.decide(profile)
        assert values["strategy"] == policy.strategies[decision.strategy], profile
        for table, rule in zip(policy.tables, decision.fired, strict=True):
            assert (fired[table.name], values[table.name]) == (rule.id, table.outcomes[rule.outcome]), profile


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_the_tables_decide_as_the_policy_does(path: Path, count: int) -> None:
    agree(compile_policy(path.read_text()), count, 1)


@given(generators.documents(), st.integers(0, 2**32))
def test_the_tables_of_any_policy_decide_as_it_does(document: generators.Part, seed: int) -> None:
    agree(compile_policy(generators.text(document)), 40, seed)


def test_tests_are_on_raw_values() -> None:
    text = COMMUTE.read_text().replace("far: 10}", "far: 1.0e-7}").replace("middle: 2", "middle: 0.00000001")
    model = Model(export_dmn(compile_policy(text)))
    tests = set(model.find(model.root, ".//dmn:inputEntry/dmn:text"))
    assert {"null, < 0.00000001", "[0.00000001..0.0000001)", "null, false", '"wet"', "-"} <= tests


def test_text_is_escaped() -> None:
    text = COMMUTE.read_text().replace("title: How to get to work", r'title: "A <b> & \"c\" d"')
    model = Model(export_dmn(compile_policy(text)))
    assert 'A <b> & "c" d' in model.find(model.root, ".//dmn:question")


READ = """
import { DmnModdle } from "%s";
let text = ""; for await (const part of process.stdin) text += part;
const { rootElement, warnings, references } = await new DmnModdle().fromXML(text, "dmn:Definitions");
const kinds = {};
for (const one of rootElement.drgElement) kinds[one.$type] = (kinds[one.$type] || 0) + 1;
const tables = rootElement.drgElement.filter((one) => one.$type === "dmn:Decision").map((one) => one.decisionLogic);
const unresolved = [];
for (const { element, property, id } of references)
  if (property !== "dmn:href" && !element.get(property)) unresolved.push([element.id, property, id]);
const drawn = rootElement.dmnDI.diagrams[0].diagramElements;
console.log(JSON.stringify({
  warnings: warnings.map((one) => one.message), kinds, unresolved,
  policies: [...new Set(tables.map((one) => one.hitPolicy))],
  rules: tables.reduce((sum, one) => sum + one.rule.length, 0),
  generic: JSON.stringify(rootElement).includes('"$children"'),
  shapes: drawn.filter((one) => one.$type === "dmndi:DMNShape" && one.dmnElementRef).length,
  edges: drawn.filter((one) => one.$type === "dmndi:DMNEdge" && one.dmnElementRef && one.waypoint.length > 1).length,
}));
"""


@pytest.mark.tool("dmn-moddle")
@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_a_modeler_reads_it_without_a_warning(path: Path) -> None:
    policy = compile_policy(path.read_text())
    module = Path(toolbox.path("dmn-moddle")).resolve()
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", READ % module.as_uri()],
        input=export_dmn(policy),
        capture_output=True,
        text=True,
        check=True,
    )
    reads = sum(len(table.reads) for table in policy.tables)
    assert json.loads(done.stdout) == {
        "warnings": [],
        "kinds": {"dmn:InputData": len(policy.inputs), "dmn:Decision": len(policy.tables)},
        "unresolved": [],
        "policies": ["FIRST"],
        "rules": sum(len(table.rules) for table in policy.tables),
        "generic": False,
        "shapes": len(policy.variables),
        "edges": reads,
    }


def test_identifiers_are_unique_and_boxes_stand_apart() -> None:
    policy = compile_policy((trivium.POLICIES / "adaptation-3.0.0.yaml").read_text())
    root = ET.fromstring(export_dmn(policy))  # noqa: S314 - written by the exporter under test
    identifiers = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(identifiers) == len(set(identifiers))
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", identifier) for identifier in identifiers)
    bounds = [
        {side: float(value) for side, value in element.attrib.items()}
        for element in root.iter()
        if element.tag.endswith("}Bounds")
    ]
    for index, one in enumerate(bounds):
        for other in bounds[:index]:
            assert abs(one["x"] - other["x"]) >= one["width"] or abs(one["y"] - other["y"]) >= one["height"]


def test_it_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    run = CliRunner()
    file = tmp_path / "policy.dmn"
    assert run.invoke(cli.main, ["policy", "export", "--dmn", "1.0.0", "-o", str(file)]).exit_code == 0
    printed = run.invoke(cli.main, ["policy", "export", "--dmn", "1.0.0"])
    assert file.read_text() == printed.output
    assert run.invoke(cli.main, ["policy", "export", "1.0.0"]).exit_code == 2
    assert run.invoke(cli.main, ["policy", "export", "--dmn", "1.0.0", "-o", str(tmp_path / "no" / "f")]).exit_code == 2
