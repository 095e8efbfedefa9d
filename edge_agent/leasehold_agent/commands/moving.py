"""``edge-agent identity receive`` and ``move``: an agent goes on on another machine, and no key ever leaves one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import Namespace

from leasehold_agent.agent_lock import exclusive
from leasehold_agent.attempts.directory import AttemptDirectories
from leasehold_agent.commands.enroll import enrolled_by, key_facts
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.commands.signed_in import signed_in
from leasehold_agent.config import Settings, check_url
from leasehold_agent.errors import LinkError, LockedError, RefusedError, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.enrolment import KeyUnknownError, begin, has_begun
from leasehold_agent.identity.key_store import StoreUnreachableError
from leasehold_agent.identity.moving import forget_keys, hand_over
from leasehold_agent.identity.record import Identity, MovedIdentity, enrolled, read_record
from leasehold_agent.identity.store_choice import open_store
from leasehold_agent.recovery import survey
from leasehold_protocol.fingerprint import is_thumbprint


def receive(arguments: Namespace) -> Exit:
    """Make a key here and say which; once the old machine handed over to it, take the agent over."""
    settings = settings_from(arguments).settings
    url = check_url(arguments.url, allow_http=settings.allow_http)
    with exclusive(settings.state_dir):
        is_second_time = has_begun(settings.state_dir, url)
        pending, key, kept_in = begin(settings.state_dir, url, settings.key_store, os.environ)
        if not is_second_time:
            return _tell_what_to_type(settings, url, kept_in, key_facts(key), as_json=arguments.json)
        try:
            identity = asyncio.run(enrolled_by(settings, pending, key, None, by_device=False))
        except KeyUnknownError as error:
            raise OperatorError(
                Exit.NOT_ENROLLED,
                "The old machine has not handed its agent over to this one's key yet.",
                f"There: edge-agent identity move --to {key.thumbprint}",
            ) from error
    if arguments.json:
        facts = {"client_id": identity.client_id, "name": identity.name, "site": identity.site, "team": identity.team}
        sys.stdout.write(json.dumps(facts | key_facts(key)) + "\n")
    else:
        sys.stdout.write(
            f"This machine is {identity.name} of site {identity.site} (team {identity.team}) now.\n"
            f"Start it: edge-agent run --state-dir {settings.state_dir}\n"
        )
    return Exit.OK


def _tell_what_to_type(settings: Settings, url: str, kept_in: str, facts: dict[str, str], *, as_json: bool) -> Exit:
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
        return Exit.OK
    sys.stdout.write(
        f"A key for the agent that moves here is in {kept_in}. On the old machine, stop the agent and type:\n\n"
        f"  edge-agent identity move --to {facts['key_thumbprint']}\n\n"
        f"Then, here again: edge-agent identity receive {url} --state-dir {settings.state_dir}\n"
    )
    return Exit.OK


def move(arguments: Namespace) -> Exit:
    """Hand this machine's agent over to a key that was made on another, and forget its own."""
    settings = settings_from(arguments).settings
    if not is_thumbprint(arguments.to):
        raise OperatorError(
            Exit.USAGE,
            f"{arguments.to!r} is not the thumbprint of a key.",
            "On the new machine, edge-agent identity receive prints it: 43 letters, digits, - or _. Nothing was sent.",
        )
    with exclusive(settings.state_dir):
        record = read_record(settings.state_dir)
        if not isinstance(record, MovedIdentity):
            identity = enrolled(settings.state_dir, even_moving=True)
            _check_attempts(settings, force=arguments.force)
            record = asyncio.run(_hand_over(settings, identity, arguments.to))
        elif record.moved_to != arguments.to:
            raise OperatorError(
                Exit.REFUSED,
                f"This agent was moved to another key already: {record.moved_to}.",
                "Finish there: edge-agent identity receive. Without that key, lock the agent and enrol a new one.",
            )
        _forget(settings, record)
    sys.stdout.write(
        f"{record.name} of site {record.site} was handed over, and its key on this machine is deleted.\n"
        f"On the new machine: edge-agent identity receive {record.api_url}\n"
    )
    return Exit.OK


def _check_attempts(settings: Settings, *, force: bool) -> None:
    """Refuse while something on this disk would be lost; with ``force`` say what is.

    Raises:
        OperatorError: attempts run here, or are not delivered yet.
    """
    left = [f"{found.directory.attempt} ({found.state})" for found in survey(_attempts(settings)).undelivered]
    if not left:
        return
    if not force:
        raise OperatorError(
            Exit.REFUSED,
            f"Not delivered yet from this machine: {', '.join(left)}.",
            "Start the agent and let it deliver them, or let them go with --force: their tasks are then run again.",
        )
    sys.stderr.write(f"Lost with this move, to be run again elsewhere: {', '.join(left)}\n")


def _attempts(settings: Settings) -> AttemptDirectories:
    return AttemptDirectories(settings.state_dir / "attempts")


async def _hand_over(settings: Settings, identity: Identity, to: str) -> MovedIdentity:
    try:
        async with signed_in(settings, identity) as agent:
            return await hand_over(identity, settings.state_dir, to=to, ask=agent.api.hand_over)
    except UnavailableError as error:
        raise OperatorError(
            Exit.UNREACHABLE,
            f"Whether the API knows of the move is not known: {error}.",
            "The agent does not start here any more. Run the same command again when the API can be reached.",
        ) from error
    except LockedError as error:
        raise _not_moved(Exit.LOCKED, f"it is locked: {error}") from error
    except LinkError as error:
        detail = error.detail if isinstance(error, RefusedError) and error.detail else str(error)
        raise _not_moved(Exit.REFUSED, detail) from error


def _not_moved(code: Exit, why: str) -> OperatorError:
    return OperatorError(
        code, f"The agent was not moved: {why.rstrip('.')}.", "It works here as before. Put that right and try again."
    )


def _forget(settings: Settings, moved: MovedIdentity) -> None:
    try:
        store = open_store(moved.key_store, settings.state_dir, os.environ, backend=moved.keyring_backend)
        forget_keys(moved, settings.state_dir, store)
    except StoreUnreachableError as error:
        raise OperatorError(
            Exit.KEY_STORE,
            f"The agent was handed over, but its key here could not be deleted: {error}.",
            "Make the key store reachable and run the same command again.",
        ) from error
