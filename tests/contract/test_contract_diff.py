"""The contract differ knows what breaks a client, and the contract broke nothing since the last release."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import contract_diff


OPENAPI = Path(__file__).resolve().parents[2] / "openapi"
RELEASED = sorted((OPENAPI / "released").glob("*.yaml"))

Schema = contract_diff.AnySchema

STRING: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
NULL: dict[str, Any] = {"type": "null"}


def contract(
    path: str = "/recommend", /, components: dict[str, Any] | None = None, **operation: object
) -> dict[str, Any]:
    """Return a contract of one operation."""
    operation = {"operationId": "recommend", "responses": {"200": {"description": "OK"}}, **operation}
    return {"openapi": "3.1.0", "paths": {path: {"post": operation}}, "components": {"schemas": components or {}}}


def asking(schema: Schema, **components: object) -> dict[str, Any]:
    """Return a contract whose request body fits *schema*."""
    return contract(requestBody={"content": {"application/json": {"schema": schema}}}, components=components)


def answering(schema: Schema, **components: object) -> dict[str, Any]:
    """Return a contract whose answer fits *schema*."""
    answer = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    return contract(responses={"200": answer}, components=components)


def record(*required: str, **rest: object) -> dict[str, Any]:
    """Return an object of the strings *a* and *b*."""
    return {"type": "object", "properties": {"a": STRING, "b": STRING}, "required": list(required), **rest}


def query(name: str = "explain", **rest: object) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": STRING, **rest}


def content(*media_types: str) -> dict[str, Any]:
    return {"description": "OK", "content": {media_type: {} for media_type in media_types}}


def rules(released: dict[str, Any], current: dict[str, Any]) -> set[str]:
    return {finding.rule for finding in contract_diff.breaking_changes(released, current)}


# Each change breaks a client in the direction given, and breaks nobody when undone.
OPERATIONS = {
    "path": (contract(), contract("/other"), {"path-removed"}),
    "operation id": (contract(), contract(operationId="advise"), {"operation-id-changed"}),
    "security": (contract(), contract(security=[{"token": []}]), {"security-tightened"}),
    "scope": (
        contract(security=[{"token": ["read"]}]),
        contract(security=[{"token": ["read", "write"]}]),
        {"security-tightened"},
    ),
    "parameter gone": (contract(parameters=[query()]), contract(), {"parameter-removed"}),
    "parameter demanded": (
        contract(parameters=[query()]),
        contract(parameters=[query(required=True)]),
        {"parameter-required"},
    ),
    "parameter schema": (
        contract(parameters=[query()]),
        contract(parameters=[query(schema={"enum": ["full"]})]),
        {"request-enum-narrowed"},
    ),
    "body demanded": (
        contract(requestBody=content("text/csv")),
        contract(requestBody={**content("text/csv"), "required": True}),
        {"request-body-required"},
    ),
    "body gone": (contract(requestBody=content("text/csv")), contract(), {"request-body-removed"}),
    "format no longer read": (
        contract(requestBody=content("application/json", "text/csv")),
        contract(requestBody=content("application/json")),
        {"request-media-type-removed"},
    ),
    "format no longer offered": (
        contract(responses={"200": content("application/json", "text/csv")}),
        contract(responses={"200": content("application/json")}),
        {"response-media-type-removed"},
    ),
    "status": (
        contract(responses={"200": content(), "410": content()}),
        contract(responses={"200": content()}),
        {"response-status-removed"},
    ),
    "header": (
        contract(responses={"200": {**content(), "headers": {"ETag": {"schema": STRING}}}}),
        contract(responses={"200": content()}),
        {"response-header-removed"},
    ),
    "header schema": (
        contract(responses={"200": {**content(), "headers": {"Retry-After": {"schema": INTEGER}}}}),
        contract(responses={"200": {**content(), "headers": {"retry-after": {"schema": {}}}}}),
        {"response-type-widened"},
    ),
}

# (narrower, wider, topic): the wider schema narrowed breaks a request, the narrower one widened breaks a response.
WIDENINGS = {
    "type": (INTEGER, {"type": "number"}, "type"),
    "types": (STRING, {"type": ["string", "null"]}, "type"),
    "null by oneOf": (STRING, {"oneOf": [NULL, STRING]}, "type"),
    "anything": (STRING, {}, "type"),
    "nothing": (False, STRING, "type"),
    "enum": ({"enum": ["a"]}, {"enum": ["b", "a"]}, "enum"),
    "enum of a type": ({**STRING, "enum": ["a"]}, STRING, "enum"),
    "const": ({"const": "a"}, {"anyOf": [{"const": "b"}, {"const": "a"}]}, "enum"),
    "minimum": ({**INTEGER, "minimum": 1}, {**INTEGER, "minimum": 0}, "bound"),
    "maximum": ({**INTEGER, "maximum": 9}, INTEGER, "bound"),
    "exclusive": ({**INTEGER, "exclusiveMaximum": 9}, {**INTEGER, "maximum": 9}, "bound"),
    "length": ({**STRING, "maxLength": 9}, STRING, "bound"),
    "items": ({"type": "array", "minItems": 1}, {"type": "array"}, "bound"),
    "item": ({"type": "array", "items": INTEGER}, {"type": "array", "items": {"type": "number"}}, "type"),
    "values of a map": (
        {"type": "object", "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": {"type": "number"}},
        "type",
    ),
    "pattern": ({**STRING, "pattern": "^a"}, STRING, "constraint"),
    "format": ({**STRING, "format": "date"}, STRING, "constraint"),
    "wider format": ({**INTEGER, "format": "int32"}, {**INTEGER, "format": "int64"}, "constraint"),
    "unheard of": ({"type": "object", "propertyNames": {"pattern": "a"}}, {"type": "object"}, "constraint"),
    "allOf": ({"allOf": [INTEGER, {"minimum": 1}, {"minimum": 3}]}, {**INTEGER, "minimum": 2}, "bound"),
    "branch": ({"oneOf": [STRING, INTEGER]}, {"oneOf": [NULL, INTEGER, STRING]}, "type"),
    "inside a branch": (
        {"anyOf": [NULL, {**STRING, "maxLength": 1}]},
        {"anyOf": [{**STRING, "maxLength": 2}, NULL]},
        "bound",
    ),
}

EQUIVALENTS = {
    "null": ({"type": ["string", "null"]}, {"oneOf": [NULL, STRING]}),
    "const and enum": ({"const": 1}, {"enum": [1]}),
    "order": ({"enum": ["a", "b"]}, {"enum": ["b", "a"]}),
    "allOf": ({"allOf": [record("a"), record("b")]}, record("b", "a")),
    "listed by anyOf": ({"type": ["string", "null"], "enum": ["a", None]}, {"anyOf": [{"const": "a"}, NULL]}),
    "wording": ({**STRING, "description": "old", "examples": ["x"]}, {**STRING, "title": "New"}),
    "least length": ({**STRING, "minLength": 0}, STRING),
    "true": (True, {}),
}

# Properties are not symmetric: a request may be strict, a response is open.
REQUESTS = {
    "demanded": (record("a"), record("a", "b"), {"request-property-required"}),
    "new and demanded": (record(), {**record("c"), "properties": {"c": STRING}}, {"request-property-required"}),
    "relaxed": (record("a", "b"), record("a"), set()),
    "gone but tolerated": (record(), {**record(), "properties": {"a": STRING}}, set()),
    "gone and refused": (
        record(additionalProperties=False),
        {**record(additionalProperties=False), "properties": {"a": STRING}},
        {"request-property-removed"},
    ),
    "new": (
        {**record(additionalProperties=False), "properties": {"a": STRING}},
        record(additionalProperties=False),
        set(),
    ),
    "closed": (record(), record(additionalProperties=False), {"request-constraint-narrowed"}),
    "opened": (record(additionalProperties=False), record(), set()),
    "default changed": ({**STRING, "default": "a"}, {**STRING, "default": "b"}, {"request-default-changed"}),
    "default given": (STRING, {**STRING, "default": "b"}, set()),
    "extensible list shortened": (
        {"x-extensible-enum": ["a", "b"]},
        {"x-extensible-enum": ["a"]},
        {"request-enum-narrowed"},
    ),
}
RESPONSES = {
    "optional": (record("a", "b"), record("a"), {"response-property-optional"}),
    "required": (record("a"), record("a", "b"), set()),
    "gone": (record("a", "b"), {**record("a"), "properties": {"a": STRING}}, {"response-property-removed"}),
    "gone though optional": (record(), {**record(), "properties": {"a": STRING}}, {"response-property-removed"}),
    "new": ({**record(), "properties": {"a": STRING}}, record("a", "b"), set()),
    "opened": (record(additionalProperties=False), record(), set()),
    "extensible list": (
        {**STRING, "x-extensible-enum": ["a"]},
        {**STRING, "x-extensible-enum": ["a", "b"]},
        set(),
    ),
    "extensible enum": (
        {**STRING, "enum": ["a"], "x-extensible-enum": True},
        {**STRING, "enum": ["a", "b"], "x-extensible-enum": True},
        set(),
    ),
    "enum becomes extensible": (
        {**STRING, "enum": ["a"]},
        {**STRING, "enum": ["a", "b"], "x-extensible-enum": True},
        {"response-enum-widened"},
    ),
    "list becomes extensible": (
        {**STRING, "enum": ["a"]},
        {**STRING, "x-extensible-enum": ["a"]},
        {"response-enum-widened"},
    ),
}

# A tree, as a schema that holds itself.
TREE = {
    "type": "object",
    "properties": {"value": INTEGER, "next": {"oneOf": [NULL, {"$ref": "#/components/schemas/T"}]}},
}
DEEPER = {**TREE, "properties": {**TREE["properties"], "value": {"type": "number"}}}  # type: ignore[dict-item]  # its values are of two types
LOOP = {"anyOf": [{"$ref": "#/components/schemas/T"}, STRING]}
ROOT = {"$ref": "#/components/schemas/T"}


@pytest.mark.parametrize(("released", "current", "expected"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_that_gives_less_or_demands_more_is_breaking(
    released: dict[str, Any], current: dict[str, Any], expected: set[str]
) -> None:
    assert rules(released, current) == expected


@pytest.mark.parametrize(
    ("released", "current"),
    [pair[:2] for name, pair in OPERATIONS.items() if name not in ("path", "operation id")],
    ids=[name for name in OPERATIONS if name not in ("path", "operation id")],
)
def test_the_same_change_undone_is_not(released: dict[str, Any], current: dict[str, Any]) -> None:
    assert rules(current, released) == set()


def test_an_operation_may_be_added_but_not_removed() -> None:
    more = contract()
    more["paths"]["/recommend"]["get"] = {"responses": {}}

    assert rules(more, contract()) == {"operation-removed"}
    assert rules(contract(), more) == set()


def test_a_new_parameter_is_breaking_only_if_required() -> None:
    assert rules(contract(), contract(parameters=[query()])) == set()
    assert rules(contract(), contract(parameters=[query(required=True)])) == {"parameter-required"}


def test_a_range_of_statuses_covers_one_of_them() -> None:
    released = contract(responses={"404": content("application/problem+json")})

    assert rules(released, contract(responses={"4XX": content("application/problem+json")})) == set()
    assert rules(released, contract(responses={"default": content()})) == {"response-media-type-removed"}


@pytest.mark.parametrize(("narrow", "wide", "topic"), WIDENINGS.values(), ids=WIDENINGS)
def test_a_request_may_only_widen_and_a_response_only_narrow(narrow: Schema, wide: Schema, topic: str) -> None:
    assert rules(asking(wide), asking(narrow)) == {f"request-{topic}-narrowed"}
    assert rules(asking(narrow), asking(wide)) == set()
    assert rules(answering(narrow), answering(wide)) == {f"response-{topic}-widened"}
    assert rules(answering(wide), answering(narrow)) == set()


@pytest.mark.parametrize(("one", "two"), EQUIVALENTS.values(), ids=EQUIVALENTS)
def test_two_ways_of_saying_the_same_are_the_same(one: Schema, two: Schema) -> None:
    for ask in (asking, answering):
        assert rules(ask(one), ask(two)) == rules(ask(two), ask(one)) == set()


@pytest.mark.parametrize(("released", "current", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_requests(released: Schema, current: Schema, expected: set[str]) -> None:
    assert rules(asking(released), asking(current)) == expected


@pytest.mark.parametrize(("released", "current", "expected"), RESPONSES.values(), ids=RESPONSES)
def test_responses(released: Schema, current: Schema, expected: set[str]) -> None:
    assert rules(answering(released), answering(current)) == expected


def test_every_rule_of_the_table_is_proved() -> None:
    table = {rule for line in contract_diff.__doc__.splitlines() if line.startswith("| ") for rule in rule_names(line)}
    expected = set[str]().union(*(row[2] for rows in (OPERATIONS, REQUESTS, RESPONSES) for row in rows.values()))
    topics = {topic for _, _, topic in WIDENINGS.values()}
    expected |= {f"request-{topic}-narrowed" for topic in topics} | {f"response-{topic}-widened" for topic in topics}

    assert table == expected | {"operation-removed"}


def rule_names(line: str) -> list[str]:
    cell = line.split("|")[1].strip()
    return [] if cell in ("rule", "---") else cell.split(", ")


def test_a_schema_that_holds_itself_is_compared_once() -> None:
    (finding,) = contract_diff.breaking_changes(answering(ROOT, T=TREE), answering(ROOT, T=DEEPER))

    assert finding.rule == "response-type-widened"
    assert finding.location == "#/components/schemas/T/properties/value"
    assert rules(asking(ROOT, T=TREE), asking(ROOT, T=DEEPER)) == set()


def test_a_schema_that_is_nothing_but_itself_ends() -> None:
    assert rules(asking(ROOT, T=LOOP), asking(STRING)) == set()
    assert rules(asking(STRING), asking(ROOT, T=LOOP)) == set()


def test_references_are_followed_everywhere() -> None:
    parts = {
        "parameters": {"P": query()},
        "requestBodies": {"B": content("text/csv")},
        "responses": {"R": {**content("text/csv"), "headers": {"ETag": {"$ref": "#/components/headers/E"}}}},
        "headers": {"E": {"schema": STRING}},
    }
    referring = contract(
        parameters=[{"$ref": "#/components/parameters/P"}],
        requestBody={"$ref": "#/components/requestBodies/B"},
        responses={"200": {"$ref": "#/components/responses/R"}},
    )
    spelled = contract(
        parameters=[query()],
        requestBody=parts["requestBodies"]["B"],
        responses={"200": {**content("text/csv"), "headers": {"ETag": {"schema": STRING}}}},
    )
    referring["components"] = parts

    assert rules(referring, spelled) == rules(spelled, referring) == set()


def test_a_reference_out_of_the_contract_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the contract"):
        rules(asking({"$ref": "other.yaml#/A"}), asking(STRING))


def test_a_shared_schema_is_reported_at_its_own_place_and_once() -> None:
    def both(schema: dict[str, Any]) -> dict[str, Any]:
        answer = {"content": {"application/json": {"schema": ROOT}}}
        return contract(responses={"400": answer, "404": answer}, components={"T": schema})

    (finding,) = contract_diff.breaking_changes(both(record("a")), both(record()))

    assert str(finding) == (
        "#/components/schemas/T/properties/a: the response may now lack 'a' [response-property-optional]"
    )


def combined(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    keywords = st.sampled_from(["allOf", "anyOf", "oneOf"])
    return st.dictionaries(keywords, st.lists(inner, max_size=3), max_size=2) | st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner}
    )


def nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    properties = st.dictionaries(st.sampled_from("abc"), inner)
    return combined(inner) | st.fixed_dictionaries({"type": st.just("object"), "properties": properties})


LEAVES = st.sampled_from([True, {}, STRING, INTEGER, NULL, *(wide for _, wide, _ in WIDENINGS.values())])
SYMMETRIC = st.recursive(LEAVES, combined, max_leaves=8)
SCHEMAS = st.recursive(LEAVES | st.just(ROOT), nested, max_leaves=8)


@given(SCHEMAS)
def test_nothing_breaks_where_nothing_changed(schema: Schema) -> None:
    assert rules(asking(schema, T=TREE), asking(schema, T=TREE)) == set()
    assert rules(answering(schema, T=TREE), answering(schema, T=TREE)) == set()


@given(SYMMETRIC, SYMMETRIC)
def test_what_narrows_a_request_widens_a_response_when_undone(one: Schema, two: Schema) -> None:
    requests = {rule.removeprefix("request-").removesuffix("-narrowed") for rule in rules(asking(one), asking(two))}
    responses = {
        rule.removeprefix("response-").removesuffix("-widened") for rule in rules(answering(two), answering(one))
    }

    assert requests == responses


def test_the_command_prints_each_finding_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released, current = tmp_path / "released.yaml", tmp_path / "current.json"
    released.write_text(yaml.safe_dump(contract()))
    current.write_text(yaml.safe_dump(contract("/other"), default_flow_style=True))

    assert contract_diff.main([str(released), str(current)]) == 1
    assert capsys.readouterr().out == "#/paths/~1recommend: the path is gone [path-removed]\n"
    assert contract_diff.main([str(released), str(released)]) == 0
    assert capsys.readouterr().out == ""
    assert contract_diff.main([]) == 2


def test_a_released_contract_is_kept() -> None:
    assert RELEASED, "copy openapi.yaml to openapi/released/ at each release"


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_the_contract_breaks_no_released_one(released: Path) -> None:
    old, new = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (released, OPENAPI / "openapi.yaml"))

    assert not list(map(str, contract_diff.breaking_changes(old, new)))
