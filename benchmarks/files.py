"""`trivium score` from Parquet to Parquet, on one core: rows a second, and resident memory.

`python -m benchmarks.files draw FILE` writes profiles, and `score FILE` scores them and prints the row as JSON. Each
runs in a process of its own, so that the memory of one does not count for the other.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.columns import VERSION, drawn
from benchmarks.rows import Row
from trivium import catalog
from trivium.portfolio.arrow import Scorer
from trivium.portfolio.columnar import score_file
from trivium.portfolio.job import Outputs, source_of


COUNT = 1 << 21
DRAWN = 1 << 18
MOST_MEMORY = 400


def rows() -> Iterator[Row]:
    """Measure, in processes whose libraries have one thread."""
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("draw", "score"):
            command = [sys.executable, "-m", "benchmarks.files", what, f"{folder}/in.parquet"]
            done = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603 - our own command
    yield msgspec.json.decode(done.stdout, type=Row)


def draw(path: Path) -> None:
    """Write profiles with ids, a row group for each part."""
    schema = drawn(1, seed=0).schema.append(pa.field("id", pa.string()))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, COUNT, DRAWN):
            part = drawn(DRAWN, seed=start)
            ids = pa.array([f"project-{number:012d}" for number in range(start, start + DRAWN)])
            writer.write_batch(part.append_column("id", ids))


def score(path: Path) -> Row:
    """Score them."""
    scorer = Scorer(catalog.shipped().advisor(VERSION))
    before = process_time()
    score_file(source_of(path, "parquet"), Outputs(path.with_name("out.parquet"), "parquet"), scorer)
    speed = COUNT / (process_time() - before)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Row(
        "`trivium score`, Parquet to Parquet, on one core",
        f"{memory:.3g} MiB resident ({speed / 1e6:.2g} M rows/s, policy {VERSION}, {COUNT:,} rows)",
        f"under {MOST_MEMORY} MiB",
        memory < MOST_MEMORY,
    )


if __name__ == "__main__":
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    if sys.argv[1] == "draw":
        draw(Path(sys.argv[2]))
    else:
        sys.stdout.buffer.write(msgspec.json.encode(score(Path(sys.argv[2]))))
