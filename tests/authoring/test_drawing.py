"""Pictures: valid, escaped, complete, without overlap, and with the right path."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import generators
import toolbox
import trivium
from trivium import cli
from trivium.policy import Policy, compile_policy
from trivium.policy.engine.diagram import leaf_value
from trivium.policy.export.drawing import draw_diagram, draw_tables
from trivium.policy.export.layout import Line, arrange


SVG = {"svg": "http://www.w3.org/2000/svg"}
COMMUTE = toolbox.ROOT / "tests" / "policy" / "commute.yaml"
POLICIES = [*sorted(trivium.POLICIES.glob("adaptation-*.yaml")), COMMUTE]


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - written by the code under test


def titles(root: ET.Element, kind: str = "g") -> list[str]:
    """Return the titles of the groups, or only of those with a class."""
    return [found.text or "" for found in root.findall(f".//svg:{kind}/svg:title", SVG)]


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    found = [one for one in root.findall(".//svg:rect", SVG) if one.get("class", "").startswith("box")]
    return [
        (float(b["x"]), float(b["y"]), float(b["width"]), float(b["height"])) for b in (one.attrib for one in found)
    ]


def assert_apart(root: ET.Element) -> None:
    placed = boxes(root)
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    for index, (x, y, across, down) in enumerate(placed):
        assert x >= 0 <= y
        assert x + across <= width
        assert y + down <= height
        for left, top, wide, tall in placed[:index]:
            assert x + across <= left or left + wide <= x or y + down <= top or top + tall <= y


def load(path: Path) -> Policy:
    return compile_policy(path.read_text())


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_tables_show_every_input_table_and_read(path: Path) -> None:
    policy = load(path)
    root = parsed(draw_tables(policy))
    assert len(boxes(root)) == len(policy.variables)
    said = titles(root)
    assert {title.split("\n")[0] for title in said} >= {variable.name for variable in policy.variables}
    reads = {f"{table.name} reads {policy.variables[read].name}" for table in policy.tables for read in table.reads}
    assert {title for title in said if " reads " in title} == reads
    assert_apart(root)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_the_diagram_shows_every_node_and_every_merged_edge(path: Path) -> None:
    policy = load(path)
    space = policy.diagrams
    nodes = space.nodes(policy.root)
    root = parsed(draw_diagram(policy))
    assert len(boxes(root)) == len(nodes)
    edges = [one for one in root.findall(".//svg:path", SVG) if one.get("class") == "line"]
    assert len(edges) == sum(len({child for child in space.children[one] if child >= 0}) for one in nodes)
    leaves = [title for title in titles(root) if "\u2192" in title]
    assert len(leaves) == sum(len({child for child in space.children[one] if child < 0}) for one in nodes)
    assert_apart(root)


def lit(root: ET.Element) -> list[ET.Element]:
    return [group for group in root.findall(".//svg:g", SVG) if group.get("class") == "on"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_a_profile_s_path_stands_out(path: Path) -> None:
    policy = load(path)
    cell, _ = policy.read_profile({})
    space = policy.diagrams
    steps, at = [], policy.root
    while at >= 0:
        steps.append(at)
        at = space.children[at][cell[space.levels[at]]]
    root = parsed(draw_diagram(policy, cell))
    assert sum(bool(boxes(group)) for group in lit(root)) == len(steps)
    assert sum(group.find("svg:path", SVG) is not None for group in lit(root)) == len(steps) - 1
    taken = [
        one.text for group in lit(root) for one in group.findall(".//svg:text", SVG) if one.get("class") == "taken"
    ]
    assert policy.document.strategies[policy.strategies[leaf_value(at)]] in taken
    assert len(taken) == len(steps) + 1

    root = parsed(draw_tables(policy, cell))
    decision = policy.decide(cell)
    said = "".join(root.itertext())
    for table, rule in zip(policy.tables, decision.fired, strict=True):
        assert f"{rule.id} \u2192 {table.outcomes[rule.outcome]}" in said
    asked = [group for group in lit(root) if boxes(group)]
    assert any("strategy" in "".join(group.itertext()) for group in asked)


@given(generators.documents())
def test_any_policy_can_be_drawn(document: generators.Part) -> None:
    policy = compile_policy(generators.text(document))
    cell, _ = policy.read_profile({})
    for text in (draw_tables(policy), draw_tables(policy, cell), draw_diagram(policy), draw_diagram(policy, cell)):
        assert_apart(parsed(text))


def test_text_is_escaped() -> None:
    text = COMMUTE.read_text()
    text = text.replace("title: How to get to work", r'title: "<script>&\""').replace("walk: Walk", 'walk: "<i>&"')
    policy = compile_policy(text.replace("How many kilometers is it?", r'"]]> <b>"'))
    for picture in (draw_tables(policy), draw_diagram(policy)):
        root = parsed(picture)
        assert root.findtext("svg:desc", namespaces=SVG) == '<script>&"'
        assert not root.findall(".//svg:script", SVG)
        assert "<i>&" in [one.text for one in root.findall(".//svg:text", SVG)]


def test_pictures_keep_to_themselves_and_follow_the_reader_s_colors() -> None:
    policy = load(COMMUTE)
    for picture in (draw_tables(policy), draw_diagram(policy)):
        assert "prefers-color-scheme:dark" in picture
        assert not re.search(r"href|url\(|@import|<script", picture)
        assert set(re.findall(r"https?://\S+?(?=\")", picture)) == {SVG["svg"]}


def test_draw_reads_a_profile_with_its_costs(tmp_path: Path) -> None:
    run = CliRunner()
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"labeled_examples": 300}))
    for what in ("--tables", "--diagram"):
        file = tmp_path / "picture.svg"
        done = run.invoke(cli.main, ["policy", "draw", "3.0.0", what, "--profile", str(profile), "-o", str(file)])
        assert done.exit_code == 0, done.output
        assert lit(parsed(file.read_text()))
    printed = run.invoke(cli.main, ["policy", "draw", "3.0.0"])
    assert not lit(parsed(printed.output))
    profile.write_text('{"labeled_exampels": 1}')
    wrong = run.invoke(cli.main, ["policy", "draw", "3.0.0", "--profile", str(profile)])
    assert (wrong.exit_code, "did you mean `labeled_examples`?" in wrong.stderr) == (2, True)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(5, 40)), min_size=1, max_size=15), st.data())
def test_no_two_boxes_of_a_layer_overlap(given_boxes: list[tuple[int, int]], data: st.DataObject) -> None:
    layers = {key: (layer, float(size)) for key, (layer, size) in enumerate(given_boxes)}
    pairs = [(one, other) for one in layers for other in layers if layers[one][0] < layers[other][0]]
    lines = [Line(*pair) for pair in data.draw(st.lists(st.sampled_from(pairs), unique=True))] if pairs else []
    placed = arrange(layers, lines, 10, 5, lambda line: line.target)
    for one, (layer, size) in layers.items():
        assert size / 2 <= placed.middle[one] + 1e-6
        assert placed.middle[one] + size / 2 <= placed.extent + 1e-6
        for other in range(one):
            if layers[other][0] == layer:
                apart = abs(placed.middle[one] - placed.middle[other])
                assert apart >= (size + layers[other][1]) / 2 + 10 - 1e-6
    for line, through in placed.through.items():
        assert len(through) == layers[line.target][0] - layers[line.source][0] - 1
