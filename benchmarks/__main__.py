"""Measure everything, print it as a table, and write `results.json` beside this file."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import batches, columns, engines, files, in_process, over_http, questions, stalls
from benchmarks.rows import Row


RESULTS = Path(__file__).with_name("results.json")
PACKAGES = (
    "trivium",
    "granian",
    "msgspec",
    "uvloop",
    "zen-engine",
    "fastapi",
    "pydantic",
    "numpy",
    "pyarrow",
    "polars",
    "duckdb",
)
VERDICTS = {True: "met", False: "missed", None: ""}


def main() -> None:
    """Run."""
    log, out = Console(stderr=True), Console(width=160)
    before = _load_average()
    table = Table("what", "measured", "target", "", box=None, pad_edge=False)
    rows: list[Row] = []
    for row in chain(
        in_process.rows(),
        columns.rows(),
        files.rows(),
        engines.rows(),
        over_http.rows(),
        batches.rows(),
        stalls.rows(),
        questions.rows(),
    ):
        log.print(row.what, row.measured, highlight=False, soft_wrap=True)
        rows.append(row)
        table.add_row(row.what, row.measured, row.target, VERDICTS[row.met])
    machine = {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average": {"before": before, "after": _load_average()},
    }
    versions = {name: version(name) for name in PACKAGES}
    results = msgspec.json.encode({"machine": machine, "versions": versions, "rows": rows})
    RESULTS.write_bytes(msgspec.json.format(results))
    out.print(table)
    out.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    out.print(", ".join(f"{name} {value}" for name, value in versions.items()), highlight=False)


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", found.read_text(), re.MULTILINE) if found.exists() else []
    return names[0] if names else platform.processor()


def _load_average() -> float:
    return round(os.getloadavg()[0], 2)


if __name__ == "__main__":
    main()
