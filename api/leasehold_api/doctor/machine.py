"""The machine: its clock, and how many connections it lets this user have."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from leasehold_api.config import Settings
from leasehold_api.doctor.database import DatabaseReport
from leasehold_protocol.findings import Finding, fine, problem, warning

BUILT_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""
_APART_S = 5.0
_FEWEST_FILES = 4096
_KEEP_TIME = "Let the system keep its time: chrony, or timedatectl set-ntp true."


def check_clock(settings: Settings, database: DatabaseReport) -> Iterator[Finding]:
    """Compare the clock with what can't be: the past of this program, of its rows, and another server's clock."""
    now = time.time()
    shown = datetime.fromtimestamp(now, UTC)
    if shown < BUILT_AT:
        yield problem("clock", f"the clock says {shown:%Y-%m-%d %H:%M} UTC, before this program was made", _KEEP_TIME)
    elif database.newest_at is not None and database.newest_at > now + _APART_S:
        newest = datetime.fromtimestamp(database.newest_at, UTC)
        text = f"the clock says {shown:%Y-%m-%d %H:%M} UTC, and the newest row is from {newest:%Y-%m-%d %H:%M}"
        cure = f"{_KEEP_TIME} If it was ahead before: leases and tokens of that time last too long; wait, or restart."
        yield problem("clock", text, cure)
    elif database.ahead_s is not None and abs(database.ahead_s) > _APART_S:
        yield warning("clock", f"{abs(database.ahead_s):.0f} s apart from the database server's", _KEEP_TIME)
    else:
        beside = " and the database server's agrees" if database.ahead_s is not None else ""
        yield fine("clock", f"{shown:%Y-%m-%d %H:%M} UTC{beside}")
    if settings.disconnected_after_s < 2 * settings.renew_every_s:
        cure = "Set disconnected_after_s to three times renew_every_s, or more."
        text = f"agents renew every {settings.renew_every_s:g} s, and are shown as disconnected after "
        yield warning("intervals", f"{text}{settings.disconnected_after_s:g} s", cure)


def check_limits() -> Iterator[Finding]:
    """Look at how many files and connections may be open."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY and files < _FEWEST_FILES:
        cure = f"Raise it to {_FEWEST_FILES} or more, two for each agent: LimitNOFILE= in the unit, or ulimit -n."
        yield warning("open files", f"at most {files} files and connections may be open", cure)
    else:
        yield fine("open files", "as many as it likes" if files == resource.RLIM_INFINITY else f"up to {files}")
