"""Score a data frame with Spark, while one executor dies: `python spark_frames.py SOURCE FOLDER`."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from engines import cluster, inputs
from trivium import InvalidInputError
from trivium.portfolio.engines.spark import scored


def main(source: Path, folder: Path) -> None:
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    session = SparkSession.builder.config(map=settings).getOrCreate()
    frame = session.read.parquet(str(source))
    columns = (*inputs.SLOW, "nearest_path", "payback_months")
    answered = scored(frame, inputs.VERSION, columns)
    killed = folder / "killed"

    def die_once(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if 2_000_000 in batch["number"].to_pylist() and not killed.exists():
                killed.touch()
                os.kill(cluster.parent(cluster.parent(os.getpid())), signal.SIGKILL)
            yield batch

    answered.mapInArrow(die_once, answered.schema).write.parquet(str(folder / "scored"))
    counts = {row.strategy or "": row["count"] for row in answered.groupBy("strategy").count().collect()}
    try:
        scored(session.range(3))
    except InvalidInputError as error:
        refused = str(error)
    said = {"counts": counts, "refused": refused}
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
    session.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
