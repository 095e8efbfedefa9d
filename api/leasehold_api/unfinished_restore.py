"""A mark in the state directory while a backup is being restored: half of one is never served."""

from __future__ import annotations

from pathlib import Path

from leasehold_api.config import SettingsError

FILE = "restore-unfinished"


def mark(state_dir: Path) -> None:
    """Say that a restore has begun."""
    (state_dir / FILE).write_text("leasehold-api restore has not come to its end here\n", encoding="utf-8")


def unmark(state_dir: Path) -> None:
    """Say that it is whole."""
    (state_dir / FILE).unlink(missing_ok=True)


def is_marked(state_dir: Path) -> bool:
    """Say whether a restore began here and did not end."""
    return (state_dir / FILE).exists()


def refuse_half(state_dir: Path) -> None:
    """Let nobody work on half of a backup.

    Raises:
        SettingsError: a restore into this state directory did not come to its end.
    """
    if is_marked(state_dir):
        raise SettingsError(
            f"a restore into {state_dir} did not come to its end. Empty that directory except for keys/, with "
            "PostgreSQL make the database anew, and run leasehold-api restore again"
        )
