"""The option --no-skips, by which CI proves that every test ran, works: in one process and in several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import toolbox


MODULES = {
    "mark": "@pytest.mark.skip(reason='because')\ndef test(): ...",
    "call": "def test(): pytest.skip('because')",
    "fixture": "@pytest.fixture\ndef f(): pytest.skip('because')\ndef test(f): ...",
    "tool": "@pytest.mark.tool('no-such-tool')\ndef test(): ...",
    "module": "pytest.skip('because', allow_module_level=True)",
    "import": "pytest.importorskip('no_such_module', reason='because')",
    "expected_failure": "@pytest.mark.xfail(strict=True)\ndef test(): assert False",
}


def run_tests(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the modules under this project's own configuration and conftest."""
    for name, text in MODULES.items():
        (folder / f"test_{name}.py").write_text(f"import pytest\n{text}\n")
    own: list[str | Path] = [
        "-c",
        toolbox.ROOT / "pyproject.toml",
        "--rootdir",
        folder,
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        *options,
    ]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *own, "--continue-on-collection-errors", folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(toolbox.ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.e2e
def test_without_the_option_a_skip_is_a_skip(tmp_path: Path) -> None:
    done = run_tests(tmp_path)

    assert "= 6 skipped, 1 xfailed in" in done.stdout.splitlines()[-1]
    assert done.returncode == 0


@pytest.mark.parametrize("processes", ["0", pytest.param("2", marks=pytest.mark.e2e)])
def test_with_the_option_every_skip_is_a_failure_that_gives_the_reason(tmp_path: Path, processes: str) -> None:
    done = run_tests(tmp_path, "-n", processes, "--no-skips")

    # What pytest cannot even collect it counts as an error; an expected failure is no skip.
    assert "= 4 failed, 1 xfailed, 2 errors in" in done.stdout.splitlines()[-1]
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert done.stdout.count("because") >= 5
    assert "python tools/install.py no-such-tool" in done.stdout
