"""A service with own policies, to which a test publishes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api import serving
from own_policies.publishing import INTERVAL, Watched, policy, publish


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with one own policy."""
    own = tmp_path / "policies"
    publish(own, {"one.yaml": policy("1.0.0")})
    return own


@pytest.fixture
def watched(directory: Path, tmp_path: Path) -> Iterator[Watched]:
    environment = {"TRIVIUM_POLICY_DIR": str(directory), "TRIVIUM_POLICY_RELOAD_SECONDS": INTERVAL}
    with serving.live(tmp_path, **environment) as live, httpx.Client(base_url=live.url) as client:
        yield Watched(live, client)
