"""Spark with two executors says what one process says, row for row, also when an executor is killed in the middle."""

import json
from pathlib import Path

import pytest

from engines import cluster, inputs


pytestmark = [pytest.mark.e2e, pytest.mark.tool("engines", "java")]

CLUSTER = "local-cluster[2,1,1024]"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    inputs.write(tmp_path / "in", cluster.FILES, cluster.ROWS)
    return tmp_path / "in"


def executor(worker: int) -> int:
    """Return the executor of a Python worker: a daemon is between them."""
    found = cluster.parent(cluster.parent(worker))
    assert cluster.status(found)["Name"] == "java"
    return found


def test_files(home: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    damaged = source / "damaged.parquet"
    damaged.write_bytes(b"PAR1 and no more")
    program = tmp_path / "score.py"
    program.write_text("from trivium.cli import main\n\nmain()\n", encoding="utf-8")
    environment = cluster.environment(home)
    command = cluster.scoring("spark", source, output)

    submit = ["spark-submit", "--master", CLUSTER, "--conf", "spark.ui.enabled=false", str(program), *command[1:]]
    with cluster.started(*submit, env=environment) as process:
        killed = cluster.kill_at_work(output, executor, lambda: process.poll() is None)
        out, err = process.communicate()
    assert process.returncode == 1, err[-6000:]
    # spark-submit prints on standard output all that the program prints.
    (line,) = [line for line in out.splitlines() if line.startswith("{")]
    said = json.loads(line)
    assert f"{damaged}: it is no Parquet file, or damaged: " in out
    assert f"1 of {cluster.FILES + 1} files are not scored" in out
    assert not killed.exists()
    projects = cluster.assert_all_but_one(said, source, output, tmp_path)

    # Again, with the file repaired, and by the cores of this machine: only that is done.
    cluster.assert_one_is_done(command, environment, damaged, output, projects)


def test_a_report_on_files_of_several_formats(home: Path, tmp_path: Path) -> None:
    cluster.assert_reported("spark", tmp_path / "in", tmp_path, cluster.environment(home))


def test_frames(home: Path, source: Path, tmp_path: Path) -> None:
    program = Path(__file__).with_name("spark_frames.py")
    cluster.run("python", program, source, tmp_path, env=cluster.environment(home, MASTER=CLUSTER))
    assert (tmp_path / "killed").exists()
    columns = (*inputs.SLOW, "nearest_path", "payback_months")
    expected = cluster.assert_frame(tmp_path / "scored", source, columns)
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    strategies = expected["strategy"].to_pylist()
    assert {name or None: count for name, count in said["counts"].items()} == {
        name: strategies.count(name) for name in set(strategies)
    }
    assert "no column is a field of a profile" in said["refused"]
