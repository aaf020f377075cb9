"""A service with own policies, to which a test publishes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from own_policies.publishing import Watched, policy, publish, watching


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with one own policy."""
    own = tmp_path / "policies"
    publish(own, {"one.yaml": policy("1.0.0")})
    return own


@pytest.fixture
def watched(directory: Path) -> Iterator[Watched]:
    with watching(directory) as watched:
        yield watched
