"""Lists in parts: where the next part begins."""

from __future__ import annotations

from collections.abc import Sequence

from leasehold_api.acting import Slice


def next_of(part: Slice, keys: Sequence[str]) -> str | None:
    """Return what to pass as ``after`` for the next part; none when this one was the last."""
    return keys[-1] if keys and len(keys) >= part.limit else None
