"""Who wrote a policy: Ed25519 signatures over the bytes of each file, base64 in a file beside it.

Nothing here is needed, or imported, where nobody signs: the library for it is the extra `signatures`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from trivium.policy.errors import PolicyError, Problem
from trivium.policy.registry import LIFECYCLE_FILE, SIGNATURE


class KeysError(ValueError):
    """Keys that cannot be used, or no library to use them with."""


def generate() -> tuple[bytes, bytes]:
    """Return a new private key and its public key, both in PEM.

    Raises:
        KeysError: the library is missing.
    """
    crypto = _crypto()
    form = crypto.serialization
    private = crypto.ed25519.Ed25519PrivateKey.generate()
    public: bytes = private.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    secret: bytes = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return secret, public


def sign(content: bytes, private_key: bytes) -> bytes:
    """Return the signature over some bytes as a line of base64.

    Raises:
        KeysError: the key is no private Ed25519 key in PEM, or the library is missing.
    """
    crypto = _crypto()
    try:
        key = crypto.serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError):  # TypeError: the key is encrypted
        key = None
    if not isinstance(key, crypto.ed25519.Ed25519PrivateKey):
        raise KeysError("not a private Ed25519 key in PEM without a password")
    return base64.b64encode(key.sign(content)) + b"\n"


def read_keys(text: bytes) -> list[Any]:
    """Read public keys: PEM blocks, or lines with the 32 bytes in base64; `#` begins a comment.

    Raises:
        KeysError: something else is in there, or no key at all; or the library is missing.
    """
    crypto = _crypto()
    keys = []
    for block in (found[0] for found in _BLOCK.finditer(text)):
        try:
            key = crypto.serialization.load_pem_public_key(block)
        except ValueError:
            key = None
        if not isinstance(key, crypto.ed25519.Ed25519PublicKey):
            raise KeysError(f"a public Ed25519 key was expected, not {block.splitlines()[0].decode()}")
        keys.append(key)
    for number, line in enumerate(_BLOCK.sub(lambda block: b"\n" * block[0].count(b"\n"), text).splitlines(), 1):
        if word := line.partition(b"#")[0].strip():
            raw = _decoded(word, 32)
            if raw is None:
                raise KeysError(f"line {number} is neither PEM nor the 32 bytes of a key in base64")
            keys.append(crypto.ed25519.Ed25519PublicKey.from_public_bytes(raw))
    if not keys:
        raise KeysError("there is no key")
    return keys


def verify(files: Mapping[str, bytes], keys: Sequence[Any]) -> None:
    """Check that one of the keys signed each file.

    The lifecycle has to be there as well, or leaving it out would bring retired policies back.

    Raises:
        PolicyError: names every file whose signature is missing, malformed or by nobody trusted.
    """
    problems = []
    for name in dict.fromkeys([*(name for name in files if not name.endswith(SIGNATURE)), LIFECYCLE_FILE]):
        if name not in files:
            message = "signed policies need a signed lifecycle, if only an empty one"
            problems.append(Problem("unsigned", message, file=name))
        elif (text := files.get(name + SIGNATURE)) is None:
            problems.append(Problem("unsigned", f"there is no signature {name}{SIGNATURE}", file=name))
        elif (signature := _decoded(text.strip(), 64)) is None:
            message = "a signature is 64 bytes in base64"
            problems.append(Problem("malformed-signature", message, file=name + SIGNATURE))
        elif not any(_fits(key, signature, files[name]) for key in keys):
            message = "no trusted key made this signature over these bytes"
            problems.append(Problem("wrong-signature", message, file=name))
    if problems:
        raise PolicyError(problems)


_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def _fits(key: Any, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except _crypto().InvalidSignature:
        return False
    return True


def _decoded(word: bytes, length: int) -> bytes | None:
    try:
        raw = base64.b64decode(word, validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) == length else None


def _crypto() -> Any:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - an extra
    except ImportError:
        raise KeysError("signatures need an extra; install it: pip install '.[signatures]'") from None
    return SimpleNamespace(InvalidSignature=InvalidSignature, serialization=serialization, ed25519=ed25519)
