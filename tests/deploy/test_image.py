"""The container image: really built over a small Debian, and really run the way a cluster would run it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

import toolbox


pytestmark = [pytest.mark.e2e, pytest.mark.tool("buildah", "mmdebstrap")]

# The base is kept between runs: it takes most of a minute to make.
CACHE = toolbox.TOOLS / "image"
BASE = "localhost/trivium-base:bookworm"
IMAGE = "localhost/trivium:test"

# What a restricted pod gets: mounts and processes of its own (so it is process 1, which ignores a signal that it has
# no handler for), a read-only root with a /tmp, no root user and no way to become it. The network is the host's.
SANDBOX = """
set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
"""

PROFILE = {"requests_per_day": 20000, "labeled_examples": 800, "knowledge_need": "changing_facts"}


class Container(NamedTuple):
    """A running service."""

    client: httpx.Client
    management: httpx.Client
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    pid: int


def buildah(*arguments: str | Path) -> str:
    """Run buildah on a store of our own and return what it printed."""
    return toolbox.run("buildah", "--root", CACHE / "root", "--runroot", CACHE / "run", *arguments).stdout.strip()


@pytest.fixture(scope="module")
def base() -> str:
    """Make a small Debian with Python, once."""
    if os.geteuid() != 0:
        pytest.skip("building and running an image here needs root")
    # What a run that was stopped half-way has left.
    buildah("rm", "--all")
    if BASE.removesuffix(":bookworm") not in buildah("images", "--format", "{{.Name}}").splitlines():
        tree = CACHE / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        # It fetches by apt, whose mirrors and retries it shares.
        toolbox.run(
            "mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv",
            "--aptopt=Acquire::Retries 5", "bookworm", tree,
        )  # fmt: skip
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, tree, "/")
        buildah("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(tree)
    return BASE


@pytest.fixture(scope="module")
def wheels() -> Path:
    """Fetch the locked dependencies as this machine's pip does, so that the build itself needs no network."""
    folder = CACHE / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    # Debian 12 has Python 3.11, whichever version runs this.
    toolbox.run(
        sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:",
        "--python-version=3.11", f"--dest={folder}", "--requirement=requirements/image.txt",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def image(base: str, wheels: Path) -> dict[str, Any]:
    """Build the image and return its configuration."""
    arguments = {
        "BASE": base,
        "VERSION": "1.2.3",
        "REVISION": "abc",
        "CREATED": "2026-01-01T00:00:00Z",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/wheels",
    }
    buildah(
        "bud", "--quiet", "--isolation=chroot", "--pull-never", "--layers=false", "--format=docker",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        f"--volume={wheels}:/wheels:ro", f"--tag={IMAGE}", ".",
    )  # fmt: skip
    # The image that the tag named before is of no use to anybody.
    buildah("rmi", "--prune", "--force")
    config: dict[str, Any] = json.loads(buildah("inspect", "--type=image", IMAGE))["Docker"]["config"]
    return config


@pytest.fixture(scope="module")
def root(image: dict[str, Any]) -> Iterator[Path]:
    """Mount the image's file system."""
    assert image
    container = buildah("from", "--pull-never", IMAGE)
    yield Path(buildah("mount", container))
    buildah("rm", container)


@pytest.fixture
def container(image: dict[str, Any], root: Path, tmp_path: Path) -> Iterator[Container]:
    with started(image, root, tmp_path / "log") as running:
        yield running


@contextmanager
def started(
    image: dict[str, Any], root: Path, log: Path, user: str = "", *, own_port: bool = True
) -> Iterator[Container]:
    """Start what the image's configuration says, and wait until it is ready.

    Args:
        image: the image's configuration.
        root: its file system.
        log: where its output goes.
        user: whom to run it as; empty for the image's own user.
        own_port: whether probes and metrics have a port of their own.
    """
    # The ports are those of the host, so the image's own could be taken.
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, management_port = one.getsockname()[1], other.getsockname()[1]
    probed = management_port if own_port else port
    ports = {"HOST": "127.0.0.1", "PORT": str(port), "TRIVIUM_MANAGEMENT_PORT": str(management_port if own_port else 0)}
    environment = variables(image) | ports
    namespaces = [toolbox.path("unshare"), "--mount", "--pid", "--fork"]
    sandbox = ["/bin/sh", "-c", SANDBOX, "sandbox", str(root), user or image["User"]]
    command = [*namespaces, *sandbox, *image["Entrypoint"], *image["Cmd"]]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
            httpx.Client(base_url=f"http://127.0.0.1:{probed}", trust_env=False) as management,
        ):
            wait_until_ready(management, process, log)
            (child,) = children(process)
            yield Container(client, management, environment, process, child)
    finally:
        stop(process)


