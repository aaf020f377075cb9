"""`trivium policy keygen` and `sign`: keys and signatures for own policies."""

from __future__ import annotations

import os
from pathlib import Path

import click

from trivium.cli.common import INVALID_INPUT, Failure
from trivium.policy import signatures
from trivium.policy.registry import SIGNATURE


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command
@click.argument("name", type=click.Path(path_type=Path))
def keygen(name: Path) -> None:
    """Make a pair of keys: NAME.key signs and stays secret; NAME.pub is for those who verify."""
    try:
        secret, public = signatures.generate()
    except signatures.KeysError as error:
        raise Failure(f"Error: {error}", INVALID_INPUT) from None
    for content, suffix, mode in ((secret, ".key", 0o600), (public, ".pub", 0o644)):
        file = f"{name}{suffix}"
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
                stream.write(content)
        except OSError as error:
            raise Failure(f"Error: {file}: {error.strerror}", INVALID_INPUT) from None
        click.echo(file)


@click.command
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--key", required=True, type=FILE, help="The private key, as keygen makes it.")
def sign(files: tuple[Path, ...], key: Path) -> None:
    """Sign policies, and the lifecycle beside them: writes FILE.sig for each."""
    try:
        secret = key.read_bytes()
        for file in files:
            signature = file.with_name(file.name + SIGNATURE)
            signature.write_bytes(signatures.sign(file.read_bytes(), secret))
            click.echo(signature)
    except signatures.KeysError as error:
        raise Failure(f"Error: {key}: {error}", INVALID_INPUT) from None
    except OSError as error:
        raise Failure(f"Error: {error.filename}: {error.strerror}", INVALID_INPUT) from None
