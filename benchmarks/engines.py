"""Files mode of Ray with one worker and with two, and the processor time of a million rows, Parquet to Parquet.

Ray is in an environment of its own, which `make tools` makes. `python -m benchmarks.engines FOLDER` measures in it, and
prints what it measured as JSON.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time, sleep
from typing import Any

import msgspec

from benchmarks.rows import Row, at_least, compared


PYTHON = Path(__file__).resolve().parents[1] / ".engines" / "bin" / "python"
VERSION = "2.0.0"
FILES, ROWS = 8, 1 << 19
WORKERS = (1, 2)


class Measured(msgspec.Struct, frozen=True):
    """What is measured in the environment that has Ray.

    Attributes:
        seconds: of all files, by the number of workers.
        computing: seconds of as many processes that only compute, each as much: what the machine itself allows.
        processor: seconds of processor time that one process takes for a million rows.
    """

    seconds: list[float]
    computing: list[float]
    processor: float


def rows() -> Iterator[Row]:
    """Measure where Ray is installed."""
    if not PYTHON.exists():
        yield Row("Parquet files on Ray", "not measured: `make tools` installs Ray")
        return
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:  # paths of sockets are short
        _write(Path(folder) / "in")
        command = [str(PYTHON), "-m", "benchmarks.engines", folder]
        done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own command
    measured = msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured)
    one, two = measured.seconds
    speed = FILES * ROWS / two / 1e6
    yield Row(f"Parquet to Parquet on Ray, policy {VERSION}, default columns", f"{FILES} files, {FILES * ROWS:,} rows")
    yield at_least("  two workers vs one", one / two, 1.7, f"{one:.1f} s and {two:.1f} s, {speed:.2g} M rows/s")
    alone, together = measured.computing
    yield compared(
        "  two processes that only compute vs one", 2 * alone / together, f"{alone:.1f} s and {together:.1f} s"
    )
    yield Row("  processor time of one process", f"{measured.processor:.2f} s per million rows")


def _write(folder: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - with the next, for this environment only
    import pyarrow.parquet as pq  # noqa: PLC0415

    from benchmarks.columns import drawn  # noqa: PLC0415

    folder.mkdir()
    for number in range(FILES):
        table = pa.Table.from_batches([drawn(ROWS, seed=number)])
        pq.write_table(table, folder / f"{number}.parquet", compression="zstd")


def measure(folder: Path) -> Measured:
    """Measure, once the worker processes have loaded the policy."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import ray  # noqa: PLC0415

    from trivium.portfolio.engines.attempt import attempt  # noqa: PLC0415
    from trivium.portfolio.engines.plan import RunSpec, find_inputs, make_tasks  # noqa: PLC0415
    from trivium.portfolio.engines.ray import score_tasks  # noqa: PLC0415
    from trivium.portfolio.engines.spec import ScorerSpec  # noqa: PLC0415
    from trivium.portfolio.job import Reading, source_of  # noqa: PLC0415

    run = RunSpec(ScorerSpec.find(VERSION), Reading())

    def tasks(output: str) -> list[Any]:
        directory = folder / output
        directory.mkdir(exist_ok=True)
        places = find_inputs([str(folder / "in")], directory)
        return make_tasks([(source_of(path, "parquet"), place) for path, place in places.items()], directory, run)

    seconds, computing = [], []
    for workers in WORKERS:
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=128 << 20,
            log_to_driver=False,
            logging_level="error",
            _temp_dir=str(folder),
        )
        load = ray.remote(num_cpus=1)(_load)
        while len(set(ray.get([load.remote(run.scorer) for _ in range(2 * workers)]))) < workers:
            pass  # one worker did it all, while another was still starting
        todo = tasks(f"out-{workers}")
        start = perf_counter()
        _consume(score_tasks(run, todo))
        seconds.append(perf_counter() - start)
        computing.append(_computing(workers))
        ray.shutdown()
    pa.set_cpu_count(1)
    first, second, *_ = tasks("alone")
    attempt(run, first)
    start = process_time()
    attempt(run, second)
    return Measured(seconds, computing, (process_time() - start) / ROWS * 1e6)


def _computing(processes: int) -> float:
    """Return the seconds that some processes take which add numbers up."""
    command = [sys.executable, "-c", "sum(i for i in range(50_000_000))"]
    start = perf_counter()
    for process in [subprocess.Popen(command) for _ in range(processes)]:  # noqa: S603 - our own command
        process.wait()
    return perf_counter() - start


def _load(spec: Any) -> int:
    """Load the policy, and give other workers a turn; return which process did it."""
    from trivium.portfolio.engines.spec import load_scorer  # noqa: PLC0415 - as above

    load_scorer(spec)
    sleep(0.2)
    return os.getpid()


def _consume(outcomes: Any) -> None:
    for outcome in outcomes:
        assert outcome.error is None, outcome.error


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    sys.stdout.buffer.write(msgspec.json.encode(measure(Path(sys.argv[1]))) + b"\n")
