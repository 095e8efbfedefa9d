"""Who this agent is: its record, its key, whether it runs, and whether the API lets it in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.clock import ServerClock
from leasehold_agent.config import Settings
from leasehold_agent.errors import LinkError, LockedError, RefusedError
from leasehold_agent.exits import OperatorError
from leasehold_agent.identity.enrolment import load_keys
from leasehold_agent.identity.generation import next_generation
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.oauth import TokenRequests
from leasehold_agent.identity.record import Identity, MovedIdentity, Record
from leasehold_agent.link.http import Http
from leasehold_agent.status import Status, ask_running_agent
from leasehold_protocol.findings import Finding, fine, problem, warning


async def check_identity(
    settings: Settings, record: Record | None, *, version: str, api_answers: bool
) -> AsyncIterator[Finding]:
    """Look at the record, the key and the process, and sign in where no agent does."""
    if isinstance(record, MovedIdentity):
        moved = f"{record.name} of site {record.site} was moved to another machine, to the key {record.moved_to}"
        yield warning("identity", moved, f"On that machine: edge-agent identity receive {record.api_url}")
        return
    if not isinstance(record, Identity):
        began = "an enrolment began here and did not finish" if record else "this machine is not enrolled yet"
        yield warning("identity", began, "Run: edge-agent enroll URL --token-file FILE")
        return
    yield fine("identity", f"{record.name} of site {record.site}, team {record.team}, at {record.api_url}")
    try:
        keys, store = load_keys(record, settings.state_dir, os.environ)
    except OperatorError as error:
        yield problem("key", error.cause.rstrip("."), error.cure)
        return
    yield fine("key", f"{keys.current.thumbprint} can be had from the {store.kind} store: {store.description}")
    holder = _holder(settings.state_dir)
    if holder is not None:
        for finding in _running(holder, ask_running_agent(settings.state_dir)):
            yield finding
        return
    yield fine("process", "no agent runs on this state directory")
    if api_answers:
        yield await _sign_in(settings, record, keys, version=version)


def _holder(state_dir: Path) -> str | None:
    """Return the pid of who holds the state directory; none when nobody does."""
    try:
        fd = os.open(state_dir / "agent.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
    else:
        return None
    finally:
        os.close(fd)


def _running(pid: str, status: Status | None) -> list[Finding]:
    if status is None:
        cure = f"If another command holds it, wait for that; else look at process {pid} and its log."
        return [warning("process", f"process {pid} holds the state directory and does not answer", cure)]
    found = [fine("process", f"the agent runs (pid {status.pid}, version {status.version})")]
    if status.link == "connected":
        found.append(fine("sign-in", "the running agent is connected"))
    elif status.link == "connecting":
        found.append(warning("sign-in", "the running agent is still connecting", "Look again in a minute."))
    else:
        cure = "An admin of the team unlocks it." if status.link.startswith("locked") else "The findings above say why."
        found.append(problem("sign-in", f"the running agent is not connected: {status.link}", cure))
    found += [
        warning("work", f"no new work is taken: {text}", "docs/reference/agent-health.md has the cure of each reason.")
        for text in status.paused_because
    ]
    return found


async def _sign_in(settings: Settings, identity: Identity, keys: KeyInUse, *, version: str) -> Finding:
    clock = ServerClock()
    http = Http(identity.api_url, clock=clock, version=version, ca_file=settings.ca_file, proxy=settings.proxy)
    tokens = TokenRequests(
        http,
        keys,
        client_id=identity.client_id,
        issuer=identity.issuer,
        clock=clock,
        generation=partial(next_generation, settings.state_dir),
    )
    try:
        # An agent that starts in this very moment must not count generations at the same time.
        with exclusive(settings.state_dir):
            await tokens.access_token()
    except OperatorError as error:
        return problem("sign-in", error.cause.rstrip("."), error.cure)
    except LockedError as error:
        cure = f"An admin of team {identity.team} can unlock {identity.name}."
        return problem("sign-in", f"this agent is locked: {str(error).rstrip('.')}", cure)
    except RefusedError as error:
        cure = (
            "The API does not know this agent or its key: was it set up anew? Then enrol with an empty state directory."
        )
        return problem("sign-in", f"the API refuses this agent: {error}", cure)
    except LinkError as error:
        return problem("sign-in", f"the API could not be asked: {error}", "The findings above say why.")
    finally:
        await http.close()
    return fine("sign-in", "the API gives this agent an access token")
