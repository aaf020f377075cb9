"""The contract, the types and the server say the same."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types
from openapi_spec_validator import OpenAPIV31SpecValidator

import toolbox
from api import serving
from api.serving import Inside, problems_of, resolved
from trivium import catalog
from trivium.api.app import CONTRACT, ROUTES
from trivium.api.http.direct import methods_of
from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.openapi.examples import SUPPORT
from trivium.api.settings import Settings
from trivium.errors import ERROR_CODES
from trivium.profile import COUNTS, FIELDS, MOST, VOCABULARY


DOCUMENT = CONTRACT.document

MOST_LINES = 4000
"""Lines of the contract: people read it, and review what changes in it."""
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
}
WITH_A_BODY = {name for name, operation in OPERATIONS.items() if "requestBody" in operation}

# Clients generate code from these names: none goes, and none changes.
OPERATION_IDS = {
    "recommend": "POST /recommend",
    "recommend_batch": "POST /recommend/batch",
    "recommend_impact": "POST /recommend/impact",
    "list_policies": "GET /policies",
    "read_policy": "GET /policies/{version}",
    "diff_policies": "GET /policies/{a}/diff/{b}",
    "map_policy": "POST /policies/{version}/map",
    "list_codes": "GET /codes",
    "read_code": "GET /codes/{code}",
    "list_inputs": "GET /inputs",
    "list_problems": "GET /problems",
    "read_problem": "GET /problems/{code}",
    "live": "GET /livez",
    "ready": "GET /readyz",
    "metrics": "GET /metrics",
    "version": "GET /version",
    "read_contract_json": "GET /openapi.json",
    "read_contract_yaml": "GET /openapi.yaml",
    "read_docs": "GET /docs",
    "read_start": "GET /",
}
# What an operation can answer beside what every one can; that they do is proved where errors are.
OF_ALL = {"invalid_input", "not_acceptable", "headers_too_large", "internal_error"}
OF_BODIES = {"too_large", "unsupported_media_type", "request_timeout"}
OWN = {
    "recommend": {"unknown_policy", "policy_retired"},
    "recommend_batch": {"unknown_policy", "policy_retired", "busy"},
    "recommend_impact": {"unknown_policy", "policy_retired", "busy"},
    "read_policy": {"unknown_policy"},
    "diff_policies": {"unknown_policy"},
    "map_policy": {"unknown_policy", "not_mappable"},
    "read_code": {"unknown_code"},
    "read_problem": {"unknown_problem"},
    "ready": {"not_ready"},
}


@pytest.fixture(scope="module")
def service() -> Iterator[Inside]:
    with serving.inside() as served:
        yield served


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return what validates by a schema of the contract."""
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_contract_in_the_repository_is_the_generated_one() -> None:
    written = (toolbox.ROOT / "openapi" / "openapi.yaml").read_text(encoding="utf-8")
    assert written == CONTRACT.yaml, "openapi/openapi.yaml is stale; run: make openapi"
    assert written.count("\n") < MOST_LINES


def test_the_contract_is_openapi_and_the_same_in_each_form() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    as_json = msgspec.json.decode(CONTRACT.json)
    assert yaml.safe_load(CONTRACT.yaml) == as_json == msgspec.to_builtins(DOCUMENT)


def test_the_contract_is_the_same_for_every_request(service: Inside) -> None:
    assert service.client.get("/openapi.json").content == CONTRACT.json
    assert service.client.get("/openapi.yaml").text == CONTRACT.yaml


def test_the_names_of_the_operations_stay() -> None:
    names = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert names == OPERATION_IDS


