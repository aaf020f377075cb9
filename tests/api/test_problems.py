"""Every problem of the API can be met, is what its documentation says, and hides what went wrong inside."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import get
from litestar.connection import ASGIConnection
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    TooManyRequestsException,
)
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from api import serving
from api.serving import JSON, OPERATIONS, PATHS, Inside, documented, parse, problem
from trivium import Advisor, Profile, Recommendation
from trivium.api.http.problems import PROBLEM_TYPES
from trivium.api.openapi.examples import LARGE_BATCH, UNMAPPABLE, WRONG_BATCH, WRONG_MAP, WRONG_PROFILE
from trivium.economics import Economics
from trivium.rendering import Renderer


# The service's own failures

SECRET = "hunter2"  # noqa: S105 - it has to look like one


class Broken(Advisor):
    """Fails at each question."""

    def assess(self, profile: Profile) -> Economics | None:
        raise RuntimeError(f"{SECRET} {profile}")


class Lost(Advisor):
    """Recommends what it says cannot be reached."""

    def recommend(self, profile: Profile) -> Recommendation:
        return msgspec.structs.replace(super().recommend(profile), reachable=[])


def with_advisor(served: Inside, kind: type[Advisor]) -> None:
    service = served.app.state.services.policies
    service.default = kind(service.registry.default)
    service.advisors[service.registry.default.version] = service.default
    service.renderers[service.registry.default.version] = Renderer(service.default)


def test_a_defect_is_reported_to_the_log_and_not_to_the_caller() -> None:
    with serving.inside() as served:
        with_advisor(served, Broken)
        for response in (
            served.client.post("/recommend", json={"id": "mine"}),
            served.client.post("/recommend?view=brief", json={"id": "mine"}),
            served.client.post("/recommend/batch", json={"profiles": [{"id": "mine"}]}),
        ):
            problem(response, 500, "internal-error")
            assert SECRET not in response.text + str(response.headers)
            line = served.line(response)
            assert (line["level"], line["status"]) == ("error", 500)
            assert f"RuntimeError: {SECRET}" in line["exception"]
            documented(served, response)


@get("/defects/{name:str}")
async def fail(name: FromPath[str]) -> None:
    """Fail."""
    raise {"key": KeyError, "recursion": RecursionError, "memory": MemoryError}[name](SECRET)


@pytest.mark.parametrize("name", ["key", "recursion", "memory"])
def test_a_defect_of_any_route_is_an_internal_error(name: str) -> None:
    with serving.inside() as served:
        served.app.register(fail)
        response = served.client.get(f"/defects/{name}")
        problem(response, 500, "internal-error")
        assert SECRET not in response.text
        assert SECRET in served.line(response)["exception"]


def unready() -> httpx.Response:
    with serving.inside() as served:
        with_advisor(served, Lost)
        response = served.client.get("/readyz")
        documented(served, response)
        return response


def defective() -> httpx.Response:
    with serving.inside() as served:
        with_advisor(served, Broken)
        return served.client.post("/recommend", json={})


def test_a_service_that_is_not_ready_says_when_to_come_again() -> None:
    response = unready()
    assert "policy 2.0.0" in problem(response, 503, "not-ready")["detail"]
    assert response.headers["retry-after"] == "5"


def refused(error: HTTPException) -> httpx.Response:
    def deny(*_: object) -> None:
        raise error

    with serving.inside(guards=[deny]) as served:
        return served.client.get("/policies")


def too_slow(path: str = "/recommend") -> httpx.Response:
    async def receive() -> None:
        await asyncio.Event().wait()

    with serving.inside(body_seconds=0.05) as served:
        return asyncio.run(serving.call(served.app, path, receive, **{"content-length": "2"}))


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_guard_holds_for_every_route(method: str, path: str) -> None:
    asked: list[str] = []

    def deny(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        asked.append(connection.scope["path_template"])
        raise PermissionDeniedException

    body: Any = {} if method == "POST" else None
    with serving.inside(guards=[deny]) as served:
        problem(served.client.request(method, serving.fill(path), json=body), 403, "forbidden")
        assert asked == [path]
        line = parse(served.log)[-1]
    assert (line["status"], line["problem"]) == (403, "forbidden")


def full() -> httpx.Response:
    with serving.inside(max_batches=1) as served, served.app.state.services.batches.slot():
        return served.client.post("/recommend/batch", json={"profiles": [{}]})


# All together

SAME_AXES = {"x": "requests_per_day", "y": "requests_per_day"}
MET: dict[str, Callable[[Inside], httpx.Response]] = {
    "invalid-input": lambda aged: aged.client.post("/recommend", json={"x": 1}),
    "not-found": lambda aged: aged.client.get("/nope"),
    "unknown-policy": lambda aged: aged.client.post("/recommend?policy=9", json={}),
    "unknown-code": lambda aged: aged.client.get("/codes/NOPE"),
    "unknown-problem": lambda aged: aged.client.get("/problems/nope"),
    "method-not-allowed": lambda aged: aged.client.delete("/recommend"),
    "not-acceptable": lambda aged: aged.client.get("/policies", headers={"Accept": "text/csv"}),
    "not-mappable": lambda aged: aged.client.post("/policies/2/map", json=SAME_AXES),
    "policy-retired": lambda aged: aged.client.post("/recommend?policy=1.0.0", json={}),
    "too-large": lambda aged: aged.client.post("/recommend", content=b" " * (1 << 21), headers=JSON),
    "unsupported-media-type": lambda aged: aged.client.post("/recommend", content=b"{}"),
    "internal-error": lambda _: defective(),
    "not-ready": lambda _: unready(),
    "unauthorized": lambda _: refused(NotAuthorizedException()),
    "forbidden": lambda _: refused(PermissionDeniedException()),
    "too-many-requests": lambda _: refused(TooManyRequestsException(headers={"Retry-After": "7"})),
    "request-timeout": lambda _: too_slow(),
    "headers-too-large": lambda aged: aged.client.get("/policies", headers={"X-Long": "x" * 20_000}),
    "busy": lambda _: full(),
}


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_every_type_of_problem_can_be_met_and_explains_itself(aged: Inside, code: str) -> None:
    found = problem(MET[code](aged), PROBLEM_TYPES[code].status, code)
    explained = aged.client.get(found["type"])
    assert explained.status_code == 200
    shared = {name: found[name] for name in ("type", "code", "status", "title")}
    assert explained.json() == shared | {"description": PROBLEM_TYPES[code].description}


def examples() -> Iterator[Any]:
    """Yield each operation with each of its examples of a problem."""
    for method, path in OPERATIONS:
        for response in PATHS[path][method.lower()]["responses"].values():
            for example in response.get("content", {}).get("application/problem+json", {}).get("examples", {}).values():
                yield pytest.param(method, path, example["value"], id=f"{method} {path} {example['value']['code']}")


BODIES: dict[str, tuple[Any, Any]] = {
    "/recommend": ({}, WRONG_PROFILE),
    "/recommend/batch": ({"profiles": [{}]}, WRONG_BATCH),
    "/policies/{version}/map": ({"x": "requests_per_day", "y": "labeled_examples"}, WRONG_MAP),
}


def meet(service: Inside, aged: Inside, method: str, path: str, code: str) -> httpx.Response:
    """Ask an operation so that it has a problem."""
    fine, wrong = BODIES.get(path, (None, None))
    chosen = {"policy": "1.0.0"} if code == "policy-retired" else {} if "{" in path else {"policy": "9"}
    asked: dict[str, dict[str, Any]] = {
        "invalid-input": {"json": wrong} if wrong else {"params": {"pretty": "true"}},
        "unknown-policy": {"json": fine, "params": chosen},
        "unknown-code": {},
        "unknown-problem": {},
        "not-acceptable": {"json": fine, "headers": {"Accept": "image/png"}},
        "not-mappable": {"json": UNMAPPABLE},
        "policy-retired": {"json": fine, "params": chosen},
        "too-large": {"content": b" " * (1 << 21), "headers": JSON} if "batch" not in path else {"json": LARGE_BATCH},
        "unsupported-media-type": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
        "headers-too-large": {"json": fine, "headers": {"X-Long": "x" * 20_000}},
    }
    if code == "request-timeout":
        return too_slow(path.format(version="1.0.0"))
    if code not in asked:
        return MET[code](service)
    version = "9" if code == "unknown-policy" else "1.0.0"
    name = {"unknown-code": "HIGH_VOLUM", "unknown-problem": "too-larg"}.get(code, "HIGH_VOLUME")
    client = (aged if code == "policy-retired" else service).client
    return client.request(method, path.format(version=version, a=version, b=version, code=name), **asked[code])


@pytest.mark.parametrize(("method", "path", "example"), list(examples()))
def test_the_example_of_an_error_is_what_the_service_says(
    service: Inside, aged: Inside, method: str, path: str, example: dict[str, Any]
) -> None:
    found = problem(meet(service, aged, method, path, example["code"]), example["status"], example["code"])
    assert found | {name: example[name] for name in ("request_id", "instance")} == example
    assert example["instance"].endswith(example["request_id"])
    if "requestBody" not in PATHS[path][method.lower()]:
        assert all("parameter" in error for error in example.get("errors", []))


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch"])
def test_a_retired_policy_decides_no_more_and_names_its_successor(aged: Inside, path: str) -> None:
    response = aged.client.post(f"{path}?policy=1.0.0", json={"profiles": [{}]} if "batch" in path else {})
    assert "use 2.0.0" in problem(response, 410, "policy-retired")["detail"]
    documented(aged, response)
    assert aged.client.get("/policies/1.0.0").json()["version"] == "1.0.0"


def test_an_input_that_the_policy_does_not_read_cannot_be_mapped(service: Inside) -> None:
    entries = service.client.get("/inputs").json()["inputs"]
    unread = {entry["name"] for entry in entries if "1.0.0" not in entry["policies"]}
    assert {"knowledge_tokens", "payback_months"} < unread
    for axis in unread:
        response = service.client.post("/policies/1/map", json={"x": axis, "y": "requests_per_day"})
        assert axis in problem(response, 409, "not-mappable")["detail"]
        documented(service, response)
