"""Help, versions, the contract, completion; and that what is not needed is not imported."""

import json
import os
import platform
import subprocess
import sys

import pytest
import yaml
from click.shell_completion import ShellComplete

import trivium
from api.serving import Inside
from cli.conftest import COMMAND, Invoke, environment, on_terminal
from trivium.cli import main


def test_help_names_every_command_and_every_exit_code(invoke: Invoke) -> None:
    shown = invoke("--help")
    assert shown.exit_code == 0
    for name in main.commands:
        assert f"\n  {name} " in shown.stdout
    codes = [line.split()[0] for line in shown.stdout.partition("Exit codes:\n")[2].splitlines() if line.strip()]
    assert codes[:5] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help(invoke: Invoke, name: str) -> None:
    assert invoke(name, "-h").exit_code == 0


def test_no_command_is_wrong_usage(invoke: Invoke) -> None:
    assert invoke().exit_code == 2
    assert invoke("recomend").exit_code == 2


def test_only_serve_and_openapi_import_the_web_framework() -> None:
    code = (
        "import sys; from trivium.cli import main; main(['recommend', '-'], standalone_mode=False); "
        "sys.exit(bool({'litestar', 'granian'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], input="{}", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_version(invoke: Invoke, served: Inside) -> None:
    assert invoke("--version").stdout == f"trivium {trivium.__version__}\n"
    told = json.loads(invoke("version").stdout)
    expected = served.client.get("/version").json()
    assert told == {name: expected[name] for name in ("package", "python", "policies")}
    code, said = on_terminal("version", columns=120)
    assert code == 0
    assert platform.python_version() in said
    assert f"sha256:{told['policies'][0]['digest']}" in said


def test_openapi_is_the_contract(invoke: Invoke, served: Inside) -> None:
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        printed = invoke("openapi", "--format", form).stdout
        assert printed == served.client.get(f"/openapi.{form}").text
        assert read(printed)["openapi"].startswith("3.1")
    assert invoke("openapi").stdout == invoke("openapi", "--format", "yaml").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(invoke: Invoke, shell: str) -> None:
    done = invoke("completion", shell)
    assert done.exit_code == 0
    assert "_TRIVIUM_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("trivium pol", "policy"),
        ("trivium policy show 1", "1.0.0"),
        ("trivium policy map 1 --x labeled", "labeled_examples"),
        ("trivium policy check serv", "serv"),
        ("trivium policy diff own", "own"),
    ],
)
def test_completion_offers_names(words: str, offered: str) -> None:
    _, *before, incomplete = words.split()
    completion = ShellComplete(main, {}, "trivium", "_TRIVIUM_COMPLETE")
    assert offered in [item.value for item in completion.get_completions(before, incomplete)]


def test_a_shell_is_offered_names() -> None:
    more = {"_TRIVIUM_COMPLETE": "bash_complete", "COMP_WORDS": "trivium pol", "COMP_CWORD": "1"}
    kept = {name: value for name, value in environment().items() if not name.startswith("_TRIVIUM")}
    done = subprocess.run(COMMAND, capture_output=True, text=True, env=kept | more, check=False)
    assert done.stdout == "plain,policy\n"


def test_a_reader_that_goes_away_makes_no_noise() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [*COMMAND, "policy", "show", "1"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert "Traceback" not in done.stderr
