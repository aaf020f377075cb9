"""What a service that is about to stop tells its callers: not ready any more, and no request on this connection."""

from __future__ import annotations


class Drain:
    """Whether the service is about to stop; the readiness handler and the middleware read it.

    Attributes:
        active: from the signal to stop until the end of the process.
    """

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active = False

    def begin(self) -> None:
        """Send load balancers elsewhere: `/readyz` answers 503, and every answer closes its connection."""
        self.active = True
