"""Names of files: the formats that extensions say, and the files that patterns and directories stand for."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from trivium.portfolio.files import FileError


_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
}


def format_of(path: Path, known: Iterable[str]) -> str:
    """Return the format of a file by its extension.

    Raises:
        FileError: it is none that is known.
    """
    kind = _FORMATS.get(path.suffix.lower())
    known = tuple(known)
    if kind is None or kind not in known:
        suffixes = ", ".join(suffix for suffix, one in _FORMATS.items() if one in known)
        raise FileError(f"{path}: the extension says no format that is known: {suffixes}")
    return kind


def is_portfolio(path: Path) -> bool:
    """Say whether the extension of a file is that of a format."""
    return path.suffix.lower() in _FORMATS


def sniffed(start: bytes) -> str:
    """Return the format of a stream by how it begins: JSON begins with a bracket, and no table does."""
    if start.startswith(b"PK\x03\x04"):
        return "xlsx"
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"ARROW1"):
        return "feather"
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    return "ndjson" if text.startswith(b"{") else "json" if text.startswith(b"[") else "csv"


def found_files(names: Sequence[str], leaves_out: Callable[[Path], bool] | None = None) -> list[Path]:
    """Return the files that names, patterns and directories stand for, each once.

    Args:
        names: files, patterns or directories.
        leaves_out: says which files of a pattern or a directory are none of them.

    Raises:
        FileError: there is no such file, or none in a directory.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = [one for one in sorted(path.rglob("*")) if one.is_file() and is_portfolio(one)]
            inside = [one for one in inside if not any(part.startswith(".") for part in one.relative_to(path).parts)]
            what = "the directory has no portfolio files"
        elif path.exists():
            inside, what = [path], ""
        else:
            root = Path(path.anchor or ".")
            pattern = str(path.relative_to(path.anchor)) if path.anchor else name
            inside = sorted(one for one in root.glob(pattern) if one.is_file()) if re.search(r"[*?\[]", name) else []
            what = "there is no such file"
        if leaves_out is not None and not path.is_file():
            inside = [one for one in inside if not leaves_out(one)]
        if not inside:
            raise FileError(f"{name}: {what}")
        found.update(dict.fromkeys(inside))
    return list(found)
