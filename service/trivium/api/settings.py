"""Settings, from environment variables only. Wrong or unknown ones keep the service from starting."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Mapping
from typing import Annotated, Literal, Self

import msgspec

from trivium.decoding import field_error
from trivium.errors import SettingsError
from trivium.policy.errors import nearest_name


PREFIX = "TRIVIUM_"

_KUBERNETES = re.compile(r"TRIVIUM(_[A-Z0-9_]*)?_(SERVICE_(HOST|PORT).*|PORT(_.*)?)|TRIVIUM_PORT.*")
"""What Kubernetes injects into pods beside a service called trivium; not ours."""
_PROTOCOLS = ("tcp://", "udp://", "sctp://")
"""How Kubernetes begins the value of a variable that is called after a port."""

_PIN = re.compile(r"(?P<version>\d+\.\d+\.\d+)\s*=\s*(?P<digest>[0-9a-f]{64})", re.ASCII)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can set; each field is read from TRIVIUM_ and its name in capitals.

    Attributes:
        default_policy: policy selector for requests that name none; empty for the newest active version.
        log_level: least severe level to log.
        log_profiles: log the values of profiles; else only which fields were given.
        max_body_bytes: largest request body.
        body_seconds: how long a request body may take to arrive.
        max_batch: most profiles in one batch.
        max_batches: most batches at once; more are answered with 503.
        max_streams: most streamed batches at once; more are answered with 503.
        max_stream_bytes: largest body of a streamed batch.
        stream_idle_seconds: how long the body of a streamed batch may pause.
        policy_dir: directory of own policies, served in place of those in the package.
        policy_pins: exactly what may be served, as `1.0.0=DIGEST,2.0.0=DIGEST`; empty for no such limit.
        policy_keys: file of the Ed25519 public keys that may sign own policies; empty where none need a signature.
        policy_reload_seconds: how often to look for changed policies; 0 for never.
        management_port: where probes and metrics are answered, and then nowhere else; 0 for the service port.
        max_connections: most connections of the service port at once, idle ones too.
        idle_seconds: how long a connection may wait for its next request, or take over the headers of one.
        drain_seconds: how long `/readyz` answers 503 and answers close their connections before the port is closed.
        shutdown_seconds: how long running requests may take once the port is closed.
    """

    default_policy: Annotated[str, msgspec.Meta(max_length=64)] = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_profiles: bool = False
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)] = 1 << 20
    body_seconds: Annotated[float, msgspec.Meta(ge=0.01, le=3600)] = 30
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1000
    max_batches: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    max_streams: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    max_stream_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 40)] = 16 << 30
    stream_idle_seconds: Annotated[float, msgspec.Meta(ge=0.01, le=3600)] = 30
    policy_dir: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    policy_pins: Annotated[str, msgspec.Meta(max_length=65536)] = ""
    policy_keys: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    policy_reload_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5
    management_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 16384
    idle_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 80
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0
    shutdown_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20

    @property
    def pins(self) -> dict[str, str]:
        """The pinned digests by version."""
        return _pins(self.policy_pins)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings.

        Raises:
            SettingsError: names every variable that is wrong or unknown, and what it may be.
        """
        environment = os.environ if environment is None else environment
        fields = {PREFIX + field.name.upper(): field for field in msgspec.structs.fields(cls)}
        values, problems = {}, []
        for name, text in environment.items():
            if not name.startswith(PREFIX) or _is_injected(name, text, fields):
                continue
            if name not in fields:
                problems.append(f"{name}: unknown setting{nearest_name(name, list(fields))}")
                continue
            field = fields[name]
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False)
                if field.name == "policy_pins":
                    _pins(text)
            except SettingsError as error:
                problems.append(str(error))
            except msgspec.ValidationError as error:
                problems.append(f"{name}: {field_error(text, field.type, str(error)).detail}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(**values)


def _is_injected(name: str, text: str, ours: Container[str]) -> bool:
    """Say whether Kubernetes has set a variable; beside a service `trivium-management` it takes a name of ours."""
    return bool(_KUBERNETES.fullmatch(name)) and (name not in ours or text.startswith(_PROTOCOLS))


def _pins(text: str) -> dict[str, str]:
    """Read the pinned digests by version.

    Raises:
        SettingsError: an entry is not of the form VERSION=DIGEST, or a version is given twice.
    """
    pins: dict[str, str] = {}
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        found = _PIN.fullmatch(entry)
        if found is None:
            raise SettingsError(f"TRIVIUM_POLICY_PINS: `{entry[:80]}` is not VERSION=DIGEST, as GET /policies has them")
        if found["version"] in pins:
            raise SettingsError(f"TRIVIUM_POLICY_PINS: version {found['version']} is given twice")
        pins[found["version"]] = found["digest"]
    return pins
