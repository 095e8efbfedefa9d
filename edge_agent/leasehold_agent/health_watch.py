"""Looks after the agent's health: measures, applies the rules, and holds or clears the reasons they give."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import ServerClock
from leasehold_agent.collection import Collector
from leasehold_agent.durable import write_durably
from leasehold_agent.health.clock import clock_trouble
from leasehold_agent.health.disk import MIB, low_disk, over_budget
from leasehold_agent.health.hosts import HostStarts
from leasehold_agent.health.link import LinkHistory
from leasehold_agent.health.reasons import Name
from leasehold_agent.health.vitals import Vitals
from leasehold_agent.host.spawn import HostNotStartedError
from leasehold_agent.identity.key_store import KeyMissingError, StoreUnreachableError
from leasehold_agent.measuring import measure
from leasehold_agent.settings_in_force import SettingsInForce

_REST = 20
"""After a look that took long, twenty times as long nothing is measured: never more than a twentieth of a disk."""
logger = logging.getLogger(__name__)


class Hosts(Protocol):
    """What is needed of ``host.spawn.HostZygote``."""

    async def start_host(self, attempt_dir: Path, *, team: str) -> int: ...
    async def probe(self) -> None: ...


class HealthWatch:
    """Measures and judges. It is also who starts attempt hosts, so that it knows how that goes."""

    def __init__(
        self,
        settings: SettingsInForce,
        roster: Roster,
        collector: Collector,
        *,
        hosts: Hosts,
        clock: ServerClock,
        check_key_store: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._collector = collector
        self._hosts = hosts
        self._clock = clock
        self._check_key_store = check_key_store
        self.link = LinkHistory()
        self.vitals: Vitals | None = None
        self._starts = HostStarts()
        self._next_at = 0.0
        self._looking = asyncio.Lock()

    async def start_host(self, attempt_dir: Path, *, team: str) -> int:
        """Start the host of an attempt, and remember how that went."""
        try:
            pid = await self._hosts.start_host(attempt_dir, team=team)
        except HostNotStartedError as error:
            if error.code == "unusable":
                self._host_failed(str(error))
            raise
        except OSError as error:
            self._host_failed(error.strerror or str(error))
            raise
        self._starts.succeeded()
        self._hold(Name.HOSTS, None)
        return pid

    def _host_failed(self, why: str) -> None:
        self._starts.failed(why, now=time.monotonic())
        self._hold(Name.HOSTS, self._starts.trouble())

    async def look(self, *, at_once: bool = False) -> None:
        """Measure, and judge everything. ``at_once``: however long the last look took."""
        self.judge_link()
        self._hold(
            Name.CLOCK,
            clock_trouble(ahead_s=self._clock.ahead_s, limit_s=self._settings.now.clock_limit_s),
            blocks=False,
        )
        async with self._looking:
            if at_once or time.monotonic() >= self._next_at:
                await self._look_at_disk()
        await self._probe_own_files()
        await self._probe_hosts()

    def judge_link(self) -> None:
        """Hold or clear what the link's history says."""
        self._hold(Name.LINK, self.link.trouble(time.monotonic()))

    async def look_at_key_store(self) -> None:
        """See whether the key could be had from its store; work goes on with the one in memory."""
        try:
            await self._check_key_store()
        except (StoreUnreachableError, KeyMissingError) as error:
            text = str(error) or "the agent's key is not in it any more"
            self._hold(Name.KEY_STORE, f"key store: {text} (work goes on; a restart would fail)", blocks=False)
        else:
            self._hold(Name.KEY_STORE, None)

    async def _look_at_disk(self) -> None:
        started = time.monotonic()
        try:
            vitals = await self._measured()
            if (wanted := self._missing(vitals)) > 0:
                freed = await asyncio.to_thread(self._collector.make_room, wanted)
                if freed > 0:
                    logger.warning("room made: delivered directories, unused bundles", extra={"bytes": freed})
                    vitals = await self._measured()
        except OSError as error:
            self._hold(Name.DISK, f"disk: {self._settings.now.state_dir} can't be looked at: {error.strerror}")
            return
        finally:
            self._next_at = time.monotonic() + _REST * (time.monotonic() - started)
        self.vitals = vitals
        low, over = self._judged(vitals)
        self._hold(Name.DISK, low)
        self._hold(Name.BUDGET, over)

    async def _measured(self) -> Vitals:
        now = self._settings.now
        held, backlog = self._roster.held, self._roster.waiting
        return await asyncio.to_thread(measure, now.state_dir, held, backlog, budget_mb=now.disk_budget_mb)

    def _judged(self, vitals: Vitals) -> tuple[str | None, str | None]:
        holding = {reason.name for reason in self._roster.reasons}
        now = self._settings.now
        low = low_disk(
            free=vitals.disk_free_bytes,
            low_water_mb=now.disk_low_water_mb,
            was_low=Name.DISK in holding,
            place=now.state_dir,
        )
        over = over_budget(
            used=vitals.spool_bytes,
            budget=vitals.budget_bytes,
            was_over=Name.BUDGET in holding,
            place=now.state_dir,
        )
        return low, over

    def _missing(self, vitals: Vitals) -> int:
        """Return how many bytes would have to go for all to be well; none when all is."""
        low, over = self._judged(vitals)
        wanted = self._settings.now.disk_low_water_mb * MIB * 5 // 4 - vitals.disk_free_bytes if low else 0
        return max(wanted, vitals.spool_bytes - vitals.budget_bytes * 9 // 10 if over else 0)

    async def _probe_own_files(self) -> None:
        if not any(reason.name is Name.OWN_FILES for reason in self._roster.reasons):
            return
        probe = self._settings.now.state_dir / ".probe"
        try:
            await asyncio.to_thread(write_durably, probe, b"x" * 4096)
            probe.unlink()
        except OSError:
            return
        self._hold(Name.OWN_FILES, None)

    async def _probe_hosts(self) -> None:
        if not self._starts.is_worth_a_try(time.monotonic()):
            return
        try:
            await self._hosts.probe()
        except (OSError, HostNotStartedError) as error:
            self._host_failed(str(error))
            return
        self._starts.succeeded()
        self._hold(Name.HOSTS, None)

    def _hold(self, name: Name, text: str | None, *, blocks: bool = True) -> None:
        holds = any(reason.name is name for reason in self._roster.reasons)
        if text is None:
            if holds:
                logger.info("health: over", extra={"reason": name.value})
            self._roster.resume(name)
            return
        if not holds:
            logger.warning("health", extra={"reason": name.value, "what": text})
        if blocks:
            self._roster.pause(name, text)
        else:
            self._roster.note(name, text)
