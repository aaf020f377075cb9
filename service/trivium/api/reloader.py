"""Which policies serve now: loaded at start, and replaced as a whole whenever their files change.

A set that cannot be served changes nothing: the last good one goes on, and log, metrics and readiness tell.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import trivium
from trivium.api.policy_set import Service
from trivium.api.settings import Settings
from trivium.errors import SettingsError
from trivium.policy import PolicyError, Problem, policy_files


Look: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""What shows that a file has changed, per file: its name, inode, size, and when either last changed."""

ATTEMPTS = 20
PAUSE_SECONDS = 0.05
"""How often, and how long apart, to read files that change while they are read."""


class Serving:
    """The service of now.

    Args:
        settings: as set.
        directory: where the policies are; None for what the settings say.
        logger: where reloads are told.

    Attributes:
        service: what answers. It is replaced and never changed: read it once per request.
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
        self._directory = directory or own or trivium.POLICIES
        self._logger = logger
        self._stale_since: dt.datetime | None = None
        self.service, self._loaded = self._load(None)

    def checks(self) -> dict[str, str]:
        """Return what stands in the way of the newest policies, for readiness to tell; it hinders no decision."""
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
        """Reload when the files have changed, and then stayed the same from one look to the next."""
        last = self._loaded
        while True:
            await asyncio.sleep(self.settings.policy_reload_seconds)
            seen = await asyncio.to_thread(self._look)
            if seen == last != self._loaded:
                await self._reload(seen)
            last = seen

    async def _reload(self, seen: Look) -> None:
        self._loaded = seen  # so that a set which fails is tried, and told, once
        try:
            service, self._loaded = await asyncio.to_thread(self._load, self.service)
        except PolicyError as error:
            self._failed([str(problem) for problem in error.problems])
        except SettingsError as error:
            self._failed([str(error)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the watch
            self._failed([f"{type(error).__name__}: {error}"], exc_info=error)
        else:
            self.service = service
            self.reloads["ok"] += 1
            self.stale, self._stale_since = "", None
            served = [advisor.reference for advisor in service.advisors.values()]
            self._logger.info("policy_reload", result="ok", policies=served)

    def _failed(self, problems: list[str], **more: Any) -> None:
        self.reloads["failed"] += 1
        self._stale_since = self._stale_since or dt.datetime.now(dt.UTC)
        self.stale = f"serving the last good set since {self._stale_since:%Y-%m-%dT%H:%M:%SZ}; {problems[0]}"
        self._logger.error("policy_reload", result="failed", problems=problems, **more)

    def _load(self, previous: Service | None) -> tuple[Service, Look]:
        """Load the files as they are at one moment; return them with the look of that moment."""
        for _ in range(ATTEMPTS):
            before = self._look()
            try:
                service = self._make(previous)
            except (PolicyError, SettingsError):
                if self._look() == before:
                    raise
            else:
                if self._look() == before:
                    return service, before
            time.sleep(PAUSE_SECONDS)
        raise PolicyError([Problem("unsettled", "the files keep changing", file=str(self._directory))])

    def _make(self, previous: Service | None) -> Service:
        service = Service(self.settings, self._directory, previous)
        failing = [f"{name}: {said}" for name, said in service.self_test().items() if said != "ok"]
        if failing:
            raise PolicyError([Problem("not-ready", "; ".join(failing), file=str(self._directory))])
        return service

    def _look(self) -> Look:
        """Look at the files without reading them; links are followed, so the swap of a ConfigMap shows."""
        keys = [Path(self.settings.policy_keys)] if self.settings.policy_keys else []
        try:
            stats = [(str(path), path.stat()) for path in [*policy_files(self._directory), *keys]]
        except OSError:  # what cannot be looked at cannot be loaded either, and loading says why
            return ()
        return tuple((name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats)
