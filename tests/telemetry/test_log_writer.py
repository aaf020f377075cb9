"""The writer of the log never makes its caller wait, and what it writes is whole lines, whatever becomes of them."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.api.telemetry.log_writer import LogWriter


class Pipe:
    """A pipe, read only when told to."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def fill(self) -> bytes:
        """Fill the pipe, as a reader that stalls lets it fill, and return what is in it."""
        filling = b"#" * 4095 + b"\n"
        os.set_blocking(self.writing, False)
        filled = 0
        with suppress(BlockingIOError):
            while True:
                filled += os.write(self.writing, filling)
        os.set_blocking(self.writing, True)
        return filling * (filled // len(filling))

    def read(self) -> bytes:
        """Read until the other end is closed."""
        with os.fdopen(self.reading, "rb", closefd=False) as file:
            return file.read()

    def finish(self, writer: LogWriter) -> bytes:
        """Read while the writer ends its work, and return all that was written."""
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(self.read)
            assert writer.close(10)
            os.close(self.writing)
            return read.result()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for fd in (made.reading, made.writing):
        with suppress(OSError):  # the test has closed it
            os.close(fd)


def numbered(count: int, size: int = 100) -> list[bytes]:
    return [b"%06d" % number + b"x" * (size - 6) for number in range(count)]


def test_lines_are_written_whole_and_in_order(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing)
    writer.start()
    for line in numbered(5_000):
        writer.msg(line)
    assert pipe.finish(writer).splitlines() == numbered(5_000)
    assert writer.dropped == 0


@pytest.mark.parametrize(("max_lines", "max_bytes"), [(50, 1 << 30), (1 << 30, 5_000)])
def test_a_reader_that_stalls_costs_the_lines_beyond_the_queue(pipe: Pipe, max_lines: int, max_bytes: int) -> None:
    before = pipe.fill()
    writer = LogWriter(pipe.writing, max_lines=max_lines, max_bytes=max_bytes)
    writer.start()
    for line in numbered(1_000):
        writer.msg(line)
    assert writer.dropped == 950
    assert not writer.flush(0.1)
    for line in numbered(1_000):
        writer.msg(line)
    assert writer.dropped == 1_950
    assert pipe.finish(writer).removeprefix(before).splitlines() == numbered(50)


def test_lines_are_taken_again_once_the_reader_goes_on(pipe: Pipe) -> None:
    before = pipe.fill()
    writer = LogWriter(pipe.writing, max_lines=2)
    writer.start()
    for line in (b"1", b"2", b"lost"):
        writer.msg(line)
    assert os.read(pipe.reading, len(before)) == before
    assert writer.flush(10)
    writer.msg(b"3")
    assert pipe.finish(writer) == b"1\n2\n3\n"
    assert writer.dropped == 1


def test_a_stop_gives_up_a_reader_that_stalls(pipe: Pipe) -> None:
    before = pipe.fill()
    writer = LogWriter(pipe.writing)
    writer.start()
    writer.msg(b"waiting")
    assert not writer.close(0.1)
    assert pipe.finish(writer) == before + b"waiting\n"


def test_a_full_disk_costs_lines() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = LogWriter(full.fileno())
        writer.start()
        for line in numbered(10):
            writer.msg(line)
        assert writer.flush(10)
        assert writer.dropped == 10
        assert writer.close(10)


FILL = """
import os, resource, signal, sys
from trivium.api.telemetry.log_writer import LogWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
writer = LogWriter(fd)
if sys.argv[2] == "thread":
    writer.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (250, resource.RLIM_INFINITY))
for number in range(6):
    writer.msg(b"%099d" % number)
writer.flush(10)
lost = writer.dropped
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for number in range(6, 9):
    writer.msg(b"%099d" % number)
print(writer.close(10), lost, writer.dropped)
"""


@pytest.mark.parametrize("by", ["thread", "caller"])
def test_a_line_cut_by_a_full_disk_is_completed_when_there_is_room_again(tmp_path: Path, by: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path / "log", by], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True", "3", "3"]
    assert [int(line) for line in (tmp_path / "log").read_text().splitlines()] == [0, 1, 2, 6, 7, 8]


def test_a_reader_that_has_gone_costs_lines(pipe: Pipe) -> None:
    os.close(pipe.reading)
    writer = LogWriter(pipe.writing)
    writer.start()
    writer.msg(b"lost")
    assert writer.flush(10)
    assert writer.dropped == 1
    assert writer.close(10)


def test_a_pipe_that_must_not_block_is_waited_for(pipe: Pipe) -> None:
    before = pipe.fill()
    os.set_blocking(pipe.writing, False)
    writer = LogWriter(pipe.writing)
    writer.start()
    for line in numbered(5_000):
        writer.msg(line)
    assert pipe.finish(writer).removeprefix(before).splitlines() == numbered(5_000)
    assert writer.dropped == 0


def test_without_its_thread_lines_are_written_at_once_or_dropped(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writing)
    writer.msg(b"before")
    assert os.read(pipe.reading, 100) == b"before\n"
    before = pipe.fill()
    writer.msg(b"lost")
    assert writer.dropped == 1
    assert os.read(pipe.reading, len(before)) == before
    writer.start()
    assert writer.close(10)
    writer.msg(b"after")
    assert os.read(pipe.reading, 100) == b"after\n"


FORK = """
import os
from trivium.api.telemetry.log_writer import LogWriter
writer = LogWriter()
writer.msg(b"parent")
worker = os.fork()
if worker == 0:
    writer.start()
    writer.msg(b"worker")
    os._exit(0 if writer.close(10) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
"""


def test_a_worker_starts_a_thread_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"parent\nworker\n0\n"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\n", b"")), max_size=20), max_size=4))
def test_from_any_thread_every_line_is_written_or_counted(batches: list[list[bytes]]) -> None:
    pipe = Pipe()
    writer = LogWriter(pipe.writing, max_lines=30)
    writer.start()

    def put(lines: list[bytes]) -> None:
        for line in lines:
            writer.msg(line)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, batches))
    written = pipe.finish(writer).split(b"\n")[:-1]
    os.close(pipe.reading)
    assert len(written) + writer.dropped == sum(map(len, batches))
    assert not Counter(written) - Counter(line for lines in batches for line in lines)
