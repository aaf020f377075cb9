"""The service, in process and over HTTP, and a directory of policies at every age."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import trivium
from api import serving
from api.serving import Inside, Live
from trivium.api.http import body


LIFECYCLES = """\
1.0.0: {status: retired, successor: 2.0.0}
1.1.0: {status: deprecated, deprecated: 2026-10-01, sunset: 2027-04-01, successor: 2.0.0}
"""


@pytest.fixture(scope="session", autouse=True)
def _refuse_sooner() -> Iterator[None]:
    """Let the service inside a test not wait two seconds for a caller that never sends the rest of what is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "DISCARD_SECONDS", 0.2)
        yield


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving.live(tmp_path_factory.mktemp("live")) as served:
        # This loads the prices of the extra: what memory takes later is not theirs.
        httpx.post(f"{served.url}/recommend", json={"costs": {"model": "gpt-4o"}}, timeout=60).raise_for_status()
        yield served


@pytest.fixture(scope="session")
def service() -> Iterator[Inside]:
    with serving.inside(log_level="debug") as served:
        yield served


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a retired, a deprecated and an active version."""
    directory = tmp_path_factory.mktemp("policies")
    text = (trivium.POLICIES / "adaptation-1.0.0.yaml").read_text(encoding="utf-8")
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        policy = text.replace("version: 1.0.0", f"version: {version}", 1)
        (directory / f"{version}.yaml").write_text(policy, encoding="utf-8")
    (directory / "lifecycle.yaml").write_text(LIFECYCLES, encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def aged(versions: Path) -> Iterator[Inside]:
    """Return a service of versions of every age."""
    with serving.inside(versions) as served:
        yield served
