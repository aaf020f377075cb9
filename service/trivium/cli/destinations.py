"""Where a command over portfolios writes: not over its inputs, and not two things into one file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import click

from trivium.cli.portfolios import STANDARD, Given
from trivium.portfolio.files import READERS, FileError
from trivium.portfolio.job import is_rejects, names_of, source_of
from trivium.portfolio.paths import format_of, is_portfolio


class Destinations:
    """The files that a run writes. They are checked before anything is read.

    Args:
        given: the options.
        added: the columns that are added to each row, without the prefix.
        is_directory: whether `-o` is a directory, as it is for engines.

    Raises:
        FileError: two of them are the same file, or one cannot be written.
    """

    def __init__(self, given: Given, added: Sequence[str], *, is_directory: bool = False) -> None:
        self._added = {given.prefix + name for name in added}
        rejects = given.rejects if is_directory else given.rejects_path
        named = {"-o": given.output, "--rejects": rejects, "--report": given.report, "--markdown": given.markdown}
        paths = {option: Path(path) for option, path in named.items() if path is not None}
        if str(paths.get("--rejects")) == STANDARD:
            raise FileError("--rejects -: rejected rows are written to a file, so name one")
        for (one, path), (other, second) in combinations(paths.items(), 2):
            if str(path) == str(second) == STANDARD:
                raise FileError(f"{one} and {other} cannot both be written to standard output; name a file for one")
            if path.resolve() == second.resolve():
                raise FileError(f"{one} and {other} are the same file, {second}; write to two files")
        made = paths.pop("-o").resolve() if is_directory and "-o" in paths else None
        self._paths = {option: path for option, path in paths.items() if str(path) != STANDARD}
        for option, path in self._paths.items():
            if path.resolve().parent != made or path.resolve().parent.exists():
                _check_place(option, path)

    def leaves_out(self, path: Path) -> bool:
        """Say whether a file that a pattern or a directory stands for is no input, because a run has written it."""
        option = self._option_of(path)
        if option is not None:
            return self._has_written(path, option)
        if is_rejects(path):
            click.echo(f"{path}: it lists rejected rows of another run, so it is left out", err=True)
            return True
        return False

    def check_inputs(self, paths: Iterable[Path]) -> None:
        """Check that no input is written.

        Raises:
            FileError: one is.
        """
        for path in paths:
            if (option := self._option_of(path)) is not None:
                raise FileError(f"{option} {path}: it is an input too; write to another file")

    def _option_of(self, path: Path) -> str | None:
        real = path.resolve()
        return next((option for option, own in self._paths.items() if own.resolve() == real), None)

    def _has_written(self, path: Path, option: str) -> bool:
        """Say whether a file looks as an earlier run with the same options would have written it."""
        if not is_portfolio(path):
            return True  # a report; it could not be an input
        if option != "-o":
            return option == "--rejects" and is_rejects(path)
        try:
            return self._added.issubset(names_of(source_of(path, format_of(path, READERS))))
        except FileError:
            return False


def _check_place(option: str, path: Path) -> None:
    parent = path.parent
    if not parent.is_dir():
        raise FileError(f"{option} {path}: there is no directory {parent}")
    if path.is_dir():
        raise FileError(f"{option} {path}: it is a directory; name a file")
    if path.exists() and not path.is_file():
        raise FileError(f"{option} {path}: it is no regular file; write to another file")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise FileError(f"{option} {path}: there is no permission to write in the directory {parent}")
