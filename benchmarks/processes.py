"""Processor time and memory of a process and its children, where there is a /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """What a process tree uses; all zero where that cannot be read.

    Attributes:
        cpu: seconds.
        largest: resident memory of the process that has most, in MiB.
        resident: the sum of resident memory, which counts shared pages once per process.
        proportional: the sum that counts shared pages once.
    """

    cpu: float = 0.0
    largest: float = 0.0
    resident: float = 0.0
    proportional: float = 0.0


def usage(pid: int) -> Usage:
    """Read what a process and its children use."""
    if not Path("/proc/self/smaps_rollup").exists():
        return Usage()
    tree = list(_tree(pid))
    memory = [_memory(one) for one in tree]
    resident, proportional = zip(*memory, strict=True)
    return Usage(sum(map(_cpu, tree)), max(resident), sum(resident), sum(proportional))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from _tree(int(child))


def _cpu(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = after_name[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[float, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    kib = {name: int(value) for name, value in re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.MULTILINE)}
    return kib["Rss"] / 1024, kib["Pss"] / 1024
