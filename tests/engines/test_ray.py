"""Ray with two workers says what one process says, row for row, also when a worker is killed in the middle."""

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engines import cluster, inputs


pytestmark = [pytest.mark.e2e, pytest.mark.tool("engines")]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return a folder with a short name: the sockets of Ray are below it, and their paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    inputs.write(tmp_path / "in", cluster.FILES, cluster.ROWS)
    return tmp_path / "in"


def test_files(home: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    damaged = source / "damaged.parquet"
    damaged.write_bytes(b"PAR1 and no more")
    environment = cluster.environment(home, RAY_TMPDIR=str(home))
    command = cluster.scoring("ray", source, output)

    with cluster.started(*command, env=environment) as process:
        killed = cluster.kill_at_work(output, working=lambda: process.poll() is None)
        out, err = process.communicate()
    assert process.returncode == 1, err
    *_, reason, last = err.splitlines()
    assert "A worker died or was killed while executing a task" in err
    assert reason.startswith(f"{damaged}: it is no Parquet file, or damaged: ")
    assert last == f"1 of {cluster.FILES + 1} files are not scored"
    said = json.loads(out)
    assert not killed.exists()
    projects = cluster.assert_all_but_one(said, source, output, tmp_path)
    assert not (output / "_summary.json").exists()

    # Again, with the file repaired: only that is done.
    cluster.assert_one_is_done(command, environment, damaged, output, projects)


def test_frames(home: Path, source: Path, tmp_path: Path) -> None:
    cluster.run("python", Path(__file__).with_name("ray_frames.py"), source, tmp_path, env=cluster.environment(home))
    assert (tmp_path / "killed").exists()
    expected = cluster.assert_frame(tmp_path / "scored", source, inputs.SLOW)
    strategies = json.loads((tmp_path / "strategies.json").read_text(encoding="utf-8"))
    assert strategies == expected["strategy"].cast(pa.string()).sort().to_pylist()


def test_a_report_on_files_of_several_formats(home: Path, tmp_path: Path) -> None:
    cluster.assert_reported("ray", tmp_path / "in", tmp_path, cluster.environment(home, RAY_TMPDIR=str(home)))


@pytest.mark.parametrize("listens", [False, True], ids=["nothing", "another service"])
def test_an_address_without_a_cluster_is_given_up(home: Path, source: Path, tmp_path: Path, listens: bool) -> None:
    """Ray by itself tries for a quarter of an hour, which is longer than a test may take."""
    with socket.create_server(("", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if not listens:
            server.close()
        environment = cluster.environment(home, RAY_TMPDIR=str(home), RAY_ADDRESS=address)
        done = cluster.run(*cluster.scoring("ray", source, tmp_path / "out"), env=environment, check=False)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith("Error: Ray does not start: ")
    assert f"RAY_ADDRESS is {address}: see that a cluster runs there" in said
    assert list((tmp_path / "out").glob("*.parquet")) == []
