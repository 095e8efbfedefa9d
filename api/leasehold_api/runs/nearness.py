"""When a task is first offered to the site that has its input: measures of a preference, never a condition."""

from __future__ import annotations

LARGE_BYTES = 1024 * 1024
"""From this size on a result is worth staying for: it no longer travels with a lease, and is fetched."""
PREFERRED_FOR_S = 10.0
"""How long the site with the result comes first; then whoever has room takes the task."""
