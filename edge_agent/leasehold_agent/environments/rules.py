"""What the site says of environments: where they are kept, and what they may be made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRules:
    """As the agent writes them into ``lease.json``, and its host reads them."""

    cache_dir: str
    wheels_dir: str
    pythons: tuple[str, ...] = ()
    """Interpreters that may be taken besides those on PATH."""
    uv: str | None = None
    index_url: str | None = None
    timeout_s: float = 900.0
    packs_dir: str | None = None
    """Where Pythons and uv from packs are."""

    def as_fields(self) -> dict[str, object]:
        """Return them for JSON."""
        return asdict(self)


def rules_from(fields: Mapping[str, object]) -> EnvironmentRules:
    """Read what ``as_fields`` wrote.

    Raises:
        TypeError: something is missing.
    """
    known = {name: value for name, value in fields.items() if name in EnvironmentRules.__slots__}
    pythons = cast("list[str]", known.pop("pythons", None) or [])
    return EnvironmentRules(pythons=tuple(pythons), **known)  # type: ignore[arg-type]  # written by as_fields
