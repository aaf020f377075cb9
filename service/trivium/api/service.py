"""What all routes share: the served policies, one advisor for each, and the settings."""

from __future__ import annotations

from pathlib import Path

from trivium.advisor import Advisor
from trivium.api.settings import Settings
from trivium.errors import SettingsError
from trivium.policy import Registry, RetiredPolicyError, UnknownPolicyError, load_directory
from trivium.profile import VOCABULARY, Profile


class Service:
    """The loaded policies, ready to advise. Immutable.

    Raises:
        PolicyError: a policy does not load.
        SettingsError: the default policy is none that decides.
    """

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        served = load_directory(directory, VOCABULARY)
        try:
            self.registry = Registry(served, settings.default_policy or None)
        except (UnknownPolicyError, RetiredPolicyError) as error:
            raise SettingsError(f"TRIVIUM_DEFAULT_POLICY: {error}") from None
        self.advisors = {one.version: Advisor(one) for one in self.registry.by_version.values()}
        self.default = self.advisors[self.registry.default.version]

    def advisor(self, selector: str | None = None) -> Advisor:
        """Return the advisor that decides for a selector; None for the default.

        Raises:
            UnknownPolicyError: nothing fits.
            RetiredPolicyError: the version is retired.
        """
        if selector is None:
            return self.default
        return self.advisors[self.registry.deciding(selector).version]

    def self_test(self) -> dict[str, str]:
        """Decide the empty profile by every policy; return check name to `ok` or what failed."""
        checks = {}
        for version, advisor in self.advisors.items():
            recommended = advisor.recommend(Profile())
            named = recommended.strategy in recommended.reachable
            checks[f"policy {version}"] = "ok" if named else "the strategy is not among the reachable ones"
        return checks
