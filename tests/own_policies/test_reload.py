"""Own policies are served, and replaced while the service runs, without dropping a request or mixing two sets."""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import serving
from own_policies.publishing import INTERVAL, Files, Watched, digest_of, mount, policy, publish, refused, watching
from waiting import LIMIT, until


ONE, TWO = policy("1.0.0"), policy("2.0.0", "The second")
BOTH = {"one.yaml": ONE, "two.yaml": TWO}
DEPRECATED = "1.0.0: {status: deprecated, deprecated: 2026-10-01, sunset: 2027-04-01, successor: 2.0.0}\n"
RETIRED = "1.0.0: {status: retired, successor: 2.0.0}\n"


def test_the_directory_is_the_whole_truth(directory: Path, watched: Watched) -> None:
    assert watched.served() == {"1.0.0": "active"}
    publish(
        directory, {"own.yaml": policy("1.0.0", "Another name is fine").replace("policy: adaptation", "policy: own")}
    )
    until(lambda: watched.client.get("/policies").json()["policies"][0]["name"] == "own")
    assert watched.served() == {"1.0.0": "active"}


def test_a_version_is_added_deprecated_and_retired_while_the_service_runs(directory: Path, watched: Watched) -> None:
    ask = watched.client.post
    line = watched.await_reload(lambda: publish(directory, BOTH))
    assert (line["level"], line["result"]) == ("info", "ok")
    assert [(one["version"], one["digest"]) for one in line["policies"]] == [
        ("1.0.0", digest_of(ONE)),
        ("2.0.0", digest_of(TWO)),
    ]
    assert ask("/recommend", json={}).json()["policy"]["version"] == "2.0.0"
    assert watched.metric("trivium_policy_info", version="2.0.0", digest=digest_of(TWO), status="active") == [1]

    watched.await_reload(lambda: publish(directory, {**BOTH, "lifecycle.yaml": DEPRECATED}))
    old = ask("/recommend?policy=1.0.0", json={})
    assert old.status_code == 200
    assert {"deprecation", "sunset", "link"} <= set(old.headers)
    assert [warning["code"] for warning in old.json()["warnings"]] == ["POLICY_DEPRECATED"]

    watched.await_reload(lambda: publish(directory, {**BOTH, "lifecycle.yaml": RETIRED}))
    assert ask("/recommend?policy=1.0.0", json={}).status_code == 410
    assert watched.client.get("/policies/1.0.0").status_code == 200
    assert watched.served() == {"1.0.0": "retired", "2.0.0": "active"}
    assert watched.metric("trivium_policy_info", version="1.0.0") == [1]

    watched.await_reload(lambda: publish(directory, {"two.yaml": TWO}))
    assert ask("/recommend?policy=1.0.0", json={}).status_code == 404
    assert watched.metric("trivium_policy_reloads_total", result="ok") == [4]
    assert watched.metric("trivium_policy_reloads_total", result="failed") == [0]


def test_the_headers_of_plain_recommendations_follow_the_lifecycle_of_the_default(directory: Path) -> None:
    with watching(directory, default_policy="1.0.0") as watched:
        assert "deprecation" not in watched.client.post("/recommend", json={}).headers
        watched.await_reload(lambda: publish(directory, {**BOTH, "lifecycle.yaml": DEPRECATED}))
        assert "deprecation" in watched.client.post("/recommend", json={}).headers
        line = watched.await_reload(lambda: publish(directory, {**BOTH, "lifecycle.yaml": RETIRED}))
        assert line["problems"] == [
            "TRIVIUM_DEFAULT_POLICY: policy 1.0.0 is retired; use 2.0.0",
        ]


RAG = "then_strategy: [rag, rag_and_fine_tuning]"

