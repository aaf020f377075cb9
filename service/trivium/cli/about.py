"""Commands about the program itself: the contract, the versions, completion."""

from __future__ import annotations

import platform

import click
from click.shell_completion import get_completion_class
from rich.table import Table

import trivium
from trivium.cli.common import console, json_option, print_json, served_policies


@click.command
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def openapi(form: str) -> None:
    """Print the API's contract, an OpenAPI document."""
    from trivium.api.app import CONTRACT  # noqa: PLC0415 - the web framework takes a while to import

    click.echo(CONTRACT.json if form == "json" else CONTRACT.yaml, nl=False)


@click.command
@json_option
def version(as_json: bool) -> None:
    """Print the versions of package, Python and policies."""
    policies = [
        {
            "name": served.policy.document.policy,
            "version": served.version,
            "digest": served.policy.digest,
            "status": served.lifecycle.status,
        }
        for served in reversed(served_policies().registry.by_version.values())
    ]
    if as_json:
        print_json({"package": trivium.__version__, "python": platform.python_version(), "policies": policies})
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("trivium", trivium.__version__)
    table.add_row("python", platform.python_version())
    for policy in policies:
        table.add_row(f"policy {policy['name']}", policy["version"], policy["status"], f"sha256:{policy['digest']}")
    console().print(table)


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes this command.

    \b
    bash:  trivium completion bash > ~/.local/share/bash-completion/completions/trivium
    zsh:   trivium completion zsh > a file called _trivium in a directory of $fpath
    fish:  trivium completion fish > ~/.config/fish/completions/trivium.fish
    """  # noqa: D301 - click's mark for text to be left as it is
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "trivium", "_TRIVIUM_COMPLETE").source())
