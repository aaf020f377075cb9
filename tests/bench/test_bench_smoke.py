"""The benchmark's own load generator and the bare handler it compares with; `make bench` runs all of it."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from waiting import is_open, until


ROOT = Path(__file__).resolve().parents[2]


def test_the_generator_counts_whole_answers(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    bodies = tmp_path / "bodies"
    bodies.write_bytes(b'{}\n{"id": "a"}')
    module = [sys.executable, "-m"]
    size = 100_000  # more than is read at once
    with subprocess.Popen([*module, "benchmarks.server", "bare", port, str(size)], cwd=ROOT) as server:
        try:
            until(lambda: is_open(int(port)))
            command = [*module, "benchmarks.load", port, "/recommend", "1", "4", str(bodies)]
            load = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
        finally:
            server.terminate()
    assert load["answers"] > 0
    assert load["seconds"] >= 1
    assert 0 < load["p50"] <= load["p99"]


def test_the_rivals_of_columns_agree_in_every_row() -> None:
    program = """
import pyarrow as pa
from benchmarks.columns import VERSION, contestants, drawn
from trivium import catalog
contestants(catalog.shipped().advisor(VERSION), pa.Table.from_batches([drawn(20_000, seed=9)]))
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
