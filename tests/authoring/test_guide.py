"""The ten-minute guide, run as it stands: every command in order, every edit, every line of output."""

import os
import pty
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import toolbox
from api.serving import TRIVIUM
from waiting import LIMIT, is_open, until


GUIDE = (toolbox.ROOT / "docs" / "authoring.md").read_text(encoding="utf-8").partition("\n# Reference\n")[0]
BLOCK = re.compile(r"^```(console|diff)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:8000"


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command on a terminal; return what it says."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the last writer has gone
                break
            if not part:
                break
            said += part
        os.close(ours)
        process.wait()
    return said.decode().replace("\r\n", "\n")


def matches(expected: str, said: str) -> bool:
    """Compare what was said with what the guide says; `...` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    lines = "\n".join(line.rstrip() for line in said.splitlines())
    return re.fullmatch(pattern, lines.strip(), re.DOTALL) is not None


def edit(file: Path, change: str) -> None:
    """Apply a change: lines to go, lines to come in their place, and lines that say where."""
    text = file.read_text()
    for before, after in hunks(change):
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text)


def hunks(change: str) -> Iterator[tuple[str, str]]:
    for hunk in re.findall(r"(?:^ .*\n|^-.*\n)+(?:^\+.*\n)+", change, re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        yield (
            "".join(line[1:] for line in lines if line[0] in " -"),
            "".join(line[1:] for line in lines if line[0] in " +"),
        )


@contextmanager
def serving(command: str, folder: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", f"exec env {command}"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        until(lambda: is_open(port) or process.poll() is not None, (folder / "log").read_text)
        assert process.poll() is None, (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(LIMIT)


def test_the_guide(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIVIUM_")}
    environment |= {"PATH": f"{TRIVIUM.parent}{os.pathsep}{environment['PATH']}", "PORT": str(port)}
    environment |= {"COLUMNS": "140", "TERM": "dumb", "NO_COLOR": "1"}
    before, serve, after = GUIDE.partition("$ TRIVIUM_POLICY_DIR=policies trivium serve\n...\n```\n")
    follow(before.rpartition("```console\n")[0], tmp_path, environment)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"tables.svg", "diagram.svg", "path.svg"}
    with serving(serve.splitlines()[0][2:], tmp_path, environment, port):
        follow(after.replace(ADDRESS, f"127.0.0.1:{port}"), tmp_path, environment)


def follow(guide: str, folder: Path, environment: dict[str, str]) -> None:
    for language, name, body in BLOCK.findall(guide):
        if language == "diff":
            edit(folder / name, body)
            continue
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
            said = run(command, folder, environment)
            assert matches(expected, said), f"$ {command}\n{said}"
