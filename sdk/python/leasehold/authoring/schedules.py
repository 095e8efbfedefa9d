"""``@dag(schedule=…)`` and what belongs to it, as the manifest says it. Never read where tasks run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from leasehold.asset import Asset, AssetAlias, AssetCondition
from leasehold.authoring.asset_or_time import AssetOrTimeSchedule
from leasehold.authoring.assets import assets_or_aliases, declared_asset
from leasehold.authoring.cron import EXAMPLE, CronError, times_per_day
from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.problems import Problem
from leasehold.durations import seconds

MANY_RUNS = 10_000
"""More runs to make up for than this are worth a warning."""

_MOST_CRONS = 20
_LONGEST_S = 366 * 86400
_DAY_S = 86400.0

Place = tuple[str, int]


def timing_of(
    said: Mapping[str, Any], schema: Mapping[str, Any], *, place: Place
) -> tuple[dict[str, Any], list[Problem]]:
    """Return fields of the manifest for what ``@dag`` says of time, and what is worth a warning.

    Args:
        said: The arguments of ``@dag``; those that were left out are None or False.
        schema: The schema of the DAG's parameters: those of a run that begins by itself have defaults.
        place: Where the author wrote them.

    Raises:
        AuthoringError: if something can't be.
    """
    limit = said["max_active_runs"]
    if limit is not None and not (isinstance(limit, int) and not isinstance(limit, bool) and 1 <= limit <= 10_000):
        raise AuthoringError(f"max_active_runs={limit!r}: a whole number from 1 to 10000 is needed", place=place)
    if said["schedule"] is None:
        if given := [name for name in ("timezone", "start", "end", "catchup") if said[name]]:
            cure = 'Add schedule="0 6 * * *", or leave it out.'
            raise AuthoringError(f"{given[0]} is for a DAG with a schedule", cure, place=place)
        return ({} if limit is None else {"max_active_runs": limit}), []
    if missing := [name for name in schema.get("required", ()) if isinstance(name, str)]:
        cure = "Give it a default; a template like {{ ds }} may be one."
        message = f"the parameter {missing[0]!r} has no default, and nobody gives one to a run that begins by itself"
        raise AuthoringError(message, cure, place=place)
    return _timing(said, limit, place)


def _timing(said: Mapping[str, Any], limit: int | None, place: Place) -> tuple[dict[str, Any], list[Problem]]:
    zone = _zone(said["timezone"] or "UTC", place)
    schedule, per_day = _kind(said["schedule"], place)
    start, end = (_moment(name, said[name], zone, place) for name in ("start", "end"))
    if start is not None and end is not None and end < start:
        raise AuthoringError(f"start ({start}) is after end ({end})", "Turn them round.", place=place)
    if said["catchup"] and start is None:
        cure = 'Say from when on times are made up for: start="2026-11-01".'
        raise AuthoringError("catchup=True needs a start", cure, place=place)
    if said["catchup"] and per_day is None:
        raise AuthoringError("catchup is for schedules by time", "Leave it out.", place=place)
    if schedule.get("continuous") and limit not in (None, 1):
        raise AuthoringError(
            f"max_active_runs={limit}: with @continuous one run follows the other", "Leave it out.", place=place
        )
    schedule["timezone"] = str(zone)
    schedule |= {name: at.isoformat() for name, at in (("start", start), ("end", end)) if at is not None}
    schedule |= {"catchup": True} if said["catchup"] else {}
    limit = 1 if schedule.get("continuous") else limit
    fields: dict[str, Any] = {"schedule": schedule} | ({} if limit is None else {"max_active_runs": limit})
    return fields, _many(per_day, start, end, place) if said["catchup"] and per_day and start else []


def _many(per_day: float, start: datetime, end: datetime | None, place: Place) -> list[Problem]:
    until = datetime.now(UTC) if end is None else min(end, datetime.now(UTC))
    runs = int(per_day * (until - start).total_seconds() / _DAY_S)
    if runs <= MANY_RUNS:
        return []
    message = f"catchup=True begins about {runs:,} runs after the deploy, for all times since {start:%Y-%m-%d}"
    cure = "Take a later start, or leave catchup out and use: leasehold backfill"
    return [Problem(file=place[0], line=place[1], message=message, cure=cure)]


def _kind(said: object, place: Place) -> tuple[dict[str, Any], float | None]:
    """Return the fields of a schedule, and about how often a day it is due; None: it does not go by time."""
    if said == "@once":
        return {"once": True}, None
    if said == "@continuous":
        return {"continuous": True}, None
    if isinstance(said, AssetOrTimeSchedule):
        return _both(said, place)
    if isinstance(said, Asset | AssetAlias | AssetCondition):
        return {"assets": _condition(said, place)}, None
    if isinstance(said, list | tuple) and said:
        return _several([*said], place)
    if isinstance(said, str) and not _is_duration(said):
        return {"cron": [said]}, _cron(said, place)
    try:
        every = seconds(said)  # type: ignore[arg-type]  # it refuses what is not a duration
    except ValueError:
        cure = f'Write a cron expression, an interval like "15m", "@once", "@continuous", or assets. {EXAMPLE}'
        raise AuthoringError(f"schedule={said!r} is no schedule", cure, place=place) from None
    if not 1 <= every <= _LONGEST_S:
        raise AuthoringError(f"schedule={said!r}: an interval has 1 second to 366 days", place=place)
    return {"every_s": every}, _DAY_S / every


def _both(said: AssetOrTimeSchedule, place: Place) -> tuple[dict[str, Any], float | None]:
    by_time, per_day = _kind(said.timetable, place)
    if per_day is None:
        cure = 'Write a cron expression or an interval first: AssetOrTimeSchedule("0 6 * * *", READINGS).'
        raise AuthoringError(f"timetable={said.timetable!r} is no time", cure, place=place)
    by_assets, _ = _kind(said.assets, place)
    if "assets" not in by_assets:
        cure = 'Write them second: AssetOrTimeSchedule("0 6 * * *", READINGS & PRICES).'
        raise AuthoringError(f"assets={said.assets!r} are no assets", cure, place=place)
    return by_time | by_assets, per_day


def _several(said: list[object], place: Place) -> tuple[dict[str, Any], float | None]:
    if all(isinstance(each, Asset | AssetAlias | AssetCondition) for each in said):
        return {"assets": {"kind": "all", "of": [_condition(each, place) for each in said]}}, None
    crons = [each for each in said if isinstance(each, str) and not _is_duration(each)]
    if len(crons) == len(said) and len(said) <= _MOST_CRONS:
        return {"cron": crons}, sum(_cron(each, place) for each in crons)
    cure = f"A list has cron expressions ({_MOST_CRONS} at most), or assets; for both write AssetOrTimeSchedule(…, …)."
    raise AuthoringError(f"schedule={said!r} is no schedule", cure, place=place)


def _is_duration(text: str) -> bool:
    try:
        seconds(text)
    except ValueError:
        return False
    return True


def _cron(expression: str, place: Place) -> float:
    try:
        return times_per_day(expression)
    except CronError as problem:
        raise AuthoringError(f"schedule={expression!r}: {problem}", EXAMPLE, place=place) from None


def _condition(said: object, place: Place) -> dict[str, Any]:
    if isinstance(said, AssetCondition):
        return {"kind": said.kind, "of": [_condition(each, place) for each in said.of]}
    if isinstance(said, AssetAlias):
        return {"kind": "alias", "alias": said.name}
    try:
        (asset,) = assets_or_aliases([said])
    except ValueError as problem:
        raise AuthoringError(f"schedule: {problem}", place=place) from None
    return {"kind": "asset", "asset": declared_asset(asset)}


def _zone(name: object, place: Place) -> ZoneInfo:
    if isinstance(name, ZoneInfo):
        return name
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = {each.lower(): each for each in available_timezones()}
        like = get_close_matches(str(name).lower().replace(" ", "_"), known, n=1, cutoff=0.5)
        cure = f"Did you mean {known[like[0]]!r}?" if like else "Use an IANA name, like Europe/Berlin."
        raise AuthoringError(f"timezone={name!r}: there is no such time zone", cure, place=place) from None


def _moment(name: str, said: object, zone: ZoneInfo, place: Place) -> datetime | None:
    if said is None:
        return None
    at = said
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            cure = "Write 2026-11-01 or 2026-11-01T06:00, in the DAG's time zone."
            raise AuthoringError(f"{name}={said!r} is no date", cure, place=place) from None
    if isinstance(at, date) and not isinstance(at, datetime):
        at = datetime.combine(at, time())
    if not isinstance(at, datetime):
        raise AuthoringError(f"{name}={said!r} is no date", "Write text, a date or a datetime.", place=place)
    return at.replace(tzinfo=zone) if at.tzinfo is None else at
