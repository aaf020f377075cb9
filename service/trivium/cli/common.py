"""What all commands share: exit codes, errors as readable lines, JSON or tables, and how policies are named."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Any

import click
import msgspec
from click.shell_completion import CompletionItem
from rich.console import Console

from trivium import catalog
from trivium.catalog import PolicySet
from trivium.errors import InvalidInputError, SettingsError
from trivium.policy import (
    Lifecycle,
    Policy,
    PolicyError,
    Problem,
    RetiredPolicyError,
    ServedPolicy,
    UnknownPolicyError,
    load_policy,
)
from trivium.profile import FIELDS, VOCABULARY, Profile, parse_profile
from trivium.recommendation import encode


FOUND_PROBLEMS, INVALID_INPUT, UNKNOWN_POLICY, CANNOT_START = 1, 2, 3, 4


class Failure(click.ClickException):
    """Ends the command with lines on standard error and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class, and reads it of the error

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message as it is."""
        click.echo(self.message, file=file, err=file is None)


class Commands(click.Group):
    """A group whose commands may let the package's errors through."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn an error into its message and exit code."""
        try:
            return super().invoke(ctx)
        except PolicyError as error:
            raise Failure(str(error), FOUND_PROBLEMS) from None
        except (UnknownPolicyError, RetiredPolicyError) as error:
            raise Failure(f"Error: {error}", UNKNOWN_POLICY) from None
        except SettingsError as error:
            raise Failure(f"Error: {error}", CANNOT_START) from None


def _wants_json(_context: click.Context, _parameter: click.Parameter, value: bool | None) -> bool:
    return not sys.stdout.isatty() if value is None else value


json_option = click.option(
    "--json/--table",
    "as_json",
    default=None,
    callback=_wants_json,
    help="Print JSON or tables.  [default: tables on a terminal, else JSON]",
)


def print_json(value: Any) -> None:
    """Print JSON, given as bytes or as what to encode: on one line, indented on a terminal."""
    body = value if isinstance(value, bytes) else encode(value)
    click.echo(msgspec.json.format(body, indent=2) if sys.stdout.isatty() else body)


def console() -> Console:
    """Return standard output for tables; text in it is never read as markup."""
    return Console(highlight=False, markup=False, emoji=False)


def served_policies() -> PolicySet:
    """Return the policies in the directory that `TRIVIUM_POLICY_DIR` names, else those of the package.

    Raises:
        PolicyError: a policy in the directory does not load.
    """
    directory = os.environ.get("TRIVIUM_POLICY_DIR")
    return catalog.load(Path(directory)) if directory else catalog.shipped()


def read_text(file: str) -> str:
    """Return a policy file's text.

    Raises:
        Failure: it cannot be read.
        PolicyError: it is not text.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"Error: {file}: {error.strerror}", INVALID_INPUT) from None
    except UnicodeDecodeError as error:
        raise PolicyError([Problem("not-yaml", f"not UTF-8: {error.reason}", file=file)]) from None


def find_policy(source: str) -> Policy:
    """Return the policy that a version, a selector such as `1` or `latest`, or a YAML file names.

    Raises:
        Failure: the file cannot be read.
        PolicyError: the file's policy does not load.
        UnknownPolicyError: no shipped policy fits.
    """
    if _is_file(source):
        return load_policy(read_text(source), source, VOCABULARY)
    return served_policies().registry.resolve(source).policy


def find_served(source: str | None) -> ServedPolicy:
    """Return the policy that decides for a version, a selector or a YAML file; None for the default.

    Raises:
        Failure: the file cannot be read.
        PolicyError: the file's policy does not load.
        UnknownPolicyError: no shipped policy fits.
        RetiredPolicyError: the version is retired.
    """
    if source is not None and _is_file(source):
        return ServedPolicy(find_policy(source), Lifecycle())
    return served_policies().registry.deciding(source)


def _is_file(source: str) -> bool:
    return os.sep in source or source.endswith((".yaml", ".yml"))


def read_profile(file: IO[bytes]) -> Profile:
    """Read a profile as JSON.

    Raises:
        Failure: every bad field on a line of its own.
    """
    name = getattr(file, "name", "<stdin>")
    try:
        return parse_profile(file.read())
    except InvalidInputError as error:
        lines = [f"{name}: {(problem.pointer or '')[1:] or 'profile'}: {problem.detail}" for problem in error.errors]
        raise Failure("\n".join(lines), INVALID_INPUT) from None


class PolicySource(click.ParamType[str]):
    """A version, a selector or a file; completes versions and file names."""

    name = "policy"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the shipped versions, then files."""
        del ctx, param
        versions = [CompletionItem(one) for one in served_policies().registry.by_version if one.startswith(incomplete)]
        return versions or [CompletionItem(incomplete, type="file")]


class InputName(click.ParamType[str]):
    """A field of the profile."""

    name = "input"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the profile's fields."""
        del ctx, param
        return [CompletionItem(name) for name in FIELDS[1:] if name.startswith(incomplete)]


POLICY = PolicySource()
INPUT = InputName()
