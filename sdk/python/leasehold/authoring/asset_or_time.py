"""A schedule by time and by assets: whichever is due first. Airflow's name for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from leasehold.asset import Asset, AssetAlias, AssetCondition

    Timetable = str | float | timedelta | Sequence[str]
    Assets = Asset | AssetAlias | AssetCondition | Sequence[Asset | AssetAlias | AssetCondition]


class AssetOrTimeSchedule:
    """Runs at its times, and whenever its assets were written: ``AssetOrTimeSchedule("0 6 * * *", READINGS)``.

    Attributes:
        timetable: A cron expression, a list of them, or an interval.
        assets: An asset, an alias, a condition of them, or a list: all of it.
    """

    __slots__ = ("assets", "timetable")

    def __init__(self, timetable: Timetable, assets: Assets) -> None:
        self.timetable = timetable
        self.assets = assets

    def __repr__(self) -> str:
        return f"AssetOrTimeSchedule({self.timetable!r}, {self.assets!r})"
