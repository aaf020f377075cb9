"""Own policies as an operator publishes them, and what the service says of them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import trivium
from api import serving
from api.serving import Line
from trivium.api.app import create_app
from trivium.api.settings import Settings
from trivium.errors import SettingsError
from trivium.policy import PolicyError, parse
from waiting import until


INTERVAL = 0.05
SHIPPED = (trivium.POLICIES / "adaptation-1.0.0.yaml").read_text(encoding="utf-8")

Files = Mapping[str, str]


def policy(version: str, title: str = "") -> str:
    """Return a sound policy, which differs from others by its version and, where given, its title."""
    text = SHIPPED.replace("version: 1.0.0", f"version: {version}", 1)
    return re.sub(r"^title: .*$", f"title: {title}", text, count=1, flags=re.MULTILINE) if title else text


def digest_of(text: str) -> str:
    digest: str = parse(text).digest
    return digest


def publish(directory: Path, files: Files) -> None:
    """Replace all files in one step: the directory is a link, which moves on to a new folder."""
    folder = directory.with_name(f"{directory.name}-{time.time_ns()}")
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    following = directory.with_name("following")
    following.symlink_to(folder.name)
    following.replace(directory)


def mount(directory: Path, files: Files) -> None:
    """Bring a ConfigMap up to date as Kubernetes does: the link `..data` moves on to a new folder in one step."""
    data = directory / "..data"
    former = data.resolve() if data.exists() else None
    folder = directory / f"..{time.time_ns()}"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o444)
    folder.chmod(0o555)
    (directory / "..data_tmp").symlink_to(folder.name)
    (directory / "..data_tmp").rename(data)
    for name in files:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    for path in directory.iterdir():
        if path.name not in files and not path.name.startswith(".."):
            path.unlink()
    if former is not None:
        former.chmod(0o755)
        for path in former.iterdir():
            path.unlink()
        former.rmdir()


def refused(**environment: str) -> str:
    """Make a service that must refuse to start; return what it says."""
    with pytest.raises((PolicyError, SettingsError)) as caught:
        create_app(Settings.from_environment(environment))
    return str(caught.value)


@contextmanager
def watching(directory: Path, **settings: Any) -> Iterator["Watched"]:
    """Run a service in this process that watches a directory."""
    chosen = {"policy_dir": str(directory), "policy_reload_seconds": INTERVAL, **settings}
    with serving.inside(directory, **chosen) as inside:
        yield Watched(inside.client, lambda: serving.parse(inside.log))


class Watched:
    """A running service that watches a directory, and a function that returns its log."""

    def __init__(self, client: httpx.Client, log: Callable[[], Sequence[Line]]) -> None:
        self.client = client
        self._log = log

    def served(self) -> dict[str, str]:
        """Return version to status."""
        return {one["version"]: one["status"] for one in self.client.get("/policies").json()["policies"]}

    def state(self) -> str:
        """Return what readiness says of the policies; the service has to be ready."""
        response = self.client.get("/readyz?verbose")
        assert response.status_code == 200
        said: str = response.json()["checks"]["policies"]
        return said

    def reloads(self) -> list[Line]:
        """Return what the log tells of reloads."""
        return [line for line in self._log() if line["event"] == "policy_reload"]

    def metric(self, name: str, **labels: str) -> list[float]:
        """Return the samples that have a name and labels."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return [one.value for one in samples if one.name == name and labels.items() <= one.labels.items()]

    def await_reload(self, change: Callable[[], Any]) -> Line:
        """Make a change, wait until the service has taken or refused it, and return what it logs."""
        before = len(self.reloads())
        change()
        until(lambda: len(self.reloads()) > before)
        return self.reloads()[-1]
