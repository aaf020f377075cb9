"""A recommendation is the same from everywhere, as long as asked, and one of many fails alone."""

import datetime as dt
import os
import subprocess
import sys
import threading
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trivium
from api import serving
from api.serving import JSON, Inside, Live, problem
from trivium import Advisor, Profile, rendering
from trivium.api.openapi.examples import INDEED, SUPPORT
from trivium.economics import Economics
from trivium.recommendation import View, encode


ASK = """
import sys, httpx
from litestar.testing import TestClient
from trivium.api.app import create_app
from trivium.api.settings import Settings
with TestClient(create_app(Settings(log_level="error"))) as client:
    answer = client.post(sys.argv[1], content=sys.argv[2], headers={"Content-Type": sys.argv[3]})
    sys.stdout.buffer.write(answer.content)
"""


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch"])
def test_equal_questions_get_equal_bytes_from_any_process(service: Inside, live: Live, path: str) -> None:
    profiles = [INDEED, SUPPORT, {}, {"x": 1, "y": 2}]
    body = msgspec.json.encode({"profiles": profiles} if "batch" in path else INDEED)
    answer = service.client.post(path, content=body, headers=JSON).content
    assert httpx.post(live.url + path, content=body, headers=JSON).content == answer
    command = [sys.executable, "-c", ASK, path, body.decode(), JSON["Content-Type"]]
    for seed in ("1", "2"):
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert done.stdout == answer


@pytest.mark.parametrize("path", ["/policies/1", "/policies/1/diff/1", "/codes", "/inputs", "/openapi.yaml", "/docs"])
def test_what_is_looked_up_is_the_same_bytes_in_any_process(service: Inside, live: Live, path: str) -> None:
    assert httpx.get(live.url + path, timeout=60).content == service.client.get(path).content


def test_errors_come_in_the_order_of_the_query(service: Inside) -> None:
    names = [f"unheard_of_{number}" for number in range(20)]
    found = service.client.post("/recommend", params=dict.fromkeys(names, "1"), json={}).json()
    assert [error["parameter"] for error in found["errors"]] == names


def test_of_a_field_named_twice_the_last_one_counts(service: Inside) -> None:
    twice, once = b'{"labeled_examples":1,"labeled_examples":2000}', b'{"labeled_examples":2000}'
    for path, body in (
        ("/recommend", b"%b"),
        ("/recommend?view=full", b"%b"),
        ("/recommend/batch", b'{"profiles":[%b]}'),
    ):
        answers = [service.client.post(path, content=body % profile, headers=JSON) for profile in (twice, once)]
        assert answers[0].is_success
        assert answers[0].content == answers[1].content


