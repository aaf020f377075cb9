"""The command in this process, as a process of its own, and on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import trivium
from api.serving import Inside, inside
from trivium.cli import main


SHIPPED = str(trivium.POLICIES / "adaptation-1.0.0.yaml")
COMMAND = [sys.executable, "-m", "trivium.cli"]

INDEED = """\
{"requests_per_day": 100000, "task_consistency": "consistent", "domain_specialization": "general",
 "base_model_underperforms": false, "labeled_examples": 1000, "example_quality": "expert_reviewed",
 "knowledge_need": "none", "prompt_maturity": "exhausted", "output_strictness": "style", "primary_goal": "cost"}
"""

Invoke = Callable[..., Result]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would steer the command."""
    kept = {name: value for name, value in os.environ.items() if not re.match("TRIVIUM_|HOST$|PORT$|COLUMNS$", name)}
    return kept | more


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def served() -> Iterator[Inside]:
    """Return the service, for what it has to say the same."""
    with inside() as served:
        yield served


@pytest.fixture
def invoke() -> Invoke:
    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, arguments, input=stdin, prog_name="trivium", env={"COLUMNS": "140"})

    return run


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes the shipped policy with parts of its text replaced, and names the file."""

    def write(*replacements: tuple[str, str], name: str = "own.yaml") -> str:
        text = Path(SHIPPED).read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def run(*arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command with pipes for its streams."""
    command = [*COMMAND, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment(**more), check=False)


def run_without(modules: Sequence[str], arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, as if some modules were not installed."""
    absent = dict.fromkeys(modules)
    code = f"import sys; sys.modules.update({absent!r}); from trivium.cli import main; main({list(arguments)!r})"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def on_terminal(*arguments: str, columns: int = 100) -> tuple[int, str]:
    """Run the command on a terminal; return its exit code and what the terminal got, without colors."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm-256color")
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while part := os.read(ours, 65536):
                written += part
        except OSError:  # how Linux says that nobody has the terminal open any more
            pass
    os.close(ours)
    return process.returncode, re.sub(r"\x1b\[[\d;]*m", "", written.decode()).replace("\r\n", "\n")
