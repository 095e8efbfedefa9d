"""What the calls of a host in memory look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Query = Mapping[str, str]
Answer = Mapping[str, object] | None
"""A JSON object, or nothing: 204."""
Calls = dict[str, dict[str, Callable[[str, Query, bytes], Answer]]]
"""Path (with ``/`` at its end: of whatever follows) → method → what answers (what follows, query, body)."""
