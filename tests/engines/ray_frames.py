"""Score a data set with Ray Data, while one worker dies: `python ray_frames.py SOURCE FOLDER`."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ray

from engines import inputs
from trivium.portfolio.engines.ray import ScoreBatches, score_batches


class DiesOnce:
    """Scores batches, but the first time it comes to a certain row, its process is killed."""

    def __init__(self, score: ScoreBatches, killed: Path) -> None:
        self._score, self._killed = score, killed

    def __call__(self, table: Any) -> Any:
        scored = self._score(table)
        if 2_000_000 in table["number"].to_pylist() and not self._killed.exists():
            self._killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return scored


def main(source: Path, folder: Path) -> None:
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=128 << 20,
        _temp_dir=os.environ["HOME"],
        log_to_driver=False,
    )
    score = DiesOnce(score_batches(inputs.VERSION, inputs.SLOW), folder / "killed")
    scored = ray.data.read_parquet(str(source)).map_batches(score, batch_format="pyarrow").materialize()
    scored.write_parquet(str(folder / "scored"))
    # Shuffles of Ray Data have to understand the added columns.
    strategies = [row["strategy"] for row in scored.select_columns(["strategy"]).sort("strategy").take_all()]
    (folder / "strategies.json").write_text(json.dumps(strategies), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
