"""The contract passes its linters, and the linters notice what they are there for."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

import toolbox


OPENAPI = toolbox.ROOT / "openapi"
CONTRACT = OPENAPI / "openapi.yaml"

# One operation that lacks what it should have, one that has what it should not.
BARE: dict[str, Any] = {"responses": {"200": {"description": "OK"}}}
SPOILT_SCHEMA = {"$ref": "#/components/schemas/Spoilt"}
SPOILT: dict[str, Any] = {
    "operationId": "spoilOne",
    "tags": ["unheard_of", "second"],
    "summary": "Spoil one",
    "description": "Spoil one.",
    "parameters": [
        {"name": "howMany", "in": "query", "schema": {"type": "integer"}, "example": "many"},
        {"name": "which", "in": "query", "schema": {"type": "array", "items": {"type": "boolean"}}},
    ],
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "name": {"type": ["string", "null"]},
                        "list": {"type": "array", "items": {"type": "number", "minimum": 0}},
                    },
                }
            }
        }
    },
    "responses": {
        "200": {"description": "OK", "content": {"application/json": {"schema": {"type": "array", "items": {}}}}},
        "404": {"description": "Gone", "content": {"application/json": {"schema": SPOILT_SCHEMA, "example": {}}}},
    },
}

REDOCLY_NOTICES = {
    "array-parameter-serialization",
    "no-invalid-media-type-examples",
    "no-invalid-parameter-examples",
    "no-invalid-schema-examples",
    "no-unused-components",
    "operation-4xx-problem-details-rfc7807",
    "operation-4xx-response",
    "operation-description",
    "operation-operationId",
    "operation-singular-tag",
    "operation-summary",
    "operation-tag-defined",
    "parameter-description",
    "path-http-verbs-order",
    "path-params-defined",
    "paths-kebab-case",
    "tag-description",
    "tags-alphabetical",
}
# All of our own; those that come with Spectral are Spectral's to prove.
SPECTRAL_RULES = yaml.safe_load((OPENAPI / "spectral.yaml").read_text(encoding="utf-8"))["rules"]
SPECTRAL_NOTICES = {rule for rule, definition in SPECTRAL_RULES.items() if isinstance(definition, dict)}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a copy of the contract to which somebody added two careless operations."""
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    contract["paths"]["/spoilt_Path/{name}"] = {"post": SPOILT, "get": BARE}
    contract["components"]["schemas"]["Spoilt"] = {
        "type": "object",
        "properties": {"camelCase": {"type": "string"}},
        "required": ["camelCase"],
        "examples": [{"camelCase": 1}],
    }
    contract["components"]["schemas"]["Unused"] = {"type": "object"}
    contract["tags"].insert(0, {"name": "zzz"})
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(contract, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDOCLY_TELEMETRY", "off")
    monkeypatch.setenv("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")


def redocly(contract: Path) -> set[str]:
    """Return the rules of openapi/redocly.yaml that the contract breaks."""
    config = OPENAPI / "redocly.yaml"
    done = toolbox.run(
        "redocly", "lint", f"--config={config}", "--format=json", "--max-problems=9999", contract, check=False
    )
    found = {problem["ruleId"] for problem in json.loads(done.stdout)["problems"]}

    assert bool(done.returncode) == bool(found), done.stderr
    return found


def spectral(contract: Path) -> set[str]:
    """Return the rules of openapi/spectral.yaml that the contract breaks."""
    rules = OPENAPI / "spectral.yaml"
    done = toolbox.run(
        "spectral",
        "lint",
        f"--ruleset={rules}",
        "--format=json",
        "--quiet",
        "--fail-severity=hint",
        contract,
        check=False,
    )
    found = {problem["code"] for problem in json.loads(done.stdout)}

    assert bool(done.returncode) == bool(found), done.stderr
    return found


def test_the_contract_is_openapi() -> None:
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))

    assert [error.message for error in OpenAPIV31SpecValidator(contract).iter_errors()] == []
    del contract["info"]
    assert [error.message for error in OpenAPIV31SpecValidator(contract).iter_errors()] != []


@pytest.mark.tool("redocly")
def test_redocly_finds_nothing() -> None:
    assert redocly(CONTRACT) == set()


@pytest.mark.tool("redocly")
def test_redocly_notices_a_careless_addition(broken: Path) -> None:
    assert REDOCLY_NOTICES - redocly(broken) == set()


@pytest.mark.tool("spectral")
def test_spectral_finds_nothing() -> None:
    assert spectral(CONTRACT) == set()


@pytest.mark.tool("spectral")
def test_spectral_notices_a_careless_addition(broken: Path) -> None:
    assert SPECTRAL_NOTICES - spectral(broken) == set()
