"""Rolling restarts behind real load balancers lose no request."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import toolbox
from reliability.load import Load
from reliability.service import Service, free_ports, running, send, until


ROUNDS = 5
REQUESTS = 50_000

DRAIN = 4
"""Seconds in which haproxy sees that one instance is about to stop, and that the other one is back."""

HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend services
backend services
    option httpchk GET /readyz
    timeout check 5s
    default-server check inter 300ms fall 2 rise 1
    server a 127.0.0.1:{a.port} port {a.management}
    server b 127.0.0.1:{b.port} port {b.management}
"""

NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream services {{
        server 127.0.0.1:{a.port} max_fails=0;
        server 127.0.0.1:{b.port} max_fails=0;
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://services;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_next_upstream error;
        }}
    }}
}}
"""


@contextmanager
def proxy(name: str, port: int, folder: Path, services: list[Service]) -> Iterator[None]:
    """Run a load balancer before two services."""
    a, b = services
    text = {"haproxy": HAPROXY, "nginx": NGINX}[name].format(port=port, folder=folder, a=a, b=b)
    (folder / "proxy.conf").write_text(text, encoding="utf-8")
    arguments = {"haproxy": ["-f"], "nginx": ["-p", str(folder), "-c"]}[name]
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(
            [toolbox.path(name), *arguments, folder / "proxy.conf"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: reached(port, process, folder / "proxy.log"))
        yield
    finally:
        process.terminate()
        process.wait()


def reached(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8")
    try:
        send(port, b"").close()
    except OSError:
        return False
    return True


def roll(services: list[Service], load: Load) -> None:
    """Restart one after the other, and go on until there were enough requests."""
    try:
        for _ in range(ROUNDS):
            for service in services:
                assert service.stop() == 0
                service.start()
        until(lambda: sum(load.answers.values()) >= REQUESTS)
    finally:
        load.end()


async def under_load(port: int, services: list[Service]) -> Load:
    load = Load(port)
    await asyncio.gather(load.run(), asyncio.to_thread(roll, services, load))
    return load


@pytest.mark.e2e
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("haproxy", marks=pytest.mark.tool("haproxy")),
        pytest.param("nginx", marks=pytest.mark.tool("nginx")),
    ],
)
def test_rolling_restarts_lose_nothing(name: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with ExitStack() as stack:
        services = [
            stack.enter_context(running(tmp_path / one, drain_seconds=DRAIN, log_level="error")) for one in ("a", "b")
        ]
        stack.enter_context(proxy(name, port, tmp_path, services))
        load = asyncio.run(under_load(port, services))
    assert load.answers.keys() == {"200"}, load.answers
    assert load.answers["200"] >= REQUESTS
