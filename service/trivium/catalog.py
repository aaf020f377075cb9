"""The catalog: the one place where policies are loaded, for the library, the command line and the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from trivium.advisor import Advisor
from trivium.policy import Policy, PolicyError, Problem, Registry, ServedPolicy, load_files, read_directory
from trivium.policy.signatures import read_keys, verify
from trivium.profile import VOCABULARY, Profile
from trivium.rendering import Renderer


POLICIES = Path(__file__).parent / "policies"
"""The directory of the policies that ship with the package."""


class PolicySet:
    """Proven policies, with an advisor and a renderer for each.

    It is immutable: who keeps one sees the same policies throughout.

    Args:
        policies: the policies, all of one name.
        default: selector that stands in when a caller names none; None for the newest active version.
        files: the files they were loaded from, by name.
        previous: an older set; the renderers of policies that have not changed are taken from it, with their caches.

    Attributes:
        registry: finds a policy by a selector.
        renderers: version to renderer, oldest first.
        advisors: the same with the advisor of each.
        default: the advisor that decides when a caller names no policy.

    Raises:
        PolicyError: two names, or a version twice.
        UnknownPolicyError: there is no policy, or `default` fits none.
        RetiredPolicyError: `default` names a retired version.
    """

    def __init__(
        self,
        policies: Iterable[ServedPolicy],
        default: str | None = None,
        files: Mapping[str, bytes] | None = None,
        previous: PolicySet | None = None,
    ) -> None:
        self.registry = Registry(policies, default)
        kept: Mapping[str, Renderer] = previous.renderers if previous else {}
        self.renderers: Mapping[str, Renderer] = {
            version: _renderer(one, kept.get(version)) for version, one in self.registry.by_version.items()
        }
        self.advisors: Mapping[str, Advisor] = {version: one.advisor for version, one in self.renderers.items()}
        self.default = self.advisors[self.registry.default.version]
        self._files = dict(files or {})

    def advisor(self, selector: str | None = None) -> Advisor:
        """Return the advisor that decides for a selector; None for the default.

        Raises:
            UnknownPolicyError: nothing fits.
            RetiredPolicyError: the version is retired.
        """
        if selector is None:
            return self.default
        return self.advisors[self.registry.deciding(selector).version]

    def renderer(self, selector: str | None = None) -> Renderer:
        """Return the renderer of what decides for a selector; None for the default.

        Raises:
            UnknownPolicyError: nothing fits.
            RetiredPolicyError: the version is retired.
        """
        return self.renderers[self.advisor(selector).policy.version]

    def self_test(self) -> dict[str, str]:
        """Decide the empty profile by every policy; return check name to `ok` or what failed."""
        checks = {}
        for version, advisor in self.advisors.items():
            recommended = advisor.recommend(Profile())
            named = recommended.strategy in recommended.reachable
            checks[f"policy {version}"] = "ok" if named else "the strategy is not among the reachable ones"
        return checks

    def unchanged(self, files: Mapping[str, bytes]) -> dict[str, Policy]:
        """Return the policies whose files are still the same, by file name."""
        policies = {one.policy.parsed.file: one.policy for one in self.registry.by_version.values()}
        return {name: policy for name, policy in policies.items() if files.get(name) == self._files.get(name, b"")}


def load(
    directory: Path = POLICIES,
    *,
    default: str | None = None,
    pins: Mapping[str, str] | None = None,
    keys: Path | None = None,
    previous: PolicySet | None = None,
) -> PolicySet:
    """Load every policy of a directory.

    Args:
        directory: where the `*.yaml` files are, with the lifecycle file and signatures beside them.
        default: selector that stands in when a caller names none; None for the newest active version.
        pins: exactly what may be served, as version to digest; empty for no such limit.
        keys: file of the Ed25519 public keys that must have signed the policies; None where none need a signature.
        previous: an older set; what has not changed since is taken from it.

    Raises:
        PolicyError: a policy does not load, is not pinned, or is not signed by a trusted key.
        KeysError: the file of keys is not one.
        OSError: the file of keys cannot be read.
        UnknownPolicyError: there is no policy, or `default` fits none.
        RetiredPolicyError: `default` names a retired version.
    """
    files = read_directory(directory)
    if keys is not None:
        verify(files, read_keys(keys.read_bytes()))
    policies = load_files(files, VOCABULARY, previous.unchanged(files) if previous else None)
    if problems := list(_pin_problems(policies, pins or {})):
        raise PolicyError(problems)
    return PolicySet(policies, default, files, previous)


@cache
def shipped() -> PolicySet:
    """Return the policies that ship with the package."""
    return load()


def _renderer(policy: ServedPolicy, kept: Renderer | None) -> Renderer:
    """Return a renderer for a policy: the one so far, with all that it has cached, where nothing has changed."""
    if kept is not None and kept.advisor.policy is policy.policy and kept.advisor.lifecycle == policy.lifecycle:
        return kept
    return Renderer(Advisor(policy))


def _pin_problems(policies: list[ServedPolicy], pins: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is served and not pinned, pinned to another digest, or pinned and not served."""
    if not pins:
        return
    for one in policies:
        if one.version not in pins:
            message = f"TRIVIUM_POLICY_PINS has no version {one.version}"
            yield one.policy.parsed.problem(("version",), "not-pinned", message)
        elif pins[one.version] != one.policy.digest:
            message = f"the digest is {one.policy.digest}, and TRIVIUM_POLICY_PINS has {pins[one.version]}"
            yield one.policy.parsed.problem(("version",), "not-pinned", message)
    for version in pins.keys() - {one.version for one in policies}:
        yield Problem("not-there", f"no policy has version {version}", file="TRIVIUM_POLICY_PINS")
