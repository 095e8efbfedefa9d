"""Moving an identity to another machine: this one hands it over to a key that was made there, and forgets its own.

What is about to happen is recorded before it does, so that the same command goes on after a crash at any step, and an
agent that handed over, or may have, never starts again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from leasehold_agent.errors import LockedError, RefusedError
from leasehold_agent.identity.key_store import KeyStore
from leasehold_agent.identity.record import Identity, MovedIdentity, write_record

_KEY_UNKNOWN = "invalid_client"


async def hand_over(
    identity: Identity, state_dir: Path, *, to: str, ask: Callable[[str], Awaitable[None]]
) -> MovedIdentity:
    """Hand the identity over to the key ``to`` and record that it is gone; its keys are still to be forgotten.

    Raises:
        RefusedError, LockedError: the API does not allow it. The identity stays here and works as before.
        LinkError: whether the API knows is not known: do it again.
    """
    is_repeated = identity.moving_to == to
    moving = identity.model_copy(update={"moving_to": to})
    write_record(state_dir, moving)
    try:
        await ask(to)
    except LockedError:
        # Locked after an earlier try: that one may have reached the API, and the lock may end.
        if not is_repeated:
            write_record(state_dir, identity.model_copy(update={"moving_to": None}))
        raise
    except RefusedError as error:
        # Refused with its own key, after an earlier try: the new machine has taken over meanwhile.
        if not (is_repeated and error.code == _KEY_UNKNOWN):
            write_record(state_dir, identity.model_copy(update={"moving_to": None}))
            raise
    keys = [identity.key_name, identity.next_key_name, identity.retired_key_name]
    moved = MovedIdentity(
        api_url=identity.api_url,
        client_id=identity.client_id,
        name=identity.name,
        site=identity.site,
        team=identity.team,
        moved_to=to,
        moved_at=time.time(),
        key_store=identity.key_store,
        keyring_backend=identity.keyring_backend,
        keys_left=[name for name in keys if name is not None],
    )
    write_record(state_dir, moved)
    return moved


def forget_keys(moved: MovedIdentity, state_dir: Path, store: KeyStore) -> MovedIdentity:
    """Delete what is left of the identity's keys here, and return the record without them.

    Raises:
        StoreUnreachableError: the store can't be used; do it again.
    """
    for name in moved.keys_left:
        store.delete(name)
    done = moved.model_copy(update={"keys_left": []})
    write_record(state_dir, done)
    return done
