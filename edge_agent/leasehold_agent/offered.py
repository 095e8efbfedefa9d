"""What this machine offers, found by looking: a container engine, and the Pythons that tasks may have."""

from __future__ import annotations

import asyncio
import logging
import os

from leasehold_agent.config import Settings

PLAIN = ("python", "program")
"""What every agent runs."""
logger = logging.getLogger(__name__)


class Offered:
    """Looked at when the agent begins, and now and then: a daemon may start later, and a Python be installed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.engine: str | None = None
        """The podman or docker that works."""
        self.pythons: list[str] | None = None
        """Versions, like ``3.12.4``; None: nobody looked yet."""
        self.packs: list[str] = []
        """The packs, like ``python3.12 3.12.4``; their Pythons are among ``pythons``."""

    @property
    def runtimes(self) -> list[str]:
        """What kinds of tasks run here."""
        return [*PLAIN, *(["container"] if self.engine else [])]

    def containers(self) -> dict[str, object] | None:
        """Return how containers run here, as ``lease.json`` says it."""
        if self.engine is None:
            return None
        settings = self._settings
        return {
            "engine": self.engine,
            "pull": settings.container_pull,
            "options": list(settings.container_options),
        }

    async def look(self) -> bool:
        """Look, and say whether anything is different."""
        before = self.engine, self.pythons
        self.engine, self.pythons, self.packs = await asyncio.to_thread(self._found)
        return before != (self.engine, self.pythons)

    def _found(self) -> tuple[str | None, list[str], list[str]]:
        from leasehold_agent.environments.pythons import interpreters
        from leasehold_agent.packs.found import offered_packs, offered_pythons
        from leasehold_agent.runtimes.engines import find_engine

        settings, search_path = self._settings, os.environ.get("PATH", os.defpath)
        engine = find_engine(settings.container_engine, search_path=search_path)
        if engine.problem:
            logger.info("no container engine", extra={"reason": engine.problem})
        cache = settings.state_dir / "environments" / "pythons.json"
        packs = settings.state_dir / "packs"
        pythons = interpreters(
            str(settings.python),
            map(str, settings.pythons),
            search_path=search_path,
            cache=cache,
            packs=offered_pythons(packs),
        )
        spelled = [f"{one.name} {one.version}" for one in offered_packs(packs)]
        return engine.path, sorted({one.spelled for one in pythons}), spelled
