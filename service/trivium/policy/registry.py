"""The policies on disk: load and prove them all, resolve a selector to one, know which are deprecated or retired."""

from __future__ import annotations

import datetime as dt
import gc
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from trivium.policy.engine.compiled import Policy, compile_policy
from trivium.policy.errors import PolicyError, Problem, nearest_name
from trivium.policy.language.references import Vocabulary
from trivium.policy.proofs.gate import prove


Status = Annotated[Literal["active", "deprecated", "retired"], msgspec.Meta(title="PolicyStatus")]

LIFECYCLE_FILE = "lifecycle.yaml"
"""Beside the policies, outside their digests: version to status and dates."""

SIGNATURE = ".sig"
"""What the name of a file's signature adds to the file's."""

LATEST = "latest"


class Lifecycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a version stands in its life.

    Attributes:
        status: `active`; `deprecated`, still answers, with a warning; `retired`, can be read, but no longer decides.
        released: day of release.
        deprecated: day from which on it is deprecated.
        sunset: day from which on it may be retired.
        successor: the version to move to.
    """

    status: Status = "active"
    released: dt.date | None = None
    deprecated: dt.date | None = None
    sunset: dt.date | None = None
    successor: str | None = None


class ServedPolicy(msgspec.Struct, frozen=True, eq=False):
    """A proven policy with its lifecycle."""

    policy: Policy
    lifecycle: Lifecycle

    @property
    def version(self) -> str:
        """The policy's version."""
        return self.policy.version


class UnknownPolicyError(LookupError):
    """No served policy fits the selector."""


class RetiredPolicyError(LookupError):
    """A decision was asked of a retired policy."""

    def __init__(self, served: ServedPolicy) -> None:
        self.served = served
        successor = served.lifecycle.successor
        instead = f"; use {successor}" if successor else ""
        super().__init__(f"policy {served.version} is retired{instead}")


class Registry:
    """A set of proven policies of one name.

    Args:
        served: the policies.
        default: selector that stands in when a caller names none; None for the newest active version.

    Raises:
        PolicyError: two names, or a version twice.
        UnknownPolicyError: nothing to serve, or `default` fits nothing.
        RetiredPolicyError: `default` names a retired version.
    """

    def __init__(self, served: Iterable[ServedPolicy], default: str | None = None) -> None:
        ordered = sorted(served, key=lambda one: version_key(one.version))
        self.by_version: dict[str, ServedPolicy] = {one.version: one for one in ordered}
        problems = [
            one.policy.parsed.problem(("version",), "duplicate-version", f"version {one.version} is served already")
            for one in ordered
            if self.by_version[one.version] is not one
        ]
        problems += [
            one.policy.parsed.problem(
                ("policy",),
                "two-names",
                f"all served policies share one name, here `{ordered[0].policy.document.policy}`",
            )
            for one in ordered
            if one.policy.document.policy != ordered[0].policy.document.policy
        ]
        if problems:
            raise PolicyError(problems)
        self.default = self.deciding(default or LATEST)

    def resolve(self, selector: str) -> ServedPolicy:
        """Return the policy a selector names: `2.0.0`, `2` or `2.0` (the newest such not retired), or `latest`.

        Raises:
            UnknownPolicyError: nothing fits; the text lists what is served.
        """
        if selector in self.by_version:
            return self.by_version[selector]
        wanted = selector.split(".")
        for served in reversed(list(self.by_version.values())):
            status = served.lifecycle.status
            if selector == LATEST:
                if status == "active":
                    return served
            elif served.version.split(".")[: len(wanted)] == wanted and status != "retired":
                return served
        selector = selector[:80]  # a path may be as long as it likes
        raise UnknownPolicyError(f"no policy `{selector}`{nearest_name(selector, [*self.by_version, LATEST])}")

    def deciding(self, selector: str | None = None) -> ServedPolicy:
        """Return the policy that decides for a selector; None for the default.

        Raises:
            UnknownPolicyError: nothing fits.
            RetiredPolicyError: the version is retired.
        """
        if selector is None:
            return self.default
        served = self.resolve(selector)
        if served.lifecycle.status == "retired":
            raise RetiredPolicyError(served)
        return served


