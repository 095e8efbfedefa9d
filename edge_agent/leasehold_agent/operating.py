"""What the site's operator asks of the running agent: pause, resume, drain, stop, reload, a new key."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.chores import Chores
from leasehold_agent.control import Answer
from leasehold_agent.exits import OperatorError
from leasehold_agent.pausing import LocalPause
from leasehold_agent.settings_in_force import SettingsInForce
from leasehold_agent.shutdown import Shutdown
from leasehold_agent.updating.watch import UpdateWatch

_LAST_WORD_S = 0.2
"""How long a forced stop waits, so that its answer reaches the command."""
logger = logging.getLogger(__name__)


class Operating:
    """Carries out orders, one method each. What they raise, the operator is told."""

    def __init__(
        self,
        *,
        roster: Roster,
        pause: LocalPause,
        shutdown: Shutdown,
        settings: SettingsInForce,
        chores: Chores,
        greet_soon: Callable[[], None],
        rotate: Callable[[], Awaitable[str]],
        updates: UpdateWatch,
    ) -> None:
        self._roster = roster
        self._pause = pause
        self._shutdown = shutdown
        self._settings = settings
        self._chores = chores
        self._greet_soon = greet_soon
        self._rotate = rotate
        self._updates = updates

    @property
    def orders(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[Answer]]]:
        """Every order by its name."""
        return {
            "pause": self._order_pause,
            "resume": self._order_resume,
            "drain": self._order_drain,
            "stop": self._order_stop,
            "reload": self._order_reload,
            "rotate-key": self._order_rotation,
            "update": self._order_update,
            "packs": self._order_packs,
        }

    def reload(self) -> Answer:
        """Read settings and policy again, and let what changed take effect. Also what SIGHUP does."""
        policy = self._chores.reload_policy()
        try:
            reloaded = self._settings.reload()
        except OperatorError as error:
            logger.error("settings not reloaded: they stay as they are", extra={"error": error.cause})
            return {"error": f"{error.cause} All settings stay as they are.", "policy": policy}
        now = self._settings.now
        if "slots" in reloaded.changed:
            self._roster.set_wish(now.slots)
        if {"slots", "labels"} & set(reloaded.changed):
            self._greet_soon()
        if "log_level" in reloaded.changed:
            logging.getLogger().setLevel(now.log_level.upper())
        self._chores.look_soon()
        logger.info("settings reloaded", extra={"changed": ",".join(reloaded.changed) or "nothing"})
        if reloaded.need_restart:
            logger.warning("these settings take a restart", extra={"settings": ",".join(reloaded.need_restart)})
        return {"changed": reloaded.changed, "need_restart": reloaded.need_restart, "policy": policy}

    async def _order_pause(self, order: dict[str, Any]) -> Answer:
        for_s = order.get("for_s")
        try:
            reason = self._pause.begin(str(order.get("note") or ""), None if for_s is None else float(for_s))
        except OSError as error:
            return {"error": f"It is paused, but a restart would forget it: {error.strerror} ({error.filename})."}
        logger.warning("paused by the operator", extra={"reason": reason})
        return {"said": reason, "running": self._roster.running}

    async def _order_resume(self, order: dict[str, Any]) -> Answer:
        del order
        try:
            was_paused = self._pause.end()
        except OSError as error:
            return {"error": f"It goes on, but a restart would pause it again: {error.strerror} ({error.filename})."}
        logger.info("resumed by the operator")
        return {"was_paused": was_paused, "paused_because": self._roster.paused_because}

    async def _order_drain(self, order: dict[str, Any]) -> Answer:
        del order
        self._shutdown.drain("the operator's edge-agent drain")
        return self._left()

    async def _order_stop(self, order: dict[str, Any]) -> Answer:
        if not order.get("force"):
            self._shutdown.stop()
            return self._left()
        logger.warning("ends at once: attempts are left to their hosts")
        self._updates.told_to_stop()
        asyncio.get_running_loop().call_later(_LAST_WORD_S, os._exit, 0)
        return self._left()

    async def _order_reload(self, order: dict[str, Any]) -> Answer:
        del order
        return self.reload()

    async def _order_rotation(self, order: dict[str, Any]) -> Answer:
        del order
        return {"thumbprint": await self._rotate()}

    async def _order_update(self, order: dict[str, Any]) -> Answer:
        trial = await self._updates.begin_trial(str(order["version"]))
        return {"version": trial.version, "pid": trial.pid, "ready_s": trial.ready_s}

    async def _order_packs(self, order: dict[str, Any]) -> Answer:
        """Look which packs there are by now, and tell the API which Pythons tasks may have."""
        del order
        await self._chores.look_what_is_offered()
        return {}

    def _left(self) -> Answer:
        held = self._roster.held
        return {
            "pid": os.getpid(),
            "running": [held.attempt for held in held if not held.has_ended.is_set()],
            "undelivered": [held.attempt for held in held if held.has_ended.is_set()],
        }
