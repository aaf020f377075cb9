"""Nothing that is served comes from a docstring: `python -OO`, which drops them, says the same."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from trivium.api.app import CONTRACT, create_app
from trivium.api.settings import Settings
from trivium.cli import main


PATHS = ("/inputs", "/codes", "/problems", "/policies/2", "/docs")


def descriptions(part: Any) -> Any:
    """Return a part of the contract without the descriptions of whole types, which are docstrings."""
    if isinstance(part, dict):
        kept = {name: descriptions(below) for name, below in part.items()}
        if "properties" in part and isinstance(part.get("type"), str):
            kept.pop("description", None)
        return kept
    return [descriptions(below) for below in part] if isinstance(part, list) else part


def said() -> bytes:
    """Return what the service and the command line say of everything that has a description."""
    with TestClient(create_app(Settings(log_level="error"))) as client:
        answers = {path: client.get(path).text for path in PATHS}
    schema = CliRunner().invoke(main, ["policy", "schema"], catch_exceptions=False).stdout
    contract = descriptions(CONTRACT.document)
    return msgspec.json.encode([answers, contract, descriptions(msgspec.json.decode(schema))])


@pytest.mark.e2e
def test_everything_is_described_without_docstrings() -> None:
    program = "import sys; from contract import test_without_docstrings as here; sys.stdout.buffer.write(here.said())"
    done = subprocess.run(
        [sys.executable, "-OO", "-c", program],
        env={"PYTHONPATH": "tests", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=__file__.rpartition("/tests/")[0],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert msgspec.json.decode(done.stdout) == msgspec.json.decode(said())
