"""Closing a port without losing a connection that was made in the very moment before.

A listener that is closed resets the connections which wait to be accepted, and the server closes those on which no
request has arrived yet. A load balancer takes either for a failed request, and may not send it again. So the port first
lets no new connection begin, those that have begun get time to send their request, and only then it is closed. A caller
that tries to connect meanwhile tries again after a second, as TCP does by itself, and is refused.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path


SECONDS = 0.25
"""How long a connection takes from its first packet to its request, however far away it comes from."""

_ATTACH_FILTER = 26
"""SO_ATTACH_FILTER of Linux, which the socket module does not name."""

_INSTRUCTIONS = (
    (0x30, 0, 0, 13),  # load the byte of the TCP header that holds the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone begins a connection:
    (0x06, 0, 0, 0),  # drop it,
    (0x06, 0, 0, 0xFFFFFFFF),  # and let all else through
)
"""A program of the classic Berkeley packet filter: operation, jump if true, jump if false, operand."""


def find_listener(port: int) -> socket.socket | None:
    """Return a handle of its own on the socket by which this process listens on a port; None when there is none.

    The server makes its socket itself and does not give it away.
    """
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # what is closed by now, as the handle on the folder itself
            if entry.is_socket():
                candidate = socket.socket(fileno=os.dup(int(entry.name)))
                if candidate.family in {socket.AF_INET, socket.AF_INET6} and _listens(candidate, port):
                    return candidate
                candidate.close()
    return None


def _listens(candidate: socket.socket, port: int) -> bool:
    return bool(candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) and candidate.getsockname()[1] == port


def ignore_new(listener: socket.socket) -> None:
    """Let no new connection begin; outside Linux, and where the system forbids filters, this does nothing."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in _INSTRUCTIONS))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_INSTRUCTIONS), ctypes.addressof(program))
        )
