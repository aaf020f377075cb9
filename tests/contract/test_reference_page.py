"""The interactive reference works in a real browser that reaches nothing but the service, under a strict policy."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, Request, Route, expect, sync_playwright

import toolbox
from api import serving
from api.serving import OPERATIONS, Inside
from trivium.api.app import ROUTES


@pytest.fixture(scope="module")
def service() -> Iterator[Inside]:
    with serving.inside() as served:
        yield served


def test_the_page_loads_only_files_of_the_service(service: Inside) -> None:
    response = service.client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'\s(?:src|href)="([^"]+)"', response.text)
    assert loaded == ["data:,", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"]
    for path in loaded[1:]:
        asset = service.client.get(urljoin("/docs", path), headers={"Accept-Encoding": "gzip"})
        assert asset.status_code == 200
        assert asset.headers["content-type"].startswith("text/css" if path.endswith(".css") else "text/javascript")
        assert asset.headers["content-encoding"] == "gzip"
        again = service.client.get(urljoin("/docs", path), headers={"If-None-Match": asset.headers["etag"]})
        assert again.status_code == 304
    serving.problem(service.client.get("/docs/swagger-ui.js"), 404, "not_found")


def test_the_policy_of_the_page_allows_no_inline_script_or_style_and_no_other_host(service: Inside) -> None:
    response = service.client.get("/docs")
    policy = dict(one.strip().split(" ", 1) for one in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy.keys() >= {"script-src", "style-src", "connect-src", "base-uri", "form-action", "frame-ancestors"}
    assert {source for sources in policy.values() for source in sources.split()} == {"'none'", "'self'", "data:"}
    assert policy["img-src"] == "'self' data:"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", response.text)


@pytest.fixture
def page() -> Iterator[Page]:
    """Return a page of Debian's Chromium, which fails the test for what its console says or what it cannot load."""
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=toolbox.path("chromium"), args=_FLAGS)
        opened = browser.new_page()
        opened.set_default_timeout(60_000)
        opened.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        opened.on("pageerror", lambda error: said.append(f"error: {error}"))
        opened.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
        yield opened
        browser.close()
    assert said == []


_FLAGS = ["--no-sandbox", "--disable-background-networking"] if os.geteuid() == 0 else []


@pytest.mark.e2e
@pytest.mark.tool("chromium")
def test_search_try_it_and_curl_work_without_any_other_host(page: Page, tmp_path: Path) -> None:
    asked: list[str] = []

    def only_the_service(route: Route, request: Request) -> None:
        asked.append(request.url)
        if request.url.startswith((live.url, "data:")):
            route.continue_()
        else:
            route.abort()

    with serving.live(tmp_path) as live:
        page.route("**/*", only_the_service)
        page.goto(f"{live.url}/docs")
        expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
        page.fill(".operation-filter-input", "advice")
        advice = [route for route in ROUTES if route.opt["operation"].tag == "advice"]
        expect(page.locator(".opblock")).to_have_count(len(advice))

        operation = page.locator("#operations-advice-recommend")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.locator("textarea.body-param__text").fill('{"knowledge_need": "changing_facts"}')
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".curl-command")).to_contain_text(f"curl -X 'POST' \\\n  '{live.url}/recommend")
        answer = operation.locator(".live-responses-table .response").first
        expect(answer.locator(".response-col_status")).to_contain_text("200")
        expect(answer.locator(".highlight-code").first).to_contain_text('"strategy": "rag"')
    assert [url for url in asked if not url.startswith((live.url, "data:"))] == []