def test_every_route_is_in_the_contract_and_nothing_else(service: Inside) -> None:
    routes = {
        f"{method} {route.path_format.replace(':str}', '}')}"
        for route in service.app.routes
        for method in methods_of(route) - {"OPTIONS", "HEAD"}  # the framework's own, and what goes with each GET
    } - {"GET /docs/{asset}"}  # files of the page
    assert routes == set(OPERATION_IDS.values())
    assert len(routes) == len(ROUTES)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_problem_stands_at_the_operations_that_can_answer_it(name: str) -> None:
    documented = {
        (int(status), code)
        for status, response in OPERATIONS[name]["responses"].items()
        for code in problems_of(response)
    }
    expected = OF_ALL | OWN.get(name, set()) | (OF_BODIES if name in WITH_A_BODY else set())
    assert documented == {(PROBLEM_TYPES[code].status, code) for code in expected}


def examples() -> Iterator[Any]:
    for name, operation in OPERATIONS.items():
        for parameter in map(resolved, operation.get("parameters", [])):
            if "example" in parameter:
                yield pytest.param(parameter["schema"], parameter["example"], id=f"{name}-{parameter['name']}")
            for number, example in enumerate(parameter["schema"].get("examples", [])):
                yield pytest.param(parameter["schema"], example, id=f"{name}-{parameter['name']}-{number}")
        bodies = {"body": operation["requestBody"]} if name in WITH_A_BODY else {}
        for status, body in (bodies | operation["responses"]).items():
            for content in resolved(body).get("content", {}).values():
                if "contentMediaType" in content["schema"]:  # an example could not be read
                    continue
                assert content["examples"], f"{name} {status} has no example"
                for key, example in content["examples"].items():
                    yield pytest.param(content["schema"], resolved(example)["value"], id=f"{name}-{status}-{key}")


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_every_example_is_valid(schema: dict[str, Any], example: Any) -> None:
    assert [error.message for error in validator(schema).iter_errors(example)] == []


PATHS = {
    "recommend": "/recommend",
    "recommend_batch": "/recommend/batch",
    "recommend_impact": "/recommend/impact?from=2.0.0",
    "map_policy": "/policies/1/map",
}


def bodies() -> Iterator[Any]:
    assert set(PATHS) == WITH_A_BODY
    for name in PATHS:
        content = OPERATIONS[name]["requestBody"]["content"]["application/json"]
        for key, example in content["examples"].items():
            yield pytest.param(name, resolved(example)["value"], id=f"{name}-{key}")


@pytest.mark.parametrize("name", ["recommend_batch", "recommend_impact"])
@pytest.mark.parametrize("media_type", ["application/x-ndjson", "text/csv"])
def test_the_example_texts_are_taken_and_none_at_all_is_not(service: Inside, name: str, media_type: str) -> None:
    content = OPERATIONS[name]["requestBody"]["content"][media_type]
    (example,) = content["examples"].values()
    for text, status in ((resolved(example)["value"], 200), ("", 400)):
        response = service.client.post(PATHS[name], content=text, headers={"Content-Type": media_type})
        assert response.status_code == status, response.text
        assert Draft202012Validator(content["schema"]).is_valid(text) == response.is_success


def agreed(service: Inside, name: str, body: Any) -> bool:
    """Tell whether an operation takes a body; schema and server have to agree."""
    schema = OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"]
    response = service.client.post(PATHS[name], json=body)
    assert response.status_code in {200, 400}
    assert validator(schema).is_valid(body) == response.is_success, response.text
    return response.is_success


@pytest.mark.parametrize(("name", "example"), list(bodies()))
def test_the_example_bodies_are_taken_and_unknown_fields_are_not(service: Inside, name: str, example: Any) -> None:
    assert agreed(service, name, example)
    assert not agreed(service, name, example | {"unheard_of": 1})


@pytest.mark.parametrize("holder", ["profile", "defaults"])
def test_unknown_fields_of_a_nested_profile_are_refused(service: Inside, holder: str) -> None:
    name = "map_policy" if holder == "profile" else "recommend_batch"
    axes = {"x": "requests_per_day", "y": "labeled_examples"}
    rest: dict[str, Any] = axes if holder == "profile" else {"profiles": [{}]}
    assert agreed(service, name, rest | {holder: SUPPORT})
    assert agreed(service, name, rest | {holder: None})
    assert not agreed(service, name, rest | {holder: SUPPORT | {"unheard_of": 1}})


