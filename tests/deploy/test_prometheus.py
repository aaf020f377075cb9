"""The monitoring files: right in themselves, and about metrics and settings that the service really has."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import toolbox
from trivium.api.app import create_app
from trivium.api.settings import Settings


DEPLOY = toolbox.ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
CASES = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))


def load(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def rules() -> Iterator[dict[str, Any]]:
    for group in load("prometheus/alerts.yml")["groups"]:
        yield from group["rules"]


def measured(*profiles: dict[str, Any]) -> list[Sample]:
    """Return what the service measures once it has been asked about *profiles*."""
    with TestClient(create_app()) as client:
        for profile in profiles:
            client.post("/recommend", json=profile)
        families = text_string_to_metric_families(client.get("/metrics").text)
    return [sample for family in families for sample in family.samples]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


@pytest.mark.tool("promtool")
def test_the_configuration_and_the_rules_are_valid() -> None:
    toolbox.run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")


@pytest.mark.tool("promtool")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_each_alert_fires_when_it_should_and_only_then(case: Path) -> None:
    toolbox.run("promtool", "test", "rules", case)


def test_each_alert_is_tested() -> None:
    fired = {name for case in CASES for name in re.findall(r'alertname="?:? ?"?(Trivium\w+)', case.read_text())}

    assert fired == set(ALERTS)


def test_the_rules_keep_installations_apart() -> None:
    for rule in rules():
        for by in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]):
            assert {"namespace", "job"} <= set(by.split(", "))
        # Each selector names the job: the chart narrows it to its own release.
        assert re.findall(r"\bnamespace_job:\w+:\w+\b(?!\{)", rule["expr"]) == []
        assert all('job="trivium"' in matchers for matchers in re.findall(r"\{([^}]*)\}", rule["expr"]))


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_it_means_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    page, _, anchor = alert["annotations"]["runbook"].partition("#")

    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert anchor == name.lower()
    assert f"### {name}\n" in (toolbox.ROOT / page).read_text()


def test_the_rules_use_only_what_the_service_measures() -> None:
    labels: dict[str, set[str]] = {"up": set()}
    for sample in measured({}):
        labels.setdefault(sample.name, set()).update(sample.labels)

    recorded = {rule["record"] for rule in rules() if "record" in rule}
    selectors = [found for rule in rules() for found in re.findall(r"([a-z_:0-9]+)\{([^}]*)\}", rule["expr"])]
    assert selectors
    for metric, matchers in selectors:
        if metric in recorded:
            continue
        assert metric in labels
        # Prometheus itself adds the job.
        assert set(re.findall(r"(\w+)\s*=", matchers)) <= labels[metric] | {"job"}
    used = {name for rule in rules() for name in re.findall(r"\bnamespace_job:\w+:\w+", rule["expr"])}
    assert used == recorded


@pytest.mark.parametrize("bucket", set(re.findall(r'le="([^"]+)"', RULES.read_text())))
def test_the_objective_for_latency_is_a_bucket(bucket: str) -> None:
    found = {sample.labels["le"] for sample in measured({}) if sample.name == "http_request_duration_seconds_bucket"}

    assert bucket in found


def test_the_first_failure_and_the_first_slow_answer_are_an_increase() -> None:
    zeros = [sample for sample in measured() if sample.value == 0 and sample.labels.get("route") == "/recommend"]

    assert any(one.name == "http_requests_total" and one.labels["status"] == "500" for one in zeros)
    assert any(one.name == "http_request_duration_seconds_count" for one in zeros)


def compose_defaults() -> dict[str, str]:
    """Return the service's variables where nobody sets any."""
    service = load("compose.yaml")["services"]["trivium"]
    return {name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value) for name, value in service["environment"].items()}


def test_compose_offers_every_setting_of_the_service_and_no_other() -> None:
    defaults = compose_defaults()
    port = {name: value for name, value in defaults.items() if name == "TRIVIUM_MANAGEMENT_PORT"}

    assert set(defaults) == {f"TRIVIUM_{field.upper()}" for field in Settings.__struct_fields__}
    assert Settings.from_environment(defaults) == Settings.from_environment(port)


def test_prometheus_asks_the_management_port_which_compose_does_not_publish() -> None:
    (scrape,) = load("prometheus/prometheus.yml")["scrape_configs"]
    service = load("compose.yaml")["services"]["trivium"]

    assert scrape["static_configs"] == [{"targets": [f"trivium:{compose_defaults()['TRIVIUM_MANAGEMENT_PORT']}"]}]
    assert [port.rpartition(":")[2] for port in service["ports"]] == ["8000"]


def test_compose_waits_until_the_service_has_stopped() -> None:
    service = load("compose.yaml")["services"]["trivium"]
    takes = [float(compose_defaults()[f"TRIVIUM_{name}_SECONDS"]) for name in ("DRAIN", "SHUTDOWN")]

    assert float(service["stop_grace_period"].removesuffix("s")) >= sum(takes) + 5


@pytest.mark.parametrize("name", load("compose.yaml")["services"])
def test_compose_runs_nothing_with_more_rights_than_it_needs(name: str) -> None:
    service = load("compose.yaml")["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
