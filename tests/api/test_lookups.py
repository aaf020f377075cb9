"""What can be looked up agrees with what decides: maps, differences, versions, fields, codes, problems, the page."""

import re

import pytest

from api.serving import Inside
from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.openapi.examples import SUPPORT
from trivium.profile import FIELD_TEXTS, VOCABULARY


def test_a_map_shows_what_single_answers_say(service: Inside) -> None:
    x, y = "requests_per_day", "labeled_examples"
    made = service.client.post("/policies/1/map", json={"x": x, "y": y, "profile": SUPPORT}).json()
    assert (len(made["rows"]), {len(row) for row in made["rows"]}) == (len(made["y_bands"]), {len(made["x_bands"])})
    for row, y_band in zip(made["rows"], made["y_bands"], strict=True):
        for cell, x_band in zip(row, made["x_bands"], strict=True):
            profile = SUPPORT | {x: x_band["range"]["at_least"] or 0, y: y_band["range"]["at_least"] or 0}
            answer = service.client.post("/recommend?policy=1", json=profile).json()
            assert answer["strategy"] == cell


def test_the_difference_of_equal_policies_is_nothing(aged: Inside) -> None:
    difference = aged.client.get("/policies/1.0.0/diff/2.0.0").json()
    assert (difference["from"], difference["to"], difference["changes"]) == ("1.0.0", "2.0.0", [])
    assert difference["changed_cells"] == 0
    assert difference["cells"] == aged.client.get("/policies").json()["policies"][0]["cells"]


def test_the_versions_are_listed_newest_first(aged: Inside) -> None:
    policies = aged.client.get("/policies").json()["policies"]
    listed = [(policy["version"], policy["status"], policy["default"]) for policy in policies]
    assert listed == [("2.0.0", "active", True), ("1.1.0", "deprecated", False), ("1.0.0", "retired", False)]
    told = aged.client.get("/version").json()["policies"]
    assert sorted((policy["version"], policy["digest"]) for policy in told) == sorted(
        (policy["version"], policy["digest"]) for policy in policies
    )


def test_the_fields_can_be_drawn_as_a_form(service: Inside) -> None:
    document = service.client.get("/policies/3").json()["document"]
    entries = {entry["name"]: entry for entry in service.client.get("/inputs").json()["inputs"]}
    assert list(entries) == list(VOCABULARY)
    for name, entry in entries.items():
        assert entry["description"] == FIELD_TEXTS[name]
        assert entry["question"] == document["inputs"][name]["question"]
        for band in entry["policies"]["3.0.0"]["bands"]:
            value = band["range"].get("at_least", 0) if band["range"] else band["value"]
            answer = service.client.post("/recommend", json={name: value})
            assert answer.is_success == (entry["derived_from"] is None)
    assert entries["payback_months"]["derived_from"] == "costs"


def test_every_code_can_be_looked_up(service: Inside) -> None:
    versions = ("1.0.0", "2.0.0", "3.0.0")
    documents = {version: service.client.get(f"/policies/{version}").json()["document"] for version in versions}
    codes = service.client.get("/codes").json()["codes"]
    assert [entry["code"] for entry in codes] == sorted({code for one in documents.values() for code in one["codes"]})
    for entry in codes:
        assert service.client.get(f"/codes/{entry['code']}").json() == entry
        users = [version for version, document in documents.items() if entry["code"] in document["codes"]]
        written = documents[users[-1]]["codes"][entry["code"]]
        assert (entry["message"], entry["lever"]) == (written["message"], written["lever"])
        assert [source["id"] for source in entry["sources"]] == written["source"]
        assert entry["policies"] == users


def test_every_problem_can_be_looked_up(service: Inside) -> None:
    problems = service.client.get("/problems").json()["problems"]
    assert [entry["code"] for entry in problems] == list(PROBLEM_TYPES)
    for entry in problems:
        found = service.client.get(f"/{entry['type']}").json()
        assert found == entry | {"type": f"../{entry['type']}"}


def test_readiness_names_its_checks_when_asked(aged: Inside) -> None:
    assert aged.client.get("/readyz").json() == {"status": "ok"}
    for query in ("verbose", "verbose=true", "verbose="):
        checks = aged.client.get(f"/readyz?{query}").json()["checks"]
        assert checks == {f"policy {version}": "ok" for version in ("1.0.0", "1.1.0", "2.0.0")}


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"])
def test_the_start_leads_to_everything_that_it_names(service: Inside, accept: str) -> None:
    start = service.client.get("/", headers={"Accept": accept})
    if accept == "*/*":
        links = list(start.json()["links"].values())
    else:
        assert start.headers["content-type"] == "text/html; charset=utf-8"
        links = re.findall('href="([^"]+)"', start.text)
    assert len(links) > 4
    assert {service.client.get(f"/{link}").status_code for link in links} == {200}
