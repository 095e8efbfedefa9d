"""``edge-agent identity``: who this agent is, how old its key is, and a new key at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from argparse import Namespace
from datetime import UTC, datetime

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.commands.signed_in import signed_in
from leasehold_agent.config import Settings
from leasehold_agent.control import give_order
from leasehold_agent.errors import LinkError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.enrolment import load_key
from leasehold_agent.identity.key_store import StoreUnreachableError
from leasehold_agent.identity.record import Identity, enrolled
from leasehold_agent.identity.rotation import KeyRotation
from leasehold_protocol.fingerprint import fingerprint

_DAY_S = 86400.0


def show(arguments: Namespace) -> Exit:
    """Print the identity; nothing of it is secret."""
    settings = settings_from(arguments).settings
    identity = enrolled(settings.state_dir)
    key = load_key(identity, settings.state_dir, os.environ)
    age_s = max(0.0, time.time() - identity.key_since) if identity.key_since else None
    due = datetime.fromtimestamp(identity.key_since + identity.rotate_key_every_s, UTC)
    if arguments.json:
        document = {
            "client_id": identity.client_id,
            "name": identity.name,
            "site": identity.site,
            "team": identity.team,
            "api_url": identity.api_url,
            "key_thumbprint": key.thumbprint,
            "key_fingerprint": fingerprint(key.thumbprint),
            "key_store": identity.key_store,
            "key_age_s": None if age_s is None else round(age_s),
            "next_rotation_at": due.isoformat(timespec="seconds"),
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return Exit.OK
    age = "not recorded" if age_s is None else f"{age_s / _DAY_S:.1f} days"
    sys.stdout.write(
        f"client id  {identity.client_id}\n"
        f"agent      {identity.name} · site {identity.site} · team {identity.team}\n"
        f"API        {identity.api_url}\n"
        f"key        {key.thumbprint}\n"
        f"           {fingerprint(key.thumbprint)}\n"
        f"kept in    the {identity.key_store} store\n"
        f"age        {age}; the agent makes itself a new key after {due:%Y-%m-%d %H:%M} UTC\n"
    )
    return Exit.OK


def rotate(arguments: Namespace) -> Exit:
    """Replace the key now: the running agent does it, or this command where none runs."""
    settings = settings_from(arguments).settings
    identity = enrolled(settings.state_dir)
    try:
        answer = give_order(settings.state_dir, "rotate-key")
    except (OSError, ValueError) as error:
        raise _failed(f"the running agent did not answer: {error}") from error
    if answer is None:
        answer = {"thumbprint": _rotate_here(settings)}
    if "error" in answer:
        raise _failed(str(answer["error"]))
    sys.stdout.write(f"{identity.name} has a new key: {answer['thumbprint']}. The one before opens nothing any more.\n")
    return Exit.OK


def _rotate_here(settings: Settings) -> str:
    with exclusive(settings.state_dir):
        try:
            # Read again: an agent that ended just now may have rotated.
            return asyncio.run(_rotate(settings, enrolled(settings.state_dir)))
        except (LinkError, StoreUnreachableError) as error:
            raise _failed(str(error)) from error


async def _rotate(settings: Settings, identity: Identity) -> str:
    async with signed_in(settings, identity) as agent:
        rotation = KeyRotation(
            identity,
            agent.keys,
            agent.store,
            settings.state_dir,
            propose=agent.api.propose_key,
            tokens=agent.tokens,
            access=agent.access,
        )
        return await rotation.rotate()


def _failed(cause: str) -> OperatorError:
    return OperatorError(
        Exit.REFUSED,
        f"The key was not rotated: {cause.rstrip('.')}.",
        "The identity works as before. Put that right and run the command again; the agent tries by itself, too.",
    )
