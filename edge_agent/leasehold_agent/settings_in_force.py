"""The settings of a running agent: some of them can be read again while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leasehold_agent.config import Settings

RELOADABLE = frozenset(
    {"slots", "labels", "log_level", "keep_attempts", "disk_low_water_mb", "disk_budget_mb", "clock_limit_s"}
    | {"environments_mb", "update", "update_channel", "update_version", "update_repository"}
    | {"update_every_s", "update_ready_s"}
)
"""What changes at once; everything else takes a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What reading the settings again brought."""

    changed: list[str]
    need_restart: list[str]
    """These differ too, and stay as they are until the agent is started again."""


class SettingsInForce:
    """The settings as of now."""

    def __init__(self, settings: Settings, read: Callable[[], Settings] | None = None) -> None:
        self.now = settings
        self._read = read

    def reload(self) -> Reloaded:
        """Read the settings again.

        Raises:
            OperatorError: one of them can't be used; all stay as they are.
        """
        if self._read is None:
            return Reloaded(changed=[], need_restart=[])
        fresh = self._read()
        different = [name for name in Settings.model_fields if getattr(fresh, name) != getattr(self.now, name)]
        changed = [name for name in different if name in RELOADABLE]
        self.now = self.now.model_copy(update={name: getattr(fresh, name) for name in changed})
        return Reloaded(changed=changed, need_restart=[name for name in different if name not in RELOADABLE])