def probes() -> Iterator[Any]:
    """Yield, for each field, values at its bounds and beyond, with whether they are fine."""
    others = ["", "x", True, False, 0, 1.5, [], {}, -1]
    for name in FIELDS:
        kind = VOCABULARY[name].kind if name in VOCABULARY else "text"
        if kind == "number":
            fine: list[Any] = [0, -0.0, 1, 1.0, 1000, MOST, int(MOST)] + [0.5] * (name not in COUNTS)
            wrong = [-1, -1e-9, MOST * 1.001, int(MOST) + 1, 1e300, "1", True, [], {}] + [0.5] * (name in COUNTS)
        elif kind == "choice":
            fine = list(VOCABULARY[name].choices)
            wrong = [*others, fine[0].upper(), fine[0] + " ", fine[0] + "\n"]
        elif kind == "flag":
            fine, wrong = [True, False], [0, 1, "true", [], {}]
        elif name == "costs":
            fine = [{}, {"model": "x", "epochs": 3}]
            wrong = ["", [], 1, {"epochs": 1.5}, {"runs": -1}, {"unheard_of": 1}, {"cache_factor": 101}]
        else:
            fine, wrong = ["", "x" * 200, "\U0001f980" * 200], ["x" * 201, 1, True, [], {}]
        for is_fine, values in ((True, [None, *fine]), (False, wrong)):
            for value in values:
                yield pytest.param(name, value, is_fine, id=f"{name}-{str(value)[:12]!r}")


@pytest.mark.parametrize(("name", "value", "is_fine"), list(probes()))
def test_schema_and_server_take_the_same_values_of_a_field(
    service: Inside, name: str, value: Any, is_fine: bool
) -> None:
    assert agreed(service, "recommend", {name: value}) == is_fine


def test_the_lookup_of_fields_tells_the_bounds_of_the_schema(service: Inside) -> None:
    properties = SCHEMAS["Profile"]["properties"]
    entries = service.client.get("/inputs").json()["inputs"]
    stated_fields = [name for name in properties if name not in {"id", "costs"}]
    assert [entry["name"] for entry in entries if entry["derived_from"] is None] == stated_fields
    assert [entry["name"] for entry in entries if entry["derived_from"] == "costs"] == ["payback_months"]
    for entry in entries:
        if entry["derived_from"] is not None:
            assert entry["derived_from"] in properties
            continue
        spec = properties[entry["name"]]
        (stated,) = [resolved(option) for option in spec.get("anyOf", [spec]) if option != {"type": "null"}]
        assert entry["type"] == ("choice" if "enum" in stated else stated["type"][0])
        assert (entry["minimum"], entry["maximum"]) == (stated.get("minimum"), stated.get("maximum"))
        assert sorted(entry["choices"] or []) == sorted(stated.get("enum", []))


def test_the_lookup_of_fields_has_the_rest_of_the_profile_too(service: Inside) -> None:
    others = {entry["name"]: entry for entry in service.client.get("/inputs").json()["other_fields"]}
    costs = {f"costs.{name}": schema for name, schema in SCHEMAS["Costs"]["properties"].items()}
    rest = {"id": SCHEMAS["Profile"]["properties"]["id"]} | costs
    assert list(others) == list(rest)
    for name, entry in others.items():
        stated = rest[name]
        assert entry["type"] == {"string": "text"}.get(stated["type"][0], stated["type"][0])
        assert entry["description"].lower() == rest[name]["description"].lower()
        bounds = (stated.get("minimum"), stated.get("maximum"), stated.get("maxLength"))
        assert (entry["minimum"], entry["maximum"], entry["max_length"]) == bounds


