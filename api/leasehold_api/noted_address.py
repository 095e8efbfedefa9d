"""The address under which the service was last reached, noted in its state directory for commands beside it.

A port may be given by a flag that only ``serve`` sees; a link that another command prints has to name it all the same.
"""

from __future__ import annotations

import os
from pathlib import Path

from leasehold_api.config import Settings, SettingsError, load

FILE = "public-url"


def note_address(state_dir: Path, url: str) -> None:
    """Note the address; replaces the one noted before."""
    new = state_dir / f"{FILE}.{os.getpid()}"
    new.write_text(f"{url}\n", encoding="utf-8")
    new.replace(state_dir / FILE)


def address_of(settings: Settings) -> str:
    """Return the service's address: as flags and settings say, else as it was noted, else the default."""
    says_where = settings.public_url is not None or (settings.model_fields_set & {"host", "port"} and settings.port)
    return settings.issuer() if says_where else _noted(settings.state_dir) or settings.issuer()


def _noted(state_dir: Path) -> str | None:
    try:
        text = (state_dir / FILE).read_text(encoding="utf-8").strip()
        return load({"public_url": text, "state_dir": state_dir}).public_url
    except (OSError, ValueError, SettingsError):
        return None  # never served from here, or not what ``serve`` wrote
