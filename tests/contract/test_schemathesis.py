"""Schemathesis finds no difference between the contract and the service, and would find one.

In process it explores at random; over HTTP it tries the same cases each time, so that what it covers can be asserted.
"""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.hooks import load_from_path

import toolbox
from api import serving
from api.serving import Live
from trivium.api.app import CONTRACT, ROUTES, create_app
from trivium.api.settings import Settings


SCHEMATHESIS = Path(sys.executable).with_name("st")
CONFIG = toolbox.ROOT / "openapi" / "schemathesis.toml"
HOOKS = toolbox.ROOT / "tools" / "schemathesis_hooks.py"
LINKS = sum(
    len(response.get("links", {}))
    for methods in CONTRACT.document["paths"].values()
    for operation in methods.values()
    for response in operation["responses"].values()
)

Contract = dict[str, Any]


class Run(NamedTuple):
    """What schemathesis says."""

    exit_code: int
    report: dict[str, Any]
    output: str


def fuzz(contract: Contract, url: str, folder: Path, *options: str) -> Run:
    """Try a service against a contract."""
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    command: list[str | Path] = [
        SCHEMATHESIS,
        "--config-file",
        CONFIG,
        "run",
        "contract.json",
        "--url",
        url,
        "--mode",
        "all",
        "--no-color",
    ]
    bounds = ["--generation-deterministic", "--request-timeout", "10", "--report-json-path", "report.json"]
    done = subprocess.run(
        [*command, *bounds, *options],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(done.returncode, json.loads((folder / "report.json").read_bytes()), done.stdout + done.stderr)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving.live(tmp_path_factory.mktemp("served")) as live:
        yield live


@pytest.mark.e2e
def test_the_served_service_keeps_the_contract_it_serves(served: Live, tmp_path: Path) -> None:
    contract = httpx.get(f"{served.url}/openapi.json", timeout=60).json()
    run = fuzz(contract, served.url, tmp_path, "--phases", "examples,coverage,fuzzing", "-n", "30")

    assert run.exit_code == 0, run.output
    assert (run.report["complete"], run.report["failures"], run.report["errors"]) == (True, [], [])
    operations = run.report["operations"]
    assert operations["total"] == operations["selected"] == operations["tested"] == len(ROUTES)
    assert {phase["status"] for phase in run.report["phases"].values()} == {"success", "skip"}  # links: see below
    assert {name: said for name, said in run.report["warnings"].items() if said} == {}
    assert run.report["test_cases"]["generated"] > 1000


@pytest.mark.e2e
def test_the_served_service_can_be_followed_along_every_link(served: Live, tmp_path: Path) -> None:
    contract = httpx.get(f"{served.url}/openapi.json", timeout=60).json()
    run = fuzz(contract, served.url, tmp_path, "--phases", "stateful", "-n", "30")

    assert run.exit_code == 0, run.output
    links = re.search(r"API Links:\s+(\d+) covered / (\d+) selected / (\d+) total", run.output)
    assert links is not None, run.output
    covered, selected, total = map(int, links.groups())
    assert covered == selected == total >= LINKS


def wrong_answer(contract: Contract) -> None:
    contract["components"]["schemas"]["Recommendation"]["properties"]["strategy"] = {"type": "integer"}


def missing_status(contract: Contract) -> None:
    del contract["paths"]["/recommend"]["post"]["responses"]["400"]


def wrong_media_type(contract: Contract) -> None:
    content = contract["paths"]["/recommend"]["post"]["responses"]["200"]["content"]
    content["application/xml"] = content.pop("application/json")


def missing_header(contract: Contract) -> None:
    headers = contract["paths"]["/recommend"]["post"]["responses"]["200"]["headers"]
    headers["X-Unheard-Of"] = {"required": True, "schema": {"type": "string"}}


def narrower_input(contract: Contract) -> None:
    contract["components"]["schemas"]["Profile"]["required"] = ["requests_per_day"]


def wider_input(contract: Contract) -> None:
    profile = contract["components"]["schemas"]["Profile"]
    profile["required"] = ["budget"]
    profile["properties"]["budget"] = {"type": "integer"}


LIES = {
    wrong_answer: "JsonSchemaError",
    missing_status: "UndefinedStatusCode",
    wrong_media_type: "UndefinedContentType",
    missing_header: "MissingHeaders",
    narrower_input: "AcceptedNegativeData",
    wider_input: "RejectedPositiveData",
}


@pytest.mark.e2e
@pytest.mark.parametrize(("lie", "found"), LIES.items(), ids=[lie.__name__ for lie in LIES])
def test_a_contract_that_lies_is_found_out(
    served: Live, tmp_path: Path, lie: Callable[[Contract], None], found: str
) -> None:
    contract = copy.deepcopy(CONTRACT.document)
    lie(contract)
    run = fuzz(
        contract, served.url, tmp_path, "--include-operation-id", "recommend", "--phases", "coverage,fuzzing", "-n", "3"
    )

    assert run.exit_code == 1, run.output
    assert found in {failure["type"] for failure in run.report["failures"]}


load_from_path(str(HOOKS))
inside = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(Settings(log_level="error")), config=SchemathesisConfig.from_path(CONFIG)
)
bounded = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@bounded
@inside.parametrize()
def test_each_operation_keeps_the_contract(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


TestFollowingTheLinks = inside.as_state_machine().TestCase
TestFollowingTheLinks.settings = settings(bounded, max_examples=10, stateful_step_count=5)
