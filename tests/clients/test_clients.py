"""Clients that generators make of the contract compile under strict settings, and work against a served process.

Each program in the folders beside this file recommends, lists the policies, and is refused, through one client.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import toolbox
from api import serving


HERE = Path(__file__).parent
MYPY = Path(sys.executable).with_name("mypy")

pytestmark = pytest.mark.e2e

PROFILE = {"labeled_examples": 3_000_000_000, "knowledge_need": "changing_facts"}
WRONG = {"requests_per_day": -1}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving.live(tmp_path_factory.mktemp("served")) as live:
        yield live.url


@pytest.fixture(scope="module")
def contract(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "openapi.json"
    path.write_bytes(httpx.get(f"{url}/openapi.json", timeout=60).content)
    return path


@pytest.fixture(scope="module")
def expected(url: str) -> dict[str, Any]:
    """Return what every program has to print: what the service answers when it is called without a client."""
    refused = httpx.post(f"{url}/recommend", json=WRONG).json()
    return {
        "strategy": httpx.post(f"{url}/recommend", json=PROFILE).json()["strategy"],
        "versions": [policy["version"] for policy in httpx.get(f"{url}/policies").json()["policies"]],
        "problem": refused["code"],
        "pointers": [error["pointer"] for error in refused["errors"]],
    }


def run(folder: Path, *command: str | Path) -> str:
    """Run a command that must succeed; return what it prints."""
    return completed(folder, *command).stdout


def completed(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed."""
    environment = os.environ | {"PATH": toolbox.SEARCH, "MYPYPATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done


def last_line(printed: str) -> Any:
    return json.loads(printed.splitlines()[-1])


def typescript(folder: Path) -> Path:
    """Make a folder a TypeScript project; return where the commands of the installed packages are."""
    modules = Path(toolbox.path("tsc")).resolve().parents[2]
    (folder / "node_modules").symlink_to(modules)
    shutil.copy(HERE / "typescript" / "tsconfig.json", folder)
    return modules / ".bin"


def run_typescript(folder: Path, program: str, url: str) -> Any:
    """Compile a program together with the client, strictly, and run it."""
    shutil.copy(HERE / "typescript" / program, folder)
    run(folder, toolbox.path("tsc"), "--project", "tsconfig.json")
    return last_line(run(folder, "node", folder / "js" / f"{Path(program).stem}.js", url))


@pytest.mark.tool("tsc")
def test_openapi_typescript(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    commands = typescript(tmp_path)
    run(tmp_path, commands / "openapi-typescript", contract, "--output", "generated/schema.d.ts")
    assert run_typescript(tmp_path, "openapi_fetch.ts", url) == expected


@pytest.mark.tool("tsc")
def test_hey_api(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    commands = typescript(tmp_path)
    run(tmp_path, commands / "openapi-ts", "--input", contract, "--output", "generated")
    assert run_typescript(tmp_path, "hey_api.ts", url) == expected


@pytest.mark.tool("tsc")
def test_orval(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    commands = typescript(tmp_path)
    output = {"target": "generated/client.ts", "client": "fetch", "baseUrl": url}
    config = {"trivium": {"input": str(contract), "output": output}}
    (tmp_path / "orval.config.mjs").write_text(f"export default {json.dumps(config)};", encoding="utf-8")
    run(tmp_path, commands / "orval")
    assert run_typescript(tmp_path, "orval.ts", url) == expected


@pytest.mark.tool("tsc", "javac", "openapi-generator-cli")
def test_typescript_axios(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    typescript(tmp_path)
    generate(tmp_path, contract, "typescript-axios")
    assert run_typescript(tmp_path, "axios.ts", url) == expected


@pytest.mark.tool("javac", "openapi-generator-cli")
def test_java(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    generate(tmp_path, contract, "java", "--library=native", "--additional-properties=openApiNullable=false")
    # The generator is written in Java with the same JSON library, so its own archive has all that the client needs.
    path = f"classes{os.pathsep}{generator_archive()}"
    sources = sorted((tmp_path / "generated" / "src" / "main").rglob("*.java"))
    own = sorted((HERE / "java").rglob("*.java"))
    run(tmp_path, "javac", "-Werror", "-d", "classes", "-classpath", path, *own, *sources)
    assert last_line(run(tmp_path, "java", "-classpath", path, "Program", url)) == expected


def generate(folder: Path, contract: Path, *options: str) -> None:
    """Run OpenAPI Generator, which validates the contract first."""
    run(folder, toolbox.path("openapi-generator-cli"), "generate", "-i", contract, "-o", "generated", "-g", *options)


def generator_archive() -> Path:
    """Return the Java archive of OpenAPI Generator, beside the command that runs it."""
    environment = Path(toolbox.path("openapi-generator-cli")).resolve().parents[1]
    (archive,) = environment.glob("lib/python*/site-packages/openapi_generator_cli/openapi-generator.jar")
    return archive


@pytest.mark.tool("openapi-python-client")
def test_openapi_python_client(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"post_hooks": []}', encoding="utf-8")
    options: list[str | Path] = [
        "--path",
        contract,
        "--output-path",
        "generated",
        "--meta=none",
        "--config=config.json",
    ]
    done = completed(tmp_path, toolbox.path("openapi-python-client"), "generate", *options)
    printed = done.stdout + done.stderr
    # It knows no YAML, and leaves out that response of the contract itself; and no batches but those in JSON.
    unknown = re.findall(r"Unsupported content.type ([\w/.-]+)", printed)
    arrow, lines, table = "application/vnd.apache.arrow.stream", "application/x-ndjson", "text/csv"
    assert sorted(unknown) == [arrow, arrow, lines, lines, "application/yaml", table, table]
    assert printed.count("WARNING parsing") == len(unknown)
    shutil.copy(HERE / "python" / "program.py", tmp_path)
    run(tmp_path, MYPY, "--strict", "program.py", "generated")
    assert last_line(run(tmp_path, sys.executable, "program.py", url)) == expected


@pytest.mark.tool("datamodel-codegen")
def test_datamodel_code_generator(contract: Path, url: str, expected: dict[str, Any], tmp_path: Path) -> None:
    kind = ["--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--use-annotated"]
    names = ["--capitalise-enum-members"]  # so that none is called like a method of its class: `format`
    target = ["--output", "generated.py", "--target-python-version", "3.11"]
    run(tmp_path, toolbox.path("datamodel-codegen"), "--input", contract, *kind, *names, *target)
    shutil.copy(HERE / "python" / "models.py", tmp_path)
    run(tmp_path, MYPY, "--strict", "models.py", "generated.py")
    assert last_line(run(tmp_path, sys.executable, "models.py", url)) == expected