@pytest.mark.parametrize(("name", "kind"), [("recommend_batch", "Batch"), ("recommend_impact", "Impact")])
def test_an_item_of_a_batch_is_of_the_kind_that_its_status_says(service: Inside, name: str, kind: str) -> None:
    schema = SCHEMAS[f"{kind}Item"]
    assert SCHEMAS[f"{kind}Result"]["properties"]["items"]["items"] == {"$ref": f"#/components/schemas/{kind}Item"}
    mapping = schema["discriminator"]["mapping"]
    assert schema["discriminator"]["propertyName"] == "status"
    assert sorted(mapping.values()) == sorted(option["$ref"] for option in schema["oneOf"])
    decided, wrong = service.client.post(PATHS[name], json={"profiles": [{}, 1]}).json()["items"]
    of_each = {"Batch": "result", "Impact": "changed"}[kind]
    for item, status in ((decided, "ok"), (wrong, "error")):
        assert item["status"] == status
        assert validator({"$ref": mapping[status]}).is_valid(item)
        (other,) = mapping.keys() - {status}
        assert not validator({"$ref": mapping[other]}).is_valid(item)
        assert not validator(schema).is_valid(item | {"status": other})
        for member in ("status", "index", of_each if status == "ok" else "error"):
            assert not validator(schema).is_valid({name: value for name, value in item.items() if name != member})


def test_the_examples_of_the_contract_itself_are_parts_of_it(service: Inside) -> None:
    for name, media in (("read_contract_json", "application/json"), ("read_contract_yaml", "application/yaml")):
        (example,) = OPERATIONS[name]["responses"]["200"]["content"][media]["examples"].values()
        example = resolved(example)["value"]
        example = yaml.safe_load(example) if isinstance(example, str) else example
        assert example["openapi"] == DOCUMENT["openapi"]
        assert example["info"].items() <= DOCUMENT["info"].items()
        ((path, methods),) = example["paths"].items()
        ((method, operation),) = methods.items()
        assert operation.items() <= DOCUMENT["paths"][path][method].items()
    (page,) = OPERATIONS["read_docs"]["responses"]["200"]["content"]["text/html"]["examples"].values()
    assert service.client.get("/docs").text == resolved(page)["value"]


@pytest.mark.parametrize(
    ("body", "is_fine"),
    [
        ({"profiles": [{}]}, True),
        ({"profiles": []}, False),
        ({"profiles": None}, False),
        ({"profiles": {}}, False),
        ({}, False),
        ([{}], False),
        ({"profiles": [{}], "defaults": []}, False),
    ],
)
def test_schema_and_server_take_the_same_batches(service: Inside, body: Any, is_fine: bool) -> None:
    assert agreed(service, "recommend_batch", body) == is_fine


