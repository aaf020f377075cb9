"""Ray with two workers says what one process says, row for row, also when a worker is killed in the middle."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trivium
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
    assert (said["tasks"], said["skipped"], len(said["failed"])) == (cluster.FILES + 1, 0, 1)
    assert not killed.exists()
    files = [source / f"{number}.parquet" for number in range(cluster.FILES)]
    summaries = [inputs.assert_same(output / path.name, path, tmp_path, inputs.SLOW) for path in files]
    assert said["projects"] == sum(one.projects for one in summaries)
    assert said["rejected"] == sum(one.rejected for one in summaries) == 13 * cluster.FILES
    assert not (output / "_summary.json").exists()

    # Again, with the file repaired: only that is done.
    pq.write_table(inputs.table(10, 9), damaged)
    times = {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    said = json.loads(cluster.run(*command, env=environment).stdout)
    assert (said["tasks"], said["skipped"], said["failed"]) == (cluster.FILES + 1, cluster.FILES, [])
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert said["projects"] == sum(one.projects for one in summaries) + 9


def test_frames(home: Path, source: Path, tmp_path: Path) -> None:
    cluster.run("python", Path(__file__).with_name("ray_frames.py"), source, tmp_path, env=cluster.environment(home))
    assert (tmp_path / "killed").exists()
    rows = pa.concat_tables([pq.read_table(path) for path in sorted(source.iterdir())])
    expected = trivium.score(rows, policy=inputs.VERSION, columns=inputs.SLOW).read_all()
    scored = pq.read_table(tmp_path / "scored").sort_by("number")
    assert scored.schema.names == expected.schema.names
    assert scored.to_pylist() == expected.to_pylist()
    assert scored["error"].null_count == len(scored) - 13 * cluster.FILES
    strategies = json.loads((tmp_path / "strategies.json").read_text(encoding="utf-8"))
    assert strategies == expected["strategy"].cast(pa.string()).sort().to_pylist()