BAD: dict[str, tuple[Files, str]] = {
    "no YAML": ({**BOTH, "two.yaml": "policy: [\n"}, "two.yaml:.*not-yaml"),
    "not UTF-8": ({**BOTH, "two.yaml": "\udce9"}, "two.yaml: not-yaml: not UTF-8"),
    "a broken promise": ({**BOTH, "two.yaml": TWO.replace(RAG, "then_strategy: [rag]")}, "two.yaml:.*broken-promise"),
    "a version twice": ({**BOTH, "two.yaml": ONE}, "duplicate-version"),
    "two names": ({**BOTH, "two.yaml": TWO.replace("policy: adaptation", "policy: own")}, "two.yaml:.*two-names"),
    "a lifecycle of nothing": ({"one.yaml": ONE, "lifecycle.yaml": "3.0.0: {}"}, "lifecycle.yaml: unknown-version"),
    "nothing active": ({"one.yaml": ONE, "lifecycle.yaml": DEPRECATED}, "TRIVIUM_DEFAULT_POLICY: no policy `latest`"),
    "nothing": ({}, "TRIVIUM_DEFAULT_POLICY: no policy `latest`"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_set_keeps_the_last_good_one_until_it_is_mended(kind: str, directory: Path, watched: Watched) -> None:
    files, problem = BAD[kind]
    watched.await_reload(lambda: publish(directory, BOTH))
    before = watched.client.post("/recommend", json={}).content
    assert watched.state() == "ok"

    line = watched.await_reload(lambda: publish(directory, files))
    assert (line["level"], line["result"]) == ("error", "failed")
    assert re.search(problem, line["problems"][0])
    assert watched.client.post("/recommend", json={}).content == before
    assert re.match(r"serving the last good set since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ; ", watched.state())
    assert watched.state().endswith(line["problems"][0])
    assert watched.metric("trivium_policy_reload_failed") == [1]
    assert watched.served() == {"1.0.0": "active", "2.0.0": "active"}

    watched.await_reload(lambda: publish(directory, {"one.yaml": ONE}))
    assert [line["result"] for line in watched.reloads()] == ["ok", "failed", "ok"], "a set that failed is told once"
    assert watched.state() == "ok"
    assert watched.metric("trivium_policy_reload_failed") == [0]
    assert watched.metric("trivium_policy_reloads_total", result="failed") == [1]
    assert watched.metric("trivium_policy_reloads_total", result="ok") == [2]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_set_keeps_the_service_from_starting(kind: str, directory: Path) -> None:
    files, problem = BAD[kind]
    publish(directory, files)
    done = refused(TRIVIUM_POLICY_DIR=str(directory))
    assert re.search(problem, done)


def test_a_service_that_refuses_to_start_ends_with_what_is_wrong(directory: Path) -> None:
    publish(directory, BAD["no YAML"][0])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRIVIUM_")}
    settings = {"TRIVIUM_POLICY_DIR": str(directory)}
    done = subprocess.run(
        [serving.TRIVIUM, "serve"],
        env=inherited | settings,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, "", f"Error: {refused(**settings)}\n")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert refused(TRIVIUM_POLICY_DIR=missing) == f"{missing}: unreadable: cannot be read: No such file or directory"


def test_files_written_in_place_are_taken_once_they_are_whole(tmp_path: Path) -> None:
    own = tmp_path / "plain"
    own.mkdir()
    (own / "one.yaml").write_text(ONE, encoding="utf-8")
    (own / ".#one.yaml").symlink_to("an-editor-left-this")
    (own / "README.md").write_text("Not a policy.", encoding="utf-8")
    with watching(own) as watched:
        with (own / "two.yaml").open("wb", buffering=0) as file:
            file.write(TWO.encode()[:9000])
            until(watched.reloads)
            assert watched.served() == {"1.0.0": "active"}
            file.write(TWO.encode()[9000:])
        until(lambda: "2.0.0" in watched.served())
        *before, last = [line["result"] for line in watched.reloads()]
        assert (set(before), last) == ({"failed"}, "ok")


def test_without_an_interval_nothing_is_reloaded(directory: Path) -> None:
    with watching(directory, policy_reload_seconds=0) as watched:
        publish(directory, BOTH)
        assert watched.served() == {"1.0.0": "active"}
        assert "policies" not in watched.client.get("/readyz?verbose").json()["checks"], "nothing watches"


# Under load

Seen = tuple[Any, ...]

SETS: dict[str, Files] = {
    "one": {"one.yaml": ONE},
    "two": BOTH,
    "deprecated": {**BOTH, "lifecycle.yaml": DEPRECATED},
    "retold": {**BOTH, "two.yaml": policy("2.0.0", "The second, told anew"), "lifecycle.yaml": DEPRECATED},
    "back": {"one.yaml": policy("1.0.0", "The first, told anew")},
}
BROKEN = {"one.yaml": ONE, "two.yaml": "policy: [\n"}


def described(files: Files) -> tuple[Seen, Seen]:
    """Return what the list of policies and a recommendation by default show of a set."""
    listed = []
    for name, text in files.items():
        if name != "lifecycle.yaml":
            status = "deprecated" if name == "one.yaml" and "lifecycle.yaml" in files else "active"
            listed.append((text.split("version: ", 1)[1].split("\n", 1)[0], digest_of(text), status))
    return tuple(reversed(listed)), listed[-1]


def policies(response: httpx.Response) -> Seen:
    return tuple((one["version"], one["digest"], one["status"]) for one in response.json()["policies"])


def decided(response: httpx.Response) -> Seen:
    policy = response.json()["policy"]
    return policy["version"], policy["digest"], policy["status"]


def decided_in_batch(response: httpx.Response) -> Seen:
    (only,) = {decided(httpx.Response(200, json=item["result"])) for item in response.json()["items"]}
    return only


class Load(threading.Thread):
    """Asks without a pause, in turn for everything that tells of the policies."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.stopping = threading.Event()
        self.failed: list[str] = []
        self.rounds: list[tuple[Seen, set[Seen]]] = []
        """What the list of policies, and the decisions, showed in each round."""

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=LIMIT) as client:
            while not self.stopping.is_set():
                self.one_round(client)

    def has_met(self, files: Files, since: int) -> bool:
        """Return whether one set has answered a whole round since that many, or none ever will."""
        listed, default = described(files)
        return (listed, {default}) in self.rounds[since:] or bool(self.failed) or not self.is_alive()

    def one_round(self, client: httpx.Client) -> None:
        asked = {
            "list": client.get("/policies"),
            "plain": client.post("/recommend", json={}),
            "latest": client.post("/recommend?policy=latest", json={}),
            "batch": client.post("/recommend/batch?view=standard", json={"profiles": [{}, {"labeled_examples": 5}]}),
            "pinned": client.post("/recommend?policy=1.0.0", json={}),
            "document": client.get("/policies/latest"),
            "map": client.post("/policies/1/map", json={"x": "requests_per_day", "y": "labeled_examples"}),
            "codes": client.get("/codes"),
            "ready": client.get("/readyz"),
        }
        bad = [f"{name}: {one.status_code} {one.text[:300]}" for name, one in asked.items() if one.status_code != 200]
        self.failed += bad
        if not bad:
            decisions = {decided(asked["plain"]), decided(asked["latest"]), decided_in_batch(asked["batch"])}
            self.rounds.append((policies(asked["list"]), decisions))


def published_to_a_process(directory: Path, folder: Path) -> AbstractContextManager[serving.Live]:
    return serving.live(folder, TRIVIUM_POLICY_DIR=str(directory), TRIVIUM_POLICY_RELOAD_SECONDS=str(INTERVAL))


def all_have_met(threads: list[Load], files: Files, since: list[int]) -> bool:
    return all(thread.has_met(files, number) for thread, number in zip(threads, since, strict=True))


@contextmanager
def load(url: str) -> Iterator[list[Load]]:
    threads = [Load(url), Load(url)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.stopping.set()
            thread.join()


@pytest.mark.e2e
@pytest.mark.parametrize("put", [publish, mount])
def test_under_load_no_request_fails_and_each_answer_comes_from_one_set(
    put: Callable[[Path, Files], None], tmp_path: Path
) -> None:
    own = tmp_path / "policies"
    if put is mount:
        own.mkdir()
    put(own, SETS["one"])
    with published_to_a_process(own, tmp_path) as live, httpx.Client(base_url=live.url, timeout=LIMIT) as client:
        watched = Watched(client, live.lines)
        with load(live.url) as threads:
            for name in [*SETS, *reversed(SETS)][1:]:
                since = [len(thread.rounds) for thread in threads]
                put(own, SETS[name])
                until(partial(all_have_met, threads, SETS[name], since))
                put(own, BROKEN)
                until(lambda: watched.metric("trivium_policy_reload_failed") == [1])
        assert [failed for thread in threads for failed in thread.failed] == []
        for thread in threads:
            shown = [described(files) for files in SETS.values()]
            assert {listed for listed, _ in thread.rounds} == {listed for listed, _ in shown}
            assert set().union(*(decisions for _, decisions in thread.rounds)) == {default for _, default in shown}
        assert live.process.poll() is None
        assert {line["status"] for line in live.lines() if line["event"] == "request"} == {200}


def test_a_request_that_began_before_a_reload_ends_with_the_policies_it_began_with(
    directory: Path, tmp_path: Path
) -> None:
    body = b'{"x": "requests_per_day", "y": "labeled_examples"}'
    with published_to_a_process(directory, tmp_path) as live, httpx.Client(base_url=live.url, timeout=LIMIT) as client:
        watched = Watched(client, live.lines)

        def halting() -> Iterator[bytes]:
            yield body[:10]
            watched.await_reload(lambda: publish(directory, {"two.yaml": TWO}))
            yield body[10:]

        answer = httpx.post(f"{live.url}/policies/1.0.0/map", content=halting(), headers=serving.JSON, timeout=LIMIT)
        assert (answer.status_code, watched.served()) == (200, {"2.0.0": "active"})


def test_the_contract_has_its_examples_from_the_shipped_policies(directory: Path, watched: Watched) -> None:
    del directory
    with serving.inside() as shipped:
        assert watched.client.get("/openapi.json").content == shipped.client.get("/openapi.json").content
