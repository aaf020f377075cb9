"""Find and run the system tools that some tests need; tools/install.py installs them."""

import os
import shutil
import subprocess
from pathlib import Path


ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools"

# Debian keeps some tools in sbin, which is not on everybody's PATH.
SEARCH = os.pathsep.join([str(TOOLS / "bin"), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def find(name: str) -> str | None:
    """Return the path of the tool *name*, or None where it is not installed."""
    return shutil.which(name, path=SEARCH)


def path(name: str) -> str:
    """Return the path of the tool *name*; the test that asks carries the marker `tool(name)`."""
    found = find(name)
    if found is None:
        raise LookupError(missing(name))
    return found


def missing(name: str) -> str:
    """Say that the tool *name* is not there, and how to get it."""
    return f"'{name}' is not installed; run: make tools (or: python tools/install.py {name})"


def run(name: str, *arguments: str | Path, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the tool *name* in the project's folder and return what it printed; fail the test if it fails."""
    done = subprocess.run(
        [path(name), *map(str, arguments)], cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done
