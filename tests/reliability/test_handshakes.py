"""A port lets nobody in any more, and keeps who is in."""

import socket
import sys
from pathlib import Path

import pytest

from trivium.api.server.handshakes import find_listener, ignore_new


pytestmark = pytest.mark.e2e


@pytest.mark.skipif(sys.platform != "linux", reason="the packet filter is one of Linux")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_from_before_stay_and_no_new_one_begins(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        address = listener.getsockname()[:2]
        waiting = socket.create_connection(address)
        ignore_new(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.1)
        accepted, _ = listener.accept()
        with waiting, accepted:
            waiting.sendall(b"request")
            assert accepted.recv(7) == b"request"
            accepted.sendall(b"answer")
            assert waiting.recv(6) == b"answer"


def test_a_listener_is_found_among_all_files() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        before = list(Path("/dev/fd").iterdir())
        assert find_listener(other.getsockname()[1]) is None
        assert list(Path("/dev/fd").iterdir()) == before
        found = find_listener(port)
        assert found is not None
        with found:
            assert found.fileno() != listener.fileno()
            assert found.getsockname() == listener.getsockname()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