@pytest.mark.parametrize("view", ["brief", "standard", "full"])
def test_an_answer_is_as_long_as_asked(service: Inside, view: View) -> None:
    answer = service.client.post(f"/recommend?view={view}", json=INDEED)
    assert answer.json() == msgspec.json.decode(encode(trivium.recommend(INDEED).view(view)))
    assert len(service.client.post("/recommend?view=brief", json=INDEED).content) < 1024


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/markdown", "text/markdown"),
        ("text/html", "text/html"),
        ("application/json;q=0.5, text/markdown", "text/markdown"),
        ("text/markdown;q=0.5, application/*", "application/json"),
        ("text/*;q=0.9, text/markdown;q=0.1", "text/html"),
        ("text/html, application/xhtml+xml, application/json;q=0.9, */*;q=0.8", "text/html"),
    ],
)
def test_people_get_the_page_that_they_prefer(service: Inside, accept: str, media_type: str) -> None:
    response = service.client.post("/recommend", json=SUPPORT, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.headers["vary"] == "Accept"
    if media_type == "text/markdown":
        assert response.text.startswith(trivium.recommend(SUPPORT).to_markdown())
    assert service.line(response)["strategy"] == trivium.recommend(SUPPORT).strategy


@pytest.mark.parametrize(
    ("selector", "version"), [("2.0.0", "2.0.0"), ("2", "2.0.0"), ("1", "1.1.0"), ("1.1", "1.1.0"), ("latest", "2.0.0")]
)
def test_a_selector_picks_the_policy(aged: Inside, selector: str, version: str) -> None:
    assert aged.client.post(f"/recommend?policy={selector}", json={}).json()["policy"]["version"] == version
    assert aged.client.get(f"/policies/{selector}").json()["version"] == version


@pytest.mark.parametrize(
    ("chosen", "version"), [("", "2.0.0"), ("1", "1.1.0"), ("1.1.0", "1.1.0"), ("latest", "2.0.0")]
)
def test_the_operator_picks_the_default(versions: Path, chosen: str, version: str) -> None:
    with serving.inside(versions, default_policy=chosen) as served:
        response = served.client.post("/recommend", json={})
        assert response.json()["policy"]["version"] == version
        assert ("deprecation" in response.headers) == (version == "1.1.0")
        listed = served.client.get("/policies").json()["policies"]
        assert [policy["version"] for policy in listed if policy["default"]] == [version]


def midnight(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.UTC)


def test_a_deprecated_policy_answers_and_warns(versions: Path, aged: Inside) -> None:
    with serving.inside(versions, default_policy="1.1.0") as by_default:
        for response in (
            by_default.client.post("/recommend", json={}),
            aged.client.post("/recommend?policy=1", json={}),
            aged.client.post("/recommend/batch?policy=1", json={"profiles": [{}]}),
            aged.client.get("/policies/1.1.0"),
        ):
            assert response.status_code == 200
            assert response.headers["deprecation"] == f"@{midnight(2026, 10, 1).timestamp():.0f}"
            assert parsedate_to_datetime(response.headers["sunset"]) == midnight(2027, 4, 1)
            assert response.headers["sunset"].endswith(" GMT")
            assert response.headers["link"] == '</policies/2.0.0>; rel="successor-version"'
    answer = aged.client.post("/recommend?policy=1", json={}).json()
    assert answer["policy"]["status"] == "deprecated"
    (warning,) = [one for one in answer["warnings"] if one["code"] == "POLICY_DEPRECATED"]
    assert "2027-04-01" in warning["message"]
    assert "2.0.0" in warning["message"]


def test_an_active_policy_does_not_warn(aged: Inside) -> None:
    for response in (aged.client.post("/recommend", json={}), aged.client.get("/policies/2")):
        assert not {"deprecation", "sunset", "link"} & set(response.headers)


# Batches


def test_a_batch_answers_in_order_and_item_by_item(service: Inside) -> None:
    profiles = [INDEED, {"labelled_examples": 1, "id": "typo"}, SUPPORT, [], {"id": 5, "requests_per_day": -1}, {}]
    response = service.client.post("/recommend/batch", json={"profiles": profiles})
    answer = response.json()
    assert [item["index"] for item in answer["items"]] == list(range(6))
    assert [item["status"] for item in answer["items"]] == ["ok", "error", "ok", "error", "error", "ok"]
    assert [item.get("id") for item in answer["items"]] == [INDEED["id"], "typo", SUPPORT["id"], None, None, None]
    assert all(("result" in item) != ("error" in item) for item in answer["items"])
    for item, pointers in ((1, ["/labelled_examples"]), (3, [""]), (4, ["/id", "/requests_per_day"])):
        error = answer["items"][item]["error"]
        assert error["code"] == "invalid_input"
        assert [one["pointer"] for one in error["errors"]] == pointers
    strategies = [item["result"]["strategy"] for item in answer["items"] if "result" in item]
    summary = answer["summary"]
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (6, 3, 3)
    counts = {name: count for name, count in summary["strategies"].items() if count}
    assert counts == {name: strategies.count(name) for name in strategies}


@given(st.lists(st.sampled_from([INDEED, SUPPORT, {}, {"id": "%"}, {"can_label_more": None}]), min_size=1, max_size=4))
@pytest.mark.parametrize("view", ["full", "standard", "brief"])
def test_each_result_is_the_bytes_of_a_single_answer(
    service: Inside, view: str, profiles: list[dict[str, Any]]
) -> None:
    batch = service.client.post(f"/recommend/batch?view={view}", json={"profiles": profiles}).content
    items = msgspec.json.decode(batch, type=dict[str, msgspec.Raw])["items"]
    results = [bytes(item["result"]) for item in msgspec.json.decode(items, type=list[dict[str, msgspec.Raw]])]
    assert results == [service.client.post(f"/recommend?view={view}", json=profile).content for profile in profiles]


def test_the_defaults_stand_in_where_a_profile_is_silent(service: Inside) -> None:
    defaults = {"id": "all", "requests_per_day": 50_000, "knowledge_need": "changing_facts"}
    profiles: list[dict[str, Any]] = [{}, {"requests_per_day": 1}, {"knowledge_need": None, "id": None}]
    batch = service.client.post("/recommend/batch", json={"defaults": defaults, "profiles": profiles}).json()
    for item, profile in zip(batch["items"], profiles, strict=True):
        assert item["result"] == service.client.post("/recommend?view=brief", json=defaults | profile).json()
        assert item.get("id") == (defaults | profile)["id"]


def test_the_default_id_names_failures_too(service: Inside) -> None:
    body = {"defaults": {"id": "all"}, "profiles": [{"x": 1}, {"x": 1, "id": "own"}]}
    items = service.client.post("/recommend/batch", json=body).json()["items"]
    assert [item["id"] for item in items] == ["all", "own"]


def test_a_batch_of_the_largest_size_is_answered(service: Inside) -> None:
    body = {"profiles": [{"requests_per_day": number} for number in range(1000)]}
    assert service.client.post("/recommend/batch?view=brief", json=body).json()["summary"]["succeeded"] == 1000
    problem(service.client.post("/recommend/batch", json={"profiles": [{}] * 1001}), 413, "too_large")


class Noting(Advisor):
    """Notes in which thread it works."""

    threads: ClassVar[list[threading.Thread]] = []

    def assess(self, profile: Profile) -> Economics | None:
        self.threads.append(threading.current_thread())
        return super().assess(profile)


@pytest.mark.parametrize("accept", ["application/json", "text/markdown", "text/html"])
@pytest.mark.parametrize("slow", [False, True])
def test_a_policy_whose_answers_may_take_long_does_not_hold_up_the_event_loop(
    service: Inside, accept: str, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "QUICK_NODES", 0 if slow else 1_000_000)
    headers = {"Accept": accept}
    with serving.inside() as served:
        policies = served.app.state.services.policies
        version = policies.default.policy.version
        policies.renderers[version] = rendering.Renderer(Noting(policies.registry.default))
        monkeypatch.setattr(Noting, "threads", [])
        answer = served.client.post("/recommend", json=SUPPORT, headers=headers)
        in_pool = {thread.name.startswith("asyncio_") for thread in Noting.threads}
    assert in_pool == {slow}
    assert answer.content == service.client.post("/recommend", json=SUPPORT, headers=headers).content
