"""What tasks with dependencies need of the machine: who installs, which Pythons there are, and a package index."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from leasehold_agent.config import Settings
from leasehold_agent.environments.cache import EnvironmentCache
from leasehold_agent.environments.pythons import interpreters
from leasehold_agent.environments.tools import find_uv
from leasehold_agent.health.disk import MIB
from leasehold_agent.packs.found import offered_packs, offered_pythons
from leasehold_protocol.findings import Finding, fine, warning

_CONNECT_S = 5.0
_GET_UV = "Run edge-agent packs add uv, install uv, or set the agent's `uv`"


def check_packages(settings: Settings) -> Iterator[Finding]:
    """Look whether dependencies can be installed; without them everything else works."""
    search_path = os.environ.get("PATH", os.defpath)
    root = settings.state_dir / "environments"
    memory = (
        root / "pythons.json" if settings.state_dir.is_dir() else Path(os.devnull, "none")
    )  # look, and make nothing
    packs = settings.state_dir / "packs"
    known = interpreters(
        str(settings.python),
        map(str, settings.pythons),
        search_path=search_path,
        cache=memory,
        packs=offered_pythons(packs),
    )
    if known:
        yield fine(
            "pythons", "for tasks that say requires-python: " + ", ".join(sorted({one.spelled for one in known}))
        )
    else:
        cure = "Run edge-agent packs add python3.12, or install Python 3.11 or newer and name it in `pythons`."
        yield warning("pythons", "there is no Python that packages could be installed for", cure)
    yield _packs(packs)
    uv = find_uv(None if settings.uv is None else str(settings.uv), search_path=search_path, packs_dir=str(packs))
    if uv is not None:
        yield fine("packages", f"{uv} installs what tasks depend on")
    elif any(one.has_pip for one in known):
        yield warning("packages", "pip installs what tasks depend on: slowly", f"{_GET_UV}.")
    elif any(one.unpacks for one in known):
        yield warning(
            "packages",
            "only packages that travel with a DAG (leasehold deploy --wheels) are installed here: "
            "there is neither uv nor pip",
            "Where DAGs need a package index: run edge-agent packs add python3.12 and edge-agent packs add uv.",
        )
    else:
        yield warning(
            "packages",
            "nothing here installs what tasks depend on: there is neither uv nor pip",
            f"{_GET_UV}. Tasks without dependencies don't need it.",
        )
    yield _room(EnvironmentCache(root), settings)
    if settings.index_url is None:
        yield fine("index", "index_url is not set: what no DAG carries along is asked of the public package index")
    else:
        yield _index(settings.index_url)


def _packs(root: Path) -> Finding:
    there = ", ".join(f"{one.name} {one.version}" for one in offered_packs(root))
    return fine("packs", there or "none are installed (edge-agent packs list --available shows which there are)")


def _room(cache: EnvironmentCache, settings: Settings) -> Finding:
    found = list(cache)
    taken = sum(one.size for one in found) // MIB
    text = f"{len(found)} environments take {taken} of {settings.environments_mb} MiB (environments_mb)"
    if taken > settings.environments_mb:
        return warning("environments", text, "Raise environments_mb: they are built again and again.")
    return fine("environments", text)


def _index(url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_S):
            return fine("index", f"the package index at {parts.hostname} takes connections")
    except OSError as error:
        text = f"the package index at {parts.hostname} can't be reached: {error}"
        cure = "Look at index_url and the network. DAGs that carry their wheels (deploy --wheels) don't need one."
        return warning("index", text, cure)
