"""`trivium score --engine` says what it needs, and which options it does not have."""

from pathlib import Path

import pytest

from cli.conftest import Invoke
from engines import inputs


pytest_plugins = ["cli.conftest"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    inputs.write(tmp_path / "in", 1, 10)
    return tmp_path / "in"


@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_a_missing_extra_is_named(invoke: Invoke, source: Path, tmp_path: Path, engine: str) -> None:
    said = invoke("score", str(source), "--engine", engine, "-o", str(tmp_path / "out"))
    assert said.exit_code == 2
    assert said.stderr == f"Error: --engine {engine} needs the extra `{engine}`: pip install '.[{engine}]'\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "--engine ray writes a file for each input: say -o DIRECTORY"),
        (("-o", "-"), "--engine ray writes a file for each input: say -o DIRECTORY"),
        (("-o", "out", "--read", "csv"), "--read cannot be combined with --engine ray"),
        (("-o", "out", "--write", "csv"), "--write cannot be combined with --engine ray"),
    ],
)
def test_options_that_an_engine_does_not_have(
    invoke: Invoke, source: Path, options: tuple[str, ...], problem: str
) -> None:
    said = invoke("score", str(source), "--engine", "ray", *options)
    assert (said.exit_code, said.stderr) == (2, f"Error: {problem}\n")


def test_a_dry_run_needs_no_engine(invoke: Invoke, source: Path) -> None:
    said = invoke("score", str(source), "--engine", "spark", "--dry-run", "--table")
    assert said.exit_code == 0
    assert "labeled_examples" in said.stdout
