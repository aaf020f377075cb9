"""Files that are written under a temporary name until they are whole."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import IO, TextIO

from trivium.portfolio.files import FileError, sync


class Part:
    """A file that is written under a temporary name until it is whole.

    Args:
        path: where it will be; None for no file at all.
        size: how much of an earlier part of it is good.

    Attributes:
        file: takes its bytes; None where there is no file.
        text: takes its text; None where there is no file.

    Raises:
        FileError: an earlier part is not as it was left.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path | None, size: int) -> None:
        self._path = path
        self.file: IO[bytes] | None = None
        self.text: TextIO | None = None
        if path is None:
            return
        self._part = path.with_name(f".{path.name}.part")
        if size and (not self._part.exists() or self._part.stat().st_size < size):
            raise FileError(
                f"{self._part}: it is not as it was left, so the run cannot be resumed; start anew without --resume"
            )
        self.file = self._part.open("r+b" if size else "wb")
        self.file.truncate(size)
        self.file.seek(size)
        self.text = io.TextIOWrapper(self.file, encoding="utf-8", newline="")

    def saved(self) -> int:
        """Have all of it reach the disk, and return its size."""
        if self.text is None or self.file is None:
            return 0
        self.text.flush()
        sync(self.file)
        return self.file.tell()

    def publish(self, *, keep: bool = True) -> None:
        """Give the file its name; or remove it, and one of that name."""
        if self._path is None:
            return
        self.saved()
        if keep:
            self._part.replace(self._path)
        else:
            self._path.unlink(missing_ok=True)
            self._part.unlink()

    def close(self, *, remove: bool) -> None:
        """Close the file, and remove it if it is not to be kept."""
        if self.text is not None:
            with suppress(OSError):  # what cannot be written any more was reported already
                self.text.close()
            if remove:
                self._part.unlink(missing_ok=True)
