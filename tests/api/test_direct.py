"""The route that Litestar reads no parameters for answers as it would if Litestar did."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api import serving
from api.serving import JSON, Inside
from trivium.api import app


PROFILE = b'{"id": "desk", "requests_per_day": 20000, "labeled_examples": 800, "knowledge_need": "changing_facts"}'
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
VARYING = {"traceparent", "server-timing"}

ASKED: dict[str, dict[str, Any]] = {
    "a profile": {"content": PROFILE},
    "a view": {"content": PROFILE, "params": {"view": "full"}},
    "a policy and a view": {"content": PROFILE, "params": {"policy": "1.0", "view": "brief"}},
    "Markdown": {"content": PROFILE, "headers": {"Accept": "text/markdown"}},
    "HTML": {"content": PROFILE, "headers": {"Accept": "text/html;q=0.9, text/*;q=0.1"}},
    "a media type not offered": {"content": PROFILE, "headers": {"Accept": "text/csv"}},
    "an unknown field": {"content": b'{"labeled_exampels": 3}'},
    "no JSON": {"content": b"{"},
    "no body": {},
    "a body too large": {"content": b" " * (1 << 21)},
    "another type of body": {"content": PROFILE, "headers": {"Content-Type": "text/plain"}},
    "a coded body": {"content": PROFILE, "headers": {"Content-Encoding": "gzip"}},
    "an unknown policy": {"content": PROFILE, "params": {"policy": "9"}},
    "a malformed policy": {"content": PROFILE, "params": {"policy": "new"}},
    "an unknown view": {"content": PROFILE, "params": {"view": "long"}},
    "an unknown parameter": {"content": PROFILE, "params": {"veiw": "full"}},
    "a parameter twice": {"content": PROFILE, "params": [("view", "full"), ("view", "brief")]},
    "long headers": {"content": PROFILE, "headers": {"X-Long": "x" * 20_000}},
    "what it answers": {"method": "OPTIONS"},
    "what it answers, with a parameter": {"method": "OPTIONS", "params": {"view": "full"}},
    **{method: {"method": method, "content": PROFILE} for method in ("GET", "HEAD", "PUT", "DELETE", "FOO")},
}


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Inside]:
    """The service as it is when all routes are Litestar's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "DIRECT", {})
        with serving.inside() as served:
            yield served


def ask_both(*served: Inside, path: str = "/recommend", **asked: Any) -> list[httpx.Response]:
    headers = {**JSON, **TRACE, "x-request-id": str(uuid4()), **asked.get("headers", {})}
    sent = {"method": "POST", **asked, "headers": headers}
    return [one.client.request(url=f"http://testserver{path}", **sent) for one in served]


def told(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in response.headers.items() if name not in VARYING}
    return response.status_code, headers, response.content


def logged(served: Inside, response: httpx.Response) -> dict[str, Any]:
    varying = {"time", "duration_ms", "span_id"}
    return {name: value for name, value in served.line(response).items() if name not in varying}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_it_answers_and_is_logged_as_litestar_would_do(
    service: Inside, ordinary: Inside, asked: dict[str, Any]
) -> None:
    found, expected = ask_both(service, ordinary, **asked)
    assert told(found) == told(expected)
    assert logged(service, found) == logged(ordinary, expected)


@pytest.mark.parametrize("path", ["//recommend", "/%72ecommend", "/recommend/", "/Recommend"])
def test_other_spellings_of_its_path_are_not_found_either_way(service: Inside, ordinary: Inside, path: str) -> None:
    found, expected = ask_both(service, ordinary, path=path, content=PROFILE)
    assert told(found) == told(expected)
    assert found.status_code == 404


def test_its_series_are_there_from_the_start() -> None:
    with serving.inside() as fresh:
        metrics = fresh.client.get("/metrics").text
    assert 'http_requests_total{method="POST",route="/recommend",status="500"} 0.0' in metrics
