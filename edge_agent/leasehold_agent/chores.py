"""Periodic work: renewals, the disk's low-water mark, and collecting what is no longer needed."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC
from typing import TYPE_CHECKING

from leasehold_agent.attempts.bundles import Bundles
from leasehold_agent.attempts.directory import AttemptDirectories
from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import utc_now
from leasehold_agent.config import Settings
from leasehold_agent.delivery.courier import is_covered
from leasehold_agent.disk import low_water_reason
from leasehold_agent.errors import LinkError, LockedError
from leasehold_agent.identity.key_store import StoreUnreachableError
from leasehold_agent.identity.rotation import KeyRotation
from leasehold_agent.link.renewal import RenewalApi, renew, renewal_every
from leasehold_agent.standing import Standing

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

DISK_EVERY_S = 10
POLICY_EVERY_S = 2
COLLECT_EVERY_S = 300
ROTATION_EVERY_S = 300
BUNDLES_KEPT_S = 7 * 86400
_TICK_S = 1
logger = logging.getLogger(__name__)


class Chores:
    """The scheduler and its jobs."""

    def __init__(
        self,
        *,
        api: RenewalApi,
        roster: Roster,
        standing: Standing,
        directories: AttemptDirectories,
        bundles: Bundles,
        rotation: KeyRotation,
        gate: Gate,
        settings: Settings,
    ) -> None:
        self._api = api
        self._roster = roster
        self._standing = standing
        self._directories = directories
        self._bundles = bundles
        self._rotation = rotation
        self._gate = gate
        self._settings = settings
        self._renewed_at = time.monotonic()
        self._told: list[str] = []
        self._scheduler: AsyncIOScheduler | None = None

    def start(self) -> None:
        """Start the jobs, in the running event loop."""
        from apscheduler.schedulers.asyncio import AsyncIOScheduler
        from apscheduler.triggers.interval import IntervalTrigger

        self.check_disk()
        self._gate.update(now=utc_now())
        scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1})
        for job, every_s in (
            (self._renew_when_due, _TICK_S),
            (self._check_disk_job, DISK_EVERY_S),
            (self._look_at_policy, POLICY_EVERY_S),
            (self.collect, COLLECT_EVERY_S),
            (self.rotate_key_when_due, ROTATION_EVERY_S),
        ):
            scheduler.add_job(job, IntervalTrigger(seconds=every_s, timezone=UTC), misfire_grace_time=None)
        scheduler.start()
        self._scheduler = scheduler

    def stop(self) -> None:
        """Stop the jobs."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def renew(self) -> None:
        """Renew every lease, and say why no work is taken.

        Raises:
            LinkError: nothing was renewed.
        """
        self._renewed_at = time.monotonic()
        reasons = self._roster.paused_because
        answer = await renew(self._api, self._roster)
        self._told = reasons
        self._standing.obey(answer.control)

    async def _renew_when_due(self) -> None:
        """Renew when it is time. The interval follows the shortest lease, so it is looked at every second."""
        held = self._roster.held
        every = renewal_every(held, self._standing.renew_every_s)
        is_due = time.monotonic() - self._renewed_at >= every or self._standing.lock_is_news()
        if not self._standing.was_greeted.is_set() or not is_due:
            return
        if not held and self._standing.is_polling and self._told == self._roster.paused_because:
            return  # The poll that waits is the sign of life; another one would be traffic for nothing.
        try:
            await self.renew()
        except LockedError as error:
            self._standing.stop_everything(f"locked: {error}")
        except LinkError as error:
            logger.warning("renewal failed", extra={"error": str(error), "leases": len(held)})

    def check_disk(self) -> None:
        """Take no new work below the low-water mark; take it again above."""
        if reason := low_water_reason(self._settings.state_dir, self._settings.disk_low_water_mb):
            self._roster.pause("disk", reason)
        else:
            self._roster.resume("disk")

    async def _check_disk_job(self) -> None:
        self.check_disk()
        await self._gate.measure(self._directories.root)

    async def _look_at_policy(self) -> None:
        self._gate.look()
        self._obey_policy()

    def reload_policy(self) -> None:
        """Read the site's policy now, changed or not."""
        self._gate.reload()
        self._obey_policy()

    def _obey_policy(self) -> None:
        if self._gate.update(now=utc_now()):
            self._standing.policy_changed()

    async def rotate_key_when_due(self) -> None:
        """Replace the key at the age that the API says, and finish a rotation that was interrupted."""
        if not self._standing.was_greeted.is_set() or self._standing.is_locked:
            return
        try:
            await self._rotation.rotate_if_due(every_s=self._standing.rotate_key_every_s, now=time.time())
        except (LinkError, StoreUnreachableError) as error:
            logger.warning("the key was not rotated", extra={"error": str(error)})

    async def collect(self) -> None:
        """Remove delivered directories beyond ``keep_attempts``, and bundles that nothing used for a week."""
        await asyncio.to_thread(self._collect)

    def _collect(self) -> None:
        ours = {held.attempt for held in self._roster.held}
        on_disk = [directory for directory in self._directories if directory.attempt not in ours]
        covered = [directory for directory in on_disk if is_covered(directory)]
        keep = self._settings.keep_attempts
        for directory in covered[: len(covered) - keep] if len(covered) > keep else []:
            directory.remove()
        used = {str(directory.lease_facts().get("bundle")) for directory in self._directories}
        self._bundles.remove_unused(used, older_than=time.time() - BUNDLES_KEPT_S)
