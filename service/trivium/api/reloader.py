"""Reloads the policies when their files change: the set that is served is replaced as a whole.

A set that cannot be served changes nothing: the last good one stays, and log, metrics and readiness say so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from trivium import catalog
from trivium.api.settings import Settings
from trivium.catalog import PolicySet
from trivium.errors import SettingsError
from trivium.policy import PolicyError, Problem, RetiredPolicyError, UnknownPolicyError, policy_files
from trivium.policy.signatures import KeysError


Fingerprint: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""What shows that a file has changed, per file: its name, inode, size, and when either last changed."""

ATTEMPTS = 20
PAUSE_SECONDS = 0.05
"""How often, and how long apart, to read files that change while they are read."""


class PolicyReloader:
    """Holds the policies that are served now.

    Args:
        settings: as set.
        directory: where the policies are; None for what the settings say.
        logger: where reloads are logged.

    Attributes:
        current: the served policies. The set is replaced and never changed: read it once per request.
        reloads: how many went `ok`, and how many `failed`.
        stale: why the newest files are not served; empty when they are.

    Raises:
        PolicyError: a policy must not be served.
        SettingsError: a setting is wrong.
    """

    def __init__(self, settings: Settings, directory: Path | None, logger: Any) -> None:
        if settings.policy_keys and not settings.policy_dir:
            raise SettingsError("TRIVIUM_POLICY_KEYS: only own policies are signed; TRIVIUM_POLICY_DIR is empty")
        own = Path(settings.policy_dir) if settings.policy_dir else None
        self.settings = settings
        self.reloads = {"ok": 0, "failed": 0}
        self.stale = ""
        self.watches = own is not None and settings.policy_reload_seconds > 0
        self._directory = directory or own or catalog.POLICIES
        self._logger = logger
        self._stale_since: dt.datetime | None = None
        # The contract's examples are answers of the shipped policies, so those are loaded in any case.
        shipped = catalog.shipped() if self._directory == catalog.POLICIES else None
        self.current, self._loaded = self._load(shipped)

    def checks(self) -> dict[str, str]:
        """Return why the newest policies are not served, for readiness to show; decisions go on all the same."""
        return {"policies": self.stale or "ok"} if self.watches else {}

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Watch the files for as long as the application runs."""
        watch = asyncio.create_task(self._watch()) if self.watches else None
        try:
            yield
        finally:
            if watch is not None:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    async def _watch(self) -> None:
        """Reload when the files have changed, and then stayed the same for one interval."""
        last = self._loaded
        while True:
            await asyncio.sleep(self.settings.policy_reload_seconds)
            seen = await asyncio.to_thread(self._fingerprint)
            if seen == last != self._loaded:
                await self._reload(seen)
            last = seen

    async def _reload(self, seen: Fingerprint) -> None:
        self._loaded = seen  # a set that fails is tried and logged once
        try:
            policies, self._loaded = await asyncio.to_thread(self._load, self.current)
        except PolicyError as error:
            self._failed([str(problem) for problem in error.problems])
        except SettingsError as error:
            self._failed([str(error)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the watch
            self._failed([f"{type(error).__name__}: {error}"], exc_info=error)
        else:
            self.current = policies
            self.reloads["ok"] += 1
            self.stale, self._stale_since = "", None
            served = [advisor.reference for advisor in policies.advisors.values()]
            self._logger.info("policy_reload", result="ok", policies=served)

    def _failed(self, problems: list[str], **more: Any) -> None:
        self.reloads["failed"] += 1
        self._stale_since = self._stale_since or dt.datetime.now(dt.UTC)
        self.stale = f"serving the last good set since {self._stale_since:%Y-%m-%dT%H:%M:%SZ}; {problems[0]}"
        self._logger.error("policy_reload", result="failed", problems=problems, **more)

    def _load(self, previous: PolicySet | None) -> tuple[PolicySet, Fingerprint]:
        """Load the files as they are at one moment; return them with the fingerprint of that moment."""
        for _ in range(ATTEMPTS):
            before = self._fingerprint()
            try:
                policies = self._load_once(previous)
            except (PolicyError, SettingsError):
                if self._fingerprint() == before:
                    raise
            else:
                if self._fingerprint() == before:
                    return policies, before
            time.sleep(PAUSE_SECONDS)
        raise PolicyError([Problem("unsettled", "the files keep changing", file=str(self._directory))])

    def _load_once(self, previous: PolicySet | None) -> PolicySet:
        settings, keys = self.settings, Path(self.settings.policy_keys) if self.settings.policy_keys else None
        default = settings.default_policy or None
        try:
            policies = catalog.load(self._directory, default=default, pins=settings.pins, keys=keys, previous=previous)
        except (UnknownPolicyError, RetiredPolicyError) as error:
            reason = error if default else f"no policy `latest`: none in {self._directory} is active"
            raise SettingsError(f"TRIVIUM_DEFAULT_POLICY: {reason}") from None
        except KeysError as error:
            raise SettingsError(f"TRIVIUM_POLICY_KEYS: {error}") from None
        except OSError as error:
            raise SettingsError(f"TRIVIUM_POLICY_KEYS: {keys}: {error.strerror}") from None
        failing = [f"{name}: {result}" for name, result in policies.self_test().items() if result != "ok"]
        if failing:
            raise PolicyError([Problem("not-ready", "; ".join(failing), file=str(self._directory))])
        return policies

    def _fingerprint(self) -> Fingerprint:
        """Look at the files without reading them; links are followed, so that a swapped ConfigMap shows."""
        keys = [Path(self.settings.policy_keys)] if self.settings.policy_keys else []
        try:
            stats = [(str(path), path.stat()) for path in [*policy_files(self._directory), *keys]]
        except OSError:  # loading fails as well, and says why
            return ()
        return tuple((name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats)
