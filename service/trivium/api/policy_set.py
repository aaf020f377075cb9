"""What all routes share: the served policies, one advisor for each, and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from trivium.advisor import Advisor
from trivium.api.settings import Settings
from trivium.errors import SettingsError
from trivium.policy import (
    Policy,
    PolicyError,
    Problem,
    Registry,
    RetiredPolicyError,
    Served,
    UnknownPolicyError,
    load_files,
    read_directory,
)
from trivium.policy.signatures import KeysError, read_keys, verify
from trivium.profile import VOCABULARY, Profile
from trivium.rendering import Renderer


class Service:
    """The loaded policies, ready to advise. Immutable: a request that keeps to one Service sees one set of policies.

    Args:
        settings: as set.
        directory: where the policies are.
        previous: what served until now; what has not changed since is taken from it.

    Raises:
        PolicyError: a policy does not load, is not pinned, or is not signed by a trusted key.
        SettingsError: the default policy is none that decides; the pins or the keys cannot be used.
    """

    def __init__(self, settings: Settings, directory: Path, previous: Service | None = None) -> None:
        self.settings = settings
        self.files = read_directory(directory)
        if settings.policy_keys:
            _verify(self.files, settings.policy_keys)
        served = load_files(self.files, VOCABULARY, previous.unchanged(self.files) if previous else None)
        if pins := settings.pins:
            problems = list(_not_as_pinned(served, pins))
            if problems:
                raise PolicyError(problems)
        try:
            self.registry = Registry(served, settings.default_policy or None)
        except (UnknownPolicyError, RetiredPolicyError) as error:
            said = error if settings.default_policy else f"no policy `latest`: none in {directory} is active"
            raise SettingsError(f"TRIVIUM_DEFAULT_POLICY: {said}") from None
        kept: dict[str, Advisor] = previous.advisors if previous else {}
        self.advisors: dict[str, Advisor] = {
            version: _advisor(one, kept.get(version)) for version, one in self.registry.by_version.items()
        }
        self.default = self.advisors[self.registry.default.version]
        renderers: dict[str, Renderer] = previous.renderers if previous else {}
        self.renderers: dict[str, Renderer] = {
            version: renderers[version]
            if version in renderers and renderers[version].advisor is advisor
            else Renderer(advisor)
            for version, advisor in self.advisors.items()
        }

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
        """Return what renders the answers of the policy that decides for a selector; raises as `advisor` does."""
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
        """Return the policies whose files are still the same, by file."""
        policies = {one.policy.parsed.file: one.policy for one in self.registry.by_version.values()}
        return {name: policy for name, policy in policies.items() if files.get(name) == self.files[name]}


def _advisor(served: Served, kept: Advisor | None) -> Advisor:
    """Return an advisor for a policy: the one so far, with all that it has cached, where nothing has changed."""
    same = kept is not None and kept.policy is served.policy and kept.lifecycle == served.lifecycle
    return kept if kept is not None and same else Advisor(served)


def _verify(files: Mapping[str, bytes], keys: str) -> None:
    try:
        verify(files, read_keys(Path(keys).read_bytes()))
    except OSError as error:
        raise SettingsError(f"TRIVIUM_POLICY_KEYS: {keys}: {error.strerror}") from None
    except KeysError as error:
        raise SettingsError(f"TRIVIUM_POLICY_KEYS: {error}") from None


def _not_as_pinned(served: list[Served], pins: Mapping[str, str]) -> Iterator[Problem]:
    for one in served:
        if one.version not in pins:
            message = f"TRIVIUM_POLICY_PINS has no version {one.version}"
            yield one.policy.parsed.problem(("version",), "not-pinned", message)
        elif pins[one.version] != one.policy.digest:
            message = f"the digest is {one.policy.digest}, and TRIVIUM_POLICY_PINS has {pins[one.version]}"
            yield one.policy.parsed.problem(("version",), "not-pinned", message)
    for version in pins.keys() - {one.version for one in served}:
        yield Problem("not-there", f"no policy has version {version}", file="TRIVIUM_POLICY_PINS")
