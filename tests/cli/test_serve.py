"""`trivium serve` for real: it answers, drains, and says in one message why it cannot start."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.conftest import COMMAND, environment, run
from waiting import LIMIT, until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class Served(NamedTuple):
    """A running service and where its standard error goes."""

    process: subprocess.Popen[bytes]
    errors: Path


@contextmanager
def serving(port: int, folder: Path) -> Iterator[Served]:
    command = [*COMMAND, "serve", "--port", str(port)]
    with (folder / "out").open("wb") as out, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, process_group=0, env=environment())
    try:
        until(lambda: status(port) == 200 or process.poll() is not None)
        assert process.poll() is None, (folder / "errors").read_text(encoding="utf-8")
        yield Served(process, folder / "errors")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def status(port: int, path: str = "/livez") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize(("send", "number"), [(os.kill, signal.SIGTERM), (os.killpg, signal.SIGINT)])
def test_it_answers_and_stops_cleanly(
    tmp_path: Path, send: Callable[[int, signal.Signals], None], number: signal.Signals
) -> None:
    with serving(free_port(), tmp_path) as served:
        send(served.process.pid, number)
        assert served.process.wait(LIMIT) == 0
    assert len(served.errors.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.e2e
def test_a_stop_while_it_starts_is_not_missed(tmp_path: Path) -> None:
    """The moments in which a signal could be lost are few, so many are tried."""
    for attempt in range(8):
        command = [*COMMAND, "serve", "--port", str(free_port())]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path) as process:
            assert process.stderr
            assert process.stderr.readline().startswith(b"Trivium ")
            time.sleep(attempt / 40)
            process.terminate()
            assert process.wait(LIMIT) == 0


def test_the_greeting_is_a_command_to_copy(tmp_path: Path) -> None:
    port = free_port()
    with serving(port, tmp_path) as served:
        greeting = served.errors.read_text(encoding="utf-8")
        assert f"http://127.0.0.1:{port}" in greeting
        command = greeting[greeting.index("curl ") :]
        body = re.search(r"-d '(.*)'", command)
        assert body
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("POST", "/recommend", body[1], {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["strategy"] == "fine_tuning"
        connection.close()


def test_many_idle_connections_keep_nobody_out(tmp_path: Path) -> None:
    port = free_port()
    with serving(port, tmp_path):
        idle = [http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT) for _ in range(100)]
        for connection in idle:
            connection.request("GET", "/livez")
            assert connection.getresponse().read()
        assert status(port) == 200
        for connection in idle:
            connection.close()


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in done.stderr


def test_a_second_service_on_the_same_port_is_refused(tmp_path: Path) -> None:
    port = free_port()
    with serving(port, tmp_path):
        assert run("serve", "--port", str(port)).returncode == 4
        assert status(port) == 200


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TRIVIUM_MAX_BATCH", "many"), ("TRIVIUM_MAX_BTACH", "7"), ("TRIVIUM_DEFAULT_POLICY", "9.9.9")],
)
def test_a_bad_setting_is_said_in_one_line(variable: str, value: str) -> None:
    done = run("serve", "--port", str(free_port()), **{variable: value})
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_the_management_port_is_another() -> None:
    port = str(free_port())
    done = run("serve", PORT=port, TRIVIUM_MANAGEMENT_PORT=port)
    assert done.returncode == 4
    assert done.stderr == f"Error: TRIVIUM_MANAGEMENT_PORT: {port} is the port of the service itself\n"


def test_a_management_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(free_port()), TRIVIUM_MANAGEMENT_PORT=str(port))
    assert done.returncode == 4
    assert done.stderr.startswith(f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "code"),
    [({"PORT": "http"}, 2), ({"PORT": "0"}, 2), ({"HOST": "no such host"}, 4), ({"HOST": "192.0.2.1"}, 4)],
)
def test_a_bad_address_is_refused(variables: dict[str, str], code: int) -> None:
    done = run("serve", **variables)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
