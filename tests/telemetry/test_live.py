"""`trivium serve` whose log goes to a reader that stalls, to a full disk, to one that left: requests go on."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from api import serving
from api.serving import Live, parse
from trivium.api.telemetry.log import LibraryLogHandler, make_logger
from trivium.api.telemetry.log_writer import MAX_LINES, LogWriter


pytestmark = pytest.mark.e2e


DEBUG = {"TRIVIUM_LOG_LEVEL": "debug"}  # probes leave lines as well
DROPPED = "trivium_log_lines_dropped_total "


def dropped(served: Live) -> float:
    (line,) = [line for line in httpx.get(f"{served.url}/metrics").text.splitlines() if line.startswith(DROPPED)]
    return float(line.removeprefix(DROPPED))


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answer(served: Live) -> None:
    """Check that decisions and probes are answered."""
    assert httpx.post(f"{served.url}/recommend", json={}).status_code == 200
    for path in ("/livez", "/readyz"):
        assert httpx.get(served.url + path).status_code == 200


def ask(port: int, count: int, at_once: int = 100) -> int:
    """Send many requests on one connection, and return how many are answered."""
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    answered = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for _ in range(count // at_once):
            connection.sendall(request * at_once)
            rest, found = b"", 0
            while found < at_once:
                part = connection.recv(1 << 16)
                if not part:
                    return answered + found
                rest += part
                found += rest.count(b"HTTP/1.1 200")
                rest = rest[-11:]
            answered += found
    return answered


def test_a_reader_that_stalls_holds_up_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reading = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    filling = os.open(tmp_path / "log", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(filling, b"#" * 4095 + b"\n")
    os.close(filling)
    with serving.live(tmp_path, **DEBUG) as served:
        assert ask(served.port, MAX_LINES) == MAX_LINES
        answer(served)
        assert dropped(served) >= 1
        answer(served)
        assert served.stop() == 0
    os.close(reading)


@pytest.mark.e2e
def test_a_reader_that_goes_on_gets_whole_lines(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reading = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    with serving.live(tmp_path, **DEBUG) as served:
        assert ask(served.port, MAX_LINES // 2) == MAX_LINES // 2  # far more than a pipe holds
        os.set_blocking(reading, True)
        read = b""
        while read.count(b"\n") < MAX_LINES // 2:
            read += os.read(reading, 1 << 20)
        assert dropped(served) == 0
    assert {line["path"] for line in parse(read.rpartition(b"\n")[0])} == {"/readyz", "/livez"}
    os.close(reading)


def test_a_full_disk_costs_the_lines_only(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with serving.live(tmp_path) as served:
        answer(served)
        wait_for(lambda: dropped(served) >= 1)
        answer(served)
        assert served.stop() == 0


@pytest.mark.e2e
def test_a_reader_that_leaves_costs_the_lines_only(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reading = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    with serving.live(tmp_path) as served:
        os.close(reading)
        answer(served)
        wait_for(lambda: dropped(served) >= 1)
        answer(served)
        assert served.stop() == 0


def test_a_stop_writes_what_is_queued(tmp_path: Path) -> None:
    with serving.live(tmp_path, **DEBUG) as served:
        assert ask(served.port, 500) == 500
        assert served.stop() == 0
        paths = [line["path"] for line in parse((tmp_path / "log").read_bytes())]
        assert paths[paths.index("/livez") :] == ["/livez"] * 500


LIBRARIES = """
import logging.config
from trivium.api.telemetry.log import library_logging, make_logger
from trivium.api.telemetry.log_writer import LogWriter
logging.config.dictConfig(library_logging(make_logger("info", LogWriter())))
for name in ("asyncio", "_granian", "granian.access"):
    logging.getLogger(name).error("%s failed", name, exc_info=OSError("why"))
"""


def test_what_libraries_log_is_json_as_well() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARIES], capture_output=True, check=True, timeout=120)
    assert [line["message"] for line in parse(done.stdout)] == [
        "asyncio failed",
        "_granian failed",
        "granian.access failed",
    ]
    assert done.stderr == b""


@pytest.mark.parametrize(("level", "named"), [(logging.ERROR, "error"), (35, "warning"), (70, "critical")])
def test_records_of_libraries_keep_level_logger_message_and_exception(tmp_path: Path, level: int, named: str) -> None:
    with (tmp_path / "log").open("wb") as file:
        library = logging.Logger("a.library")  # noqa: LOG001 - apart from those of this process
        library.addHandler(LibraryLogHandler(make_logger("info", LogWriter(file.fileno()))))
        library.log(level, "it %s", "broke", exc_info=ValueError("why"))
        library.debug("a detail")
    (line,) = parse((tmp_path / "log").read_bytes())
    assert (line["event"], line["level"], line["logger"], line["message"]) == (
        "library_log",
        named,
        "a.library",
        "it broke",
    )
    assert line["exception"].endswith("ValueError: why")