def everywhere(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of the components, with where it stands."""
    if isinstance(part, dict):
        if not path.endswith("/properties"):
            yield path, part
        for name, below in part.items():
            yield from everywhere(below, f"{path}/{name}")
    elif isinstance(part, list):
        for index, below in enumerate(part):
            yield from everywhere(below, f"{path}/{index}")


def test_the_schemas_are_such_that_generators_of_clients_read_them_well() -> None:
    wrong = [
        path
        for path, schema in everywhere(SCHEMAS)
        if "default" in schema  # taken for a promise that the member is there
        or ("integer" in schema.get("type", ()) and "format" not in schema)  # taken for 32 bits
        or "(?" in str(schema.get("pattern", ""))  # not known to every language
        or (len(schema.get("enum", ())) > 1 and (path.count("/") > 1 or schema.get("type") != "string"))  # not named
        or {"array", "object"} <= {str(option.get("type")) for option in schema.get("anyOf", ())}
    ]
    assert wrong == []
    assert SCHEMAS.keys().isdisjoint({"Promise", "Range", "Document", "Input", "Example", "Error", "Map", "Record"})


def test_a_member_that_is_always_sent_is_required_and_one_that_is_left_out_is_never_null(service: Inside) -> None:
    answer = service.client.post("/recommend", json={}).json()
    optional = {"assumptions", "sources", "labels"}  # in the full view only
    assert set(SCHEMAS["Recommendation"]["required"]) == SCHEMAS["Recommendation"]["properties"].keys() - optional
    assert answer.keys() == set(SCHEMAS["Recommendation"]["required"])
    assert "errors" not in SCHEMAS["ProblemDocument"]["required"]
    assert SCHEMAS["ProblemDocument"]["properties"]["limit"]["type"] == "integer"
    assert "errors" not in service.client.get("/nope").json()


def test_every_policy_is_served_in_its_normal_form(service: Inside) -> None:
    for policy in service.client.get("/policies").json()["policies"]:
        served = service.client.get(f"/policies/{policy['version']}").json()
        errors = validator({"$ref": "#/components/schemas/PolicyDetail"}).iter_errors(served)
        assert [error.message for error in errors] == []
        written = catalog.shipped().registry.by_version[policy["version"]].policy.document
        again = msgspec.convert(served["document"], type(written))
        assert [one.api_values for one in again.inputs.values()] == [one.api_values for one in written.inputs.values()]


def test_lists_that_may_grow_say_so() -> None:
    open_lists = {name: part["properties"] for name, part in SCHEMAS.items() if "properties" in part}
    assert open_lists["ProblemDocument"]["code"]["x-extensible-enum"] == list(PROBLEM_TYPES)
    assert open_lists["FieldError"]["code"]["x-extensible-enum"] == list(ERROR_CODES)
    strategies = list(catalog.shipped().default.policy.document.strategies)
    assert open_lists["Recommendation"]["strategy"]["x-extensible-enum"] == strategies


def test_what_the_service_sends_beside_the_body_is_in_the_contract() -> None:
    headers = {
        name: {
            header for response in operation["responses"].values() for header in resolved(response).get("headers", {})
        }
        for name, operation in OPERATIONS.items()
    }
    assert headers["recommend"] >= {"X-Request-ID", "Deprecation", "Sunset", "Link", "Accept-Post"}
    assert "Retry-After" in headers["recommend_batch"] & headers["ready"]
    for name, operation in OPERATIONS.items():
        asks = "IfNoneMatch" in str(operation.get("parameters", []))
        assert asks == ("ETag" in headers[name]) == ("304" in operation["responses"])


def test_one_wrong_profile_is_outside_the_schema_and_does_not_touch_the_others(service: Inside) -> None:
    schema = {"$ref": "#/components/schemas/BatchRequest"}
    for wrong in (1, "x", None, True, [], [[1]], {"x": 1}):
        body = {"profiles": [SUPPORT, wrong]}
        assert not validator(schema).is_valid(body)
        items = service.client.post("/recommend/batch", json=body).json()["items"]
        assert [item["status"] for item in items] == ["ok", "error"]


def test_the_schema_limits_a_batch_as_the_service_does_unless_set_otherwise() -> None:
    assert SCHEMAS["BatchRequest"]["properties"]["profiles"]["maxItems"] == Settings().max_batch == 1000


@pytest.mark.parametrize(
    ("query", "is_fine"),
    [
        ({}, True),
        ({"policy": "1.0.0"}, True),
        ({"policy": "1"}, True),
        ({"policy": "1.0"}, True),
        ({"policy": "latest"}, True),
        ({"policy": ""}, False),
        ({"policy": "v1"}, False),
        ({"policy": "1.0.0.0"}, False),
        ({"policy": "1234567"}, False),
        ({"view": "full"}, True),
        ({"view": "brief"}, True),
        ({"view": "standard"}, True),
        ({"view": ""}, False),
        ({"view": "Full"}, False),
        ({"unheard_of": "1"}, False),
    ],
)
def test_schema_and_server_take_the_same_parameters(service: Inside, query: dict[str, str], is_fine: bool) -> None:
    parameters = {one["name"]: one["schema"] for one in map(resolved, OPERATIONS["recommend"]["parameters"])}
    assert list(parameters) == ["policy", "view"]
    by_schema = all(name in parameters and validator(parameters[name]).is_valid(text) for name, text in query.items())
    assert by_schema == is_fine
    assert service.client.post("/recommend", params=query, json={}).status_code == (200 if is_fine else 400)
