"""Wait until something happens, on a machine of any speed."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar


LIMIT = 120.0
"""Seconds after which it is a fault and no longer a slow machine: no test may pass or fail by a shorter time."""

_T = TypeVar("_T")


def until(holds: Callable[[], _T | None], told: Callable[[], str] = lambda: "it never happened") -> _T:
    """Wait until something is true, and return it; when it never is, fail with what is *told* then."""
    deadline = time.monotonic() + LIMIT
    while not (found := holds()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)
    return found


def is_open(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
