"""The writer of the log: a bounded queue of lines and a thread, so that a request never waits for the log's reader."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from threading import Condition, Event, Lock, Thread


STDOUT = 1

MAX_LINES = 10_000
MAX_BYTES = 8 << 20
"""What the queue holds, including the lines that are being written. Further lines are dropped and counted."""

PAUSE_SECONDS = 0.1
"""How often queued lines are written. Writing many at once costs the event loop less than waking a thread for each."""

FLUSH_SECONDS = 1.0
"""How long a shutdown waits for the queue to be written."""

_NEWLINE = ord("\n")


class LogWriter:
    """Writes lines to a file descriptor from a thread.

    Lines are dropped, and counted, when the queue is full because the reader stalls, and when they cannot be written
    because the disk is full or the reader is gone. A crash of the process loses at most the lines in the queue.

    While the thread does not run, the caller writes each line itself and drops it where that would block. So the parent
    of a worker can use the same writer; a thread must not be started before a fork, because it would be missing after.

    Args:
        fd: the file descriptor, by default that of standard output.
        max_lines: how many lines the queue holds.
        max_bytes: how many bytes the queue holds.

    Attributes:
        dropped: number of lines dropped so far.
    """

    def __init__(self, fd: int = STDOUT, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._fd = fd
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._lines: list[bytes] = []
        self._count = 0  # lines and bytes in the queue, or being written
        self._size = 0
        self._lock = Lock()
        self._written = Condition(self._lock)
        self._wake = Event()
        self._closing = False
        self._thread: Thread | None = None
        self._rest = b""  # of a line that was written in part
        self._writing = Lock()
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)

    def msg(self, line: bytes) -> None:
        """Queue one line, given without its end; never blocks."""
        with self._lock:
            if self._count >= self._max_lines or self._size + len(line) > self._max_bytes:
                self.dropped += 1
                return
            self._lines.append(line)
            self._count += 1
            self._size += len(line)
        if self._thread is None:
            self._write_queued(patient=False)

    debug = info = warning = error = critical = msg  # the methods by which structlog calls it

    def start(self) -> None:
        """Start the thread; does nothing while it runs."""
        if self._thread is None or not self._thread.is_alive():
            self._closing = False
            self._thread = Thread(target=self._run, name="log-writer", daemon=True)
            self._thread.start()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Write what is queued; return whether that was done in time."""
        self._wake.set()
        with self._written:
            return self._written.wait_for(lambda: self._count == 0, seconds)

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Write what is queued and end the thread; return whether that was done in time."""
        thread = self._thread
        if thread is None:
            return True
        self._closing = True
        self._wake.set()
        thread.join(seconds)
        if thread.is_alive():  # its reader stalls; it goes on as long as the process does
            return False
        self._thread = None
        self._write_queued(patient=False)  # what came in while the thread ended
        return True

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Run the thread for as long as the application runs."""
        self.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.close)

    def _run(self) -> None:
        while True:
            self._wake.wait(PAUSE_SECONDS)
            self._wake.clear()
            closing = self._closing  # read first: lines queued before the close are then written
            self._write_queued(patient=True)
            if closing:
                return

    def _write_queued(self, *, patient: bool) -> None:
        """Write the queued lines at once; they count as queued until they are written."""
        with self._writing:
            with self._lock:
                lines, self._lines = self._lines, []
            if lines or self._rest:
                lost = self._write(self._rest + b"\n".join([*lines, b""]), patient=patient)
                with self._lock:
                    self.dropped += lost
                    self._count -= len(lines)
                    self._size -= sum(map(len, lines))
                    self._written.notify_all()

    def _write(self, data: bytes, *, patient: bool) -> int:
        """Write lines; return how many are lost.

        The rest of a line that was written in part is kept and written before anything else: the log stays JSON.
        """
        left = memoryview(data)
        begun = bool(self._rest)
        with suppress(OSError):  # the disk is full, or the reader is gone
            while left:
                written = self._write_some(left, patient=patient)
                begun = left[written - 1] != _NEWLINE
                left = left[written:]
        lost = bytes(left)
        end = lost.index(_NEWLINE) + 1 if begun else 0
        self._rest = lost[:end]
        return lost.count(_NEWLINE, end)

    def _write_some(self, data: memoryview, *, patient: bool) -> int:
        """Write as much as the descriptor takes; return how many bytes that were.

        Raises:
            OSError: it takes nothing, and waiting does not help, or the caller cannot wait.
        """
        while True:
            if not self._room.poll(None if patient else 0):
                raise BlockingIOError
            with suppress(BlockingIOError):  # another program has filled the same pipe
                return os.write(self._fd, data)
