"""Serve an application whose event loop is blocked on demand: python blocking.py GATE."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from trivium.api.app import create_app, create_management_app
from trivium.api.drain import Drain
from trivium.api.server.options import Options
from trivium.api.server.worker import Applications
from trivium.api.settings import Settings
from trivium.api.telemetry.log import make_logger
from trivium.cli.serve import run


def main(gate: Path) -> None:
    """Serve; /block holds the event loop until the gate is gone."""

    def block() -> None:
        while gate.exists():
            time.sleep(0.01)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/block":
            block()
        await service(scope, receive, send)

    settings, drain, logger = Settings.from_environment(), Drain(), make_logger("info")
    service = create_app(settings, drain=drain, logger=logger)
    applications = Applications(app, create_management_app(service), drain, logger, service.lifespan)
    options = Options(host="127.0.0.1", port=int(os.environ["PORT"]), management_port=settings.management_port)
    run(applications, options)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
