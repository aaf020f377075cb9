"""Real engines: commands in the environment that has them, and the sudden death of a worker at work."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

import trivium
from engines import inputs
from toolbox import ROOT
from trivium.portfolio.engines.attempt import attempt_target
from waiting import until


BIN = ROOT / ".engines" / "bin"
FILES, ROWS = 5, 12 * inputs.POISONED + 1
"""A portfolio that takes workers some seconds, by slow columns."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which engines write below a folder only, and reach this machine only."""
    kept = {
        name: value for name, value in os.environ.items() if not re.match("TRIVIUM_|RAY_|SPARK_|PYSPARK_|MASTER$", name)
    }
    kept |= {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT / "tests"),
        "TZ": "UTC",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    kept |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(home), "SPARK_WORKER_DIR": str(home / "work")}
    # Short runs are done before a thorough compilation pays, and two cores are too few to collect garbage beside.
    kept |= {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    return kept | {"PYSPARK_PYTHON": str(BIN / "python")} | more


def run(*command: str | Path, env: dict[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the engines' environment; fail the test if it fails."""
    program, *arguments = map(str, command)
    done = subprocess.run([BIN / program, *arguments], env=env, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{program} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-6000:]}")
    return done


def scoring(engine: str, source: Path, output: Path) -> list[str]:
    """Return the command that scores a portfolio, by columns that keep workers busy."""
    command = ["trivium", "score", str(source), "--engine", engine, "-o", str(output), "--policy", inputs.VERSION]
    return [*command, "--columns", ",".join(inputs.SLOW), "--json"]


@contextmanager
def started(*command: str | Path, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command of the engines' environment; it and all that it started are killed in the end."""
    program, *arguments = map(str, command)
    with subprocess.Popen(
        [BIN / program, *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def assert_all_but_one(said: dict[str, Any], source: Path, output: Path, scratch: Path) -> int:
    """Check what a run says of a portfolio and one damaged file, and every output; return how many rows were scored."""
    assert (said["tasks"], said["skipped"], len(said["failed"])) == (FILES + 1, 0, 1)
    files = [source / f"{number}.parquet" for number in range(FILES)]
    summaries = [inputs.assert_same(output / path.name, path, scratch, inputs.SLOW) for path in files]
    projects = sum(one.projects for one in summaries)
    assert said["projects"] == projects
    assert said["rejected"] == sum(one.rejected for one in summaries) == 13 * FILES
    return projects


def assert_one_is_done(command: Sequence[str], env: dict[str, str], damaged: Path, output: Path, projects: int) -> None:
    """Repair the damaged file, run the command again, and check that only this file is scored."""
    pq.write_table(inputs.table(10, 9), damaged)
    times = {path: path.stat().st_mtime_ns for path in output.glob("*.parquet")}
    said = json.loads(run(*command, env=env).stdout)
    assert (said["tasks"], said["skipped"], said["failed"]) == (FILES + 1, FILES, [])
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert said["projects"] == projects + 9


def assert_reported(engine: str, source: Path, scratch: Path, env: dict[str, str]) -> None:
    """Check that files of several formats have the report and the rejects that they have without an engine."""
    source.mkdir()
    pq.write_table(inputs.table(300, 0), source / "0.parquet")
    csv.write_csv(inputs.table(300, 1), source / "1.csv")
    lines = "".join(json.dumps(row) + "\n" for row in inputs.table(300, 2).to_pylist())
    (source / "2.ndjson").write_text(lines, encoding="utf-8")
    said = []
    for name, output, options in (("one", "one.csv", []), ("many", "many", ["--engine", engine])):
        files = [
            "-o",
            scratch / output,
            "--report",
            scratch / f"{name}.html",
            "--rejects",
            scratch / f"{name}.rejects.csv",
        ]
        command = ["trivium", "score", source, "--policy", inputs.VERSION, "--json", *options, *files]
        said.append(json.loads(run(*map(str, command), env=env).stdout))
    assert {name: said[0][name] for name in ("projects", "strategies", "questions")}.items() <= said[1].items()
    many = (scratch / "many.html").read_text(encoding="utf-8").replace("many.rejects.csv", "one.rejects.csv")
    assert many == (scratch / "one.html").read_text(encoding="utf-8")
    assert (scratch / "many.rejects.csv").read_bytes() == (scratch / "one.rejects.csv").read_bytes()
    assert [pq.read_metadata(path).num_rows for path in sorted((scratch / "many").glob("*.parquet"))] == [300] * 3


def assert_frame(output: Path, source: Path, columns: Sequence[str]) -> Any:
    """Check that a frame has the answers of one process, and return these."""
    rows = pa.concat_tables([pq.read_table(path) for path in sorted(source.iterdir())])
    expected = trivium.score(rows, policy=inputs.VERSION, columns=columns).read_all()
    scored = pq.read_table(output).sort_by("number")
    assert scored.schema.names == expected.schema.names
    assert scored.to_pylist() == expected.to_pylist()
    assert scored["error"].null_count == len(scored) - 13 * FILES
    return expected


def kill_at_work(output: Path, victim: Callable[[int], int] = int, working: Callable[[], bool] = lambda: True) -> Path:
    """Kill a worker in the middle of an attempt, and return the file that it was writing.

    Args:
        output: where attempts write.
        victim: the process to kill, by the process that writes.
        working: whether the run goes on, so that there will be attempts.
    """
    caught: list[Path] = []

    def catch() -> bool:
        assert working(), "the run has ended, and no attempt was caught"
        for path in output.glob(".*.parquet.*"):
            if attempt_target(path.name) is None:
                continue
            (pid,) = re.findall(r"\.(\d+)-[0-9a-f]{16}", path.name)
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGSTOP)
                # While it is stopped it cannot finish; if its file is still there, it is in the middle.
                if path.exists() and is_stopped(int(pid)):
                    killed = victim(int(pid))
                    os.kill(killed, signal.SIGKILL)
                    os.kill(int(pid), signal.SIGKILL)
                    caught.append(path)
                    return True
                os.kill(int(pid), signal.SIGCONT)
        return False

    until(catch)
    return caught[0]


def is_stopped(pid: int) -> bool:
    """Wait until a signal to stop has had its effect; return whether the process is there at all."""
    with suppress(FileNotFoundError, ProcessLookupError):
        while (state := status(pid)["State"][0]) not in "TZX":
            time.sleep(0.001)
        return state == "T"
    return False


def parent(pid: int) -> int:
    return int(status(pid)["PPid"])


def status(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
