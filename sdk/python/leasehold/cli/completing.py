"""Names for shell completion: asked of the API with little patience, and kept for half a minute.

Completion may never be in the way: whoever is not signed in, or whose API is slow, gets no names and no word of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from leasehold.cli.api import Api
from leasehold.cli.errors import CliError
from leasehold.cli.profile import Environment
from leasehold.cli.session import Session, ask_as, signed_in
from leasehold_protocol.v1.fleet import AgentList, ConnectionList, SiteList, VariableList
from leasehold_protocol.v1.message import Page
from leasehold_protocol.v1.runs import DagList, RunList

PATIENCE_S = 1.0
GOOD_FOR_S = 30.0
FILE = "completion.json"

Completer = Callable[[str], list[str]]


def _completer(kind: str, answer: type[Page], field: str) -> Completer:
    """Return what completes names of one kind; ``field`` holds the name in the API's answer."""

    def complete(incomplete: str) -> list[str]:
        # Whatever goes wrong here, the person is typing: an error now would be worse than no names.
        with suppress(CliError, OSError, TimeoutError):
            return [name for name in _names(kind, answer, field) if name.startswith(incomplete)]
        return []

    return complete


def _names(kind: str, answer: type[Page], field: str) -> Sequence[str]:
    session = signed_in()
    cache = Environment.read(os.environ).config_dir / FILE
    place = f"{session.url} {session.team} {kind}"
    kept = _read(cache)
    found = kept.get(place)
    if isinstance(found, dict) and 0 <= time.time() - found["at"] < GOOD_FOR_S:
        return [str(name) for name in found["names"]]
    names = _asked(session, kind, answer, field)
    cache.parent.mkdir(parents=True, exist_ok=True)
    aside = cache.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(kept | {place: {"at": time.time(), "names": names}}), encoding="utf-8")
    aside.replace(cache)
    return names


def _asked(session: Session, kind: str, answer: type[Page], field: str) -> list[str]:
    async def work(api: Api) -> list[str]:
        async with asyncio.timeout(PATIENCE_S):
            page: Any = await api.get(api.of_team(kind), answer)
        return [str(getattr(item, field)) for item in page.items]

    return ask_as(session, work)


def _read(cache: Path) -> dict[str, Any]:
    try:
        kept = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


dags = _completer("dags", DagList, "dag")
runs = _completer("runs", RunList, "run")
sites = _completer("sites", SiteList, "name")
agents = _completer("agents", AgentList, "name")
connections = _completer("connections", ConnectionList, "id")
variables = _completer("variables", VariableList, "key")