def variables(image: dict[str, Any]) -> dict[str, str]:
    """Return the environment that the image sets."""
    return dict(entry.split("=", 1) for entry in image["Env"])


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the process that `unshare` has made, which is the container's process 1; none when it has ended."""
    if process.poll() is not None:
        return []
    return list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a container, and return once it has ended."""
    # Process 1 takes all others with it, but survives `unshare`: the change of user clears what --kill-child asks for.
    inside = children(process)
    for child in inside:
        os.kill(child, signal.SIGKILL)
    if not inside:
        process.kill()
    # Only after process 1 does `unshare` end, and only after all others does process 1.
    process.wait(timeout=120)


def members(namespace: str) -> list[int]:
    """Return the processes of a process namespace."""
    found = []
    for link in Path("/proc").glob("[0-9]*/ns/pid"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) == namespace:
                found.append(int(link.parts[2]))
    return found


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the service is ready; fail with its log when it never is."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/readyz").is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"the service is not ready (exit code {process.poll()}):\n{log.read_text()}")


def test_the_image_says_what_it_is(image: dict[str, Any]) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in image["Labels"].items()}

    assert image["User"] == "65532:65532"
    assert image["StopSignal"] == "SIGTERM"
    assert set(image["ExposedPorts"]) == {"8000/tcp", "9000/tcp"}
    assert (variables(image)["PORT"], variables(image)["TRIVIUM_MANAGEMENT_PORT"]) == ("8000", "9000")
    assert (labels["version"], labels["revision"], labels["created"]) == ("1.2.3", "abc", "2026-01-01T00:00:00Z")


def test_nothing_of_the_build_is_left(image: dict[str, Any], root: Path) -> None:
    assert not [entry for entry in image["Env"] if entry.startswith("PIP_")]
    assert not (root / "src").exists()
    assert not (root / "wheels").exists()
    assert not (root / "opt/trivium/bin/pip").exists()


def test_the_service_cannot_write_to_its_own_files(root: Path) -> None:
    files = list((root / "opt/trivium").rglob("*"))

    assert files
    assert {(file.lstat().st_uid, file.lstat().st_gid) for file in files} == {(0, 0)}
    assert not [file for file in files if not file.is_symlink() and file.stat().st_mode & 0o022]


def test_it_recommends(container: Container) -> None:
    answer = container.client.post("/recommend", json=PROFILE)

    assert answer.status_code == httpx.codes.OK
    assert answer.json()["strategy"] in {"prompt_engineering", "rag", "fine_tuning", "rag_and_fine_tuning"}


def test_machines_are_answered_on_their_own_port_alone(container: Container) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert container.management.get(path).status_code == httpx.codes.OK
        assert container.client.get(path).status_code == httpx.codes.NOT_FOUND
    assert container.management.post("/recommend", json=PROFILE).status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize("own_port", [True, False])
def test_the_health_check_says_whether_it_is_ready(
    image: dict[str, Any], root: Path, tmp_path: Path, own_port: bool
) -> None:
    kind, *command = image["Healthcheck"]["Test"]
    check = [toolbox.path("chroot"), f"--userspec={image['User']}", str(root), *command]
    # A proxy of the network is not asked about the container itself.
    proxy = {"http_proxy": "http://127.0.0.1:9"}
    with started(image, root, tmp_path / "log", own_port=own_port) as running:
        while_it_runs = subprocess.run(check, env=running.environment | proxy, capture_output=True, check=False)
    afterwards = subprocess.run(check, env=running.environment | proxy, capture_output=True, check=False)

    assert kind == "CMD"
    assert (while_it_runs.returncode, while_it_runs.stderr) == (0, b"")
    assert afterwards.returncode == 1


def test_it_runs_as_any_user_that_a_cluster_chooses(image: dict[str, Any], root: Path, tmp_path: Path) -> None:
    with started(image, root, tmp_path / "log", user="1000650000:0") as running:
        answer = running.client.post("/recommend", json=PROFILE)

    assert answer.status_code == httpx.codes.OK


def test_it_runs_as_nobody_in_particular(container: Container) -> None:
    lines = Path(f"/proc/{container.pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}

    assert status["Uid"] == status["Gid"] == ["65532"] * 4
    assert status["CapEff"] == ["0" * 16]
    assert status["NoNewPrivs"] == ["1"]


def test_a_container_leaves_no_process_behind(image: dict[str, Any], root: Path, tmp_path: Path) -> None:
    with started(image, root, tmp_path / "log") as running:
        namespace = str(Path(f"/proc/{running.pid}/ns/pid").readlink())
        assert len(members(namespace)) > 1

    assert members(namespace) == []


def test_a_termination_signal_ends_it_with_success(container: Container) -> None:
    os.kill(container.pid, signal.SIGTERM)

    assert container.process.wait(timeout=120) == 0
