"""Periodic work: renewals, the agent's health, its key, and collecting what is no longer needed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from leasehold_agent.attempts.gate import Gate
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import ServerClock, utc_now
from leasehold_agent.collection import Collector
from leasehold_agent.errors import LinkError, LockedError
from leasehold_agent.health.reasons import Name
from leasehold_agent.health_watch import HealthWatch
from leasehold_agent.identity.key_store import StoreUnreachableError
from leasehold_agent.identity.rotation import KeyRotation
from leasehold_agent.link.renewal import RenewalApi, renew, renewal_every
from leasehold_agent.offered import Offered
from leasehold_agent.rounds import Rounds
from leasehold_agent.standing import Standing
from leasehold_agent.updating.watch import UpdateWatch
from leasehold_protocol.v1.grants import StreamGrant

LOOK_EVERY_S = 5
POLICY_EVERY_S = 2
COLLECT_EVERY_S = 300
ROTATION_EVERY_S = 300
KEY_STORE_EVERY_S = 60
OFFERED_EVERY_S = 600
UPDATES_EVERY_S = 60
HEALTH_EVERY_S = 565.0
"""How often an agent that holds nothing, and has nothing new to say, tells how it is. A little less than an access
token lasts: a stream goes on for as long as the token of the last renewal."""
_TICK_S = 1
logger = logging.getLogger(__name__)


class Chores:
    """What is done in rounds."""

    def __init__(
        self,
        *,
        api: RenewalApi,
        roster: Roster,
        standing: Standing,
        collector: Collector,
        watch: HealthWatch,
        rotation: KeyRotation,
        gate: Gate,
        offered: Offered,
        each_second: Callable[[], None],
        grant: Callable[[], StreamGrant | None],
        clock: ServerClock,
        updates: UpdateWatch,
    ) -> None:
        self._api = api
        self._roster = roster
        self._standing = standing
        self._collector = collector
        self._watch = watch
        self._rotation = rotation
        self._gate = gate
        self._offered = offered
        self._each_second = each_second
        self._grant = grant
        self._clock = clock
        self._updates = updates
        self._renewed_at = time.monotonic()
        self._told: set[tuple[str, bool]] = set()
        self._rounds = Rounds(
            (
                (self._tick, _TICK_S),
                (self._watch.look, LOOK_EVERY_S),
                (self._look_at_policy, POLICY_EVERY_S),
                (self.collect, COLLECT_EVERY_S),
                (self.rotate_key_when_due, ROTATION_EVERY_S),
                (self._watch.look_at_key_store, KEY_STORE_EVERY_S),
                (self.look_what_is_offered, OFFERED_EVERY_S),
                (self._updates.look, UPDATES_EVERY_S),
            )
        )

    def start(self) -> None:
        """Begin the rounds, in the running event loop."""
        self._obey_policy()
        self._updates.begin()
        self._rounds.start()

    def look_soon(self) -> None:
        """Look after the agent's health now, and not only when it is time."""
        self._rounds.soon(partial(self._watch.look, at_once=True))

    def stop(self) -> None:
        """End the rounds."""
        self._rounds.stop()

    async def renew(self) -> None:
        """Renew every lease, and say how the agent is.

        Raises:
            LinkError: nothing was renewed.
        """
        self._renewed_at = time.monotonic()
        telling = self._reasons()
        health, now = self._standing.health(), self._clock.utc()
        answer = await renew(self._api, self._roster, health, now=now, grant=self._grant())
        self._told = telling
        self._standing.heard(answer)

    def _reasons(self) -> set[tuple[str, bool]]:
        return {(reason.name.value, reason.blocks) for reason in self._roster.reasons}

    async def _tick(self) -> None:
        self._each_second()
        await self._renew_when_due()

    async def _renew_when_due(self) -> None:
        """Renew when it is time. The interval follows the shortest lease, so it is looked at every second."""
        held = self._roster.held
        has_news = self._told != self._reasons()
        every = renewal_every(held, self._standing.renew_every_s)
        waited = time.monotonic() - self._renewed_at
        is_due = waited >= every or self._standing.lock_is_news() or (has_news and waited >= _TICK_S)
        if not self._standing.was_greeted.is_set() or not is_due:
            return
        is_idle = not held and not self._roster.waiting
        if is_idle and self._standing.is_polling and not has_news and waited < HEALTH_EVERY_S:
            return  # The poll that waits is the sign of life; another one would be traffic for nothing.
        try:
            await self.renew()
        except LockedError as error:
            self._standing.stop_everything(f"locked: {error}")
        except LinkError as error:
            logger.warning("renewal failed", extra={"error": str(error), "leases": len(held)})

    async def _look_at_policy(self) -> None:
        self._gate.look()
        self._obey_policy()

    def reload_policy(self) -> str | None:
        """Read the site's policy now, changed or not; return it in a line, none when there is none."""
        self._gate.reload()
        self._obey_policy()
        return self._gate.in_words(now=utc_now())

    def _obey_policy(self) -> None:
        spooled = 0 if self._watch.vitals is None else self._watch.vitals.attempts_bytes
        if self._gate.update(now=utc_now(), spooled=spooled):
            self._standing.greet_soon()

    async def rotate_key_when_due(self) -> None:
        """Replace the key at the age that the API says, and finish a rotation that was interrupted."""
        if not self._standing.was_greeted.is_set() or self._standing.is_locked:
            return
        try:
            await self._rotation.rotate_if_due(every_s=self._standing.rotate_key_every_s, now=time.time())
        except (LinkError, StoreUnreachableError) as error:
            logger.warning("the key was not rotated", extra={"error": str(error)})
        except OSError as error:
            self._roster.note(Name.OWN_FILES, f"own files: {error.filename} can't be written: {error.strerror}")

    async def look_what_is_offered(self) -> None:
        """Look which kinds of tasks this machine can run, and tell the API when that changed."""
        if await self._offered.look() and self._standing.was_greeted.is_set():
            self._standing.greet_soon()

    async def collect(self) -> None:
        """Remove delivered directories beyond ``keep_attempts``, and bundles that nothing used for a week."""
        await asyncio.to_thread(self._collector.collect)