def version_key(version: str) -> tuple[int, ...]:
    """Return a semantic version as something that sorts."""
    return tuple(int(part) for part in version.split("."))


def load_policy(text: str, file: str, vocabulary: Vocabulary | None = None) -> Policy:
    """Parse, compile and prove one policy.

    Raises:
        PolicyError: with every problem of the first stage that finds any.
    """
    with _without_collector():
        policy = compile_policy(text, file, vocabulary)
        if problems := prove(policy):
            raise PolicyError(problems)
    return policy


@contextmanager
def _without_collector() -> Iterator[None]:
    """Make objects without the collector, which would look through all of them again and again: a quarter faster."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_directory(directory: Path) -> dict[str, bytes]:
    """Read the files that matter in a directory of policies, by name: every `*.yaml`, and their signatures.

    Raises:
        PolicyError: something cannot be read.
    """
    try:
        return {path.name: path.read_bytes() for path in policy_files(directory)}
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise PolicyError([Problem("unreadable", message, file=str(error.filename))]) from None


def policy_files(directory: Path) -> list[Path]:
    """List the files that matter in a directory of policies; hidden ones, which editors leave, do not.

    Raises:
        OSError: it cannot be listed.
    """
    return sorted(path for path in directory.iterdir() if _MATTERS.fullmatch(path.name))


_MATTERS = re.compile(rf"[^.].*\.yaml({re.escape(SIGNATURE)})?")


def load_directory(directory: Path, vocabulary: Vocabulary | None = None) -> list[ServedPolicy]:
    """Load every `*.yaml` of a directory, with the lifecycle file beside them.

    Raises:
        PolicyError: with the problems of every file that does not load.
    """
    return load_files(read_directory(directory), vocabulary)


def load_files(
    files: Mapping[str, bytes], vocabulary: Vocabulary | None = None, proven: Mapping[str, Policy] | None = None
) -> list[ServedPolicy]:
    """Load a directory's files, as `read_directory` returns them.

    Args:
        files: name to content.
        vocabulary: what profiles can say.
        proven: policies of files that were loaded before and have not changed since.

    Raises:
        PolicyError: with the problems of every file that does not load.
    """
    problems: list[Problem] = []
    policies: list[Policy] = []
    for name, content in files.items():
        if name == LIFECYCLE_FILE or name.endswith(SIGNATURE):
            continue
        try:
            known = (proven or {}).get(name)
            policies.append(known or load_policy(content.decode(), name, vocabulary))
        except PolicyError as error:
            problems.extend(error.problems)
        except UnicodeDecodeError as error:
            problems.append(Problem("not-yaml", f"not UTF-8: {error.reason}", file=name))
    lifecycles: dict[str, Lifecycle] = {}
    try:
        lifecycles = _lifecycles(files.get(LIFECYCLE_FILE, b""))
    except PolicyError as error:
        problems.extend(error.problems)
    versions = [policy.version for policy in policies]
    unknown = [version for version in lifecycles if version not in versions]
    if unknown and not problems:  # a version whose file does not load only seems unknown
        message = f"no policy has version {', '.join(unknown)}; served: {', '.join(versions)}"
        problems.append(Problem("unknown-version", message, file=LIFECYCLE_FILE))
    if problems:
        raise PolicyError(problems)
    return [ServedPolicy(policy, lifecycles.get(policy.version, Lifecycle())) for policy in policies]


def _lifecycles(content: bytes) -> dict[str, Lifecycle]:
    try:
        data = yaml.safe_load(content.decode()) or {}
        return msgspec.convert(data, dict[str, Lifecycle])
    except msgspec.ValidationError as error:
        raise PolicyError([Problem("malformed", str(error), file=LIFECYCLE_FILE)]) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date that no calendar has
        raise PolicyError([Problem("not-yaml", re.sub(r"\s+", " ", str(error)), file=LIFECYCLE_FILE)]) from None
