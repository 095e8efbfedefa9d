"""Enrolment: make the key, register it with a one-time token, record who this agent is now."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import LinkError, LockedError, RefusedError, Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.fault_points import reach
from leasehold_agent.identity.enrolment_token import EnrolmentToken
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyMissingError, KeyStore, StoreUnreachableError
from leasehold_agent.identity.oauth import discover, register
from leasehold_agent.identity.proven import Sender
from leasehold_agent.identity.record import (
    Identity,
    MovedIdentity,
    PendingIdentity,
    gone,
    read_record,
    write_record,
)
from leasehold_agent.identity.store_choice import choose_store, open_store

_KEY_UNKNOWN = "key_unknown"
_OUR_FAULT = {"invalid_client_metadata", "invalid_dpop_proof"}


class KeyUnknownError(OperatorError):
    """The API does not know this key: nobody let it in yet."""


def has_begun(state_dir: Path, api_url: str) -> bool:
    """Say whether a key waits here to be let in at this API."""
    record = read_record(state_dir)
    return isinstance(record, PendingIdentity) and record.api_url == api_url


def load_key(identity: Identity | PendingIdentity, state_dir: Path, environ: Mapping[str, str]) -> AgentKey:
    """Return the agent's key from the store that the record names.

    Raises:
        OperatorError: the store can't be reached, or lacks the key. Another key is never made silently.
    """
    return _load(identity, identity.key_name, state_dir, environ)[0]


def load_keys(identity: Identity, state_dir: Path, environ: Mapping[str, str]) -> tuple[KeyInUse, KeyStore]:
    """Return the agent's key, with its successor where a rotation began, and the store that keeps them.

    Raises:
        OperatorError: as ``load_key`` does.
    """
    key, store = _load(identity, identity.key_name, state_dir, environ)
    successor: AgentKey | None = None
    if identity.next_key_name is not None:
        # The rotation may have ended before the key was stored: it was never proposed then, and is made anew.
        with suppress(KeyMissingError):
            successor = AgentKey.from_der(store.get(identity.next_key_name))
    return KeyInUse(key, successor=successor), store


def _load(
    identity: Identity | PendingIdentity, name: str, state_dir: Path, environ: Mapping[str, str]
) -> tuple[AgentKey, KeyStore]:
    try:
        store = open_store(identity.key_store, state_dir, environ, backend=identity.keyring_backend)
        return AgentKey.from_der(store.get(name)), store
    except KeyMissingError:
        problem = f"The agent's key is not in the {identity.key_store} store that identity.json names."
    except StoreUnreachableError as error:
        problem = f"The store that keeps the agent's key can't be used: {error}."
    except ValueError:
        problem = "What the key store holds is not a private key."
    raise OperatorError(
        Exit.KEY_STORE,
        problem,
        "Make the store reachable for this user and start again. If the key is gone for good, lock this agent in "
        "the API and enrol it anew with an empty state directory.",
    )


def begin(
    state_dir: Path, api_url: str, wish: Literal["auto", "keyring", "file"], environ: Mapping[str, str]
) -> tuple[PendingIdentity, AgentKey, str]:
    """Return a stored key and the record of it, and where it is kept in words. The same as before, if one began.

    Raises:
        OperatorError: this agent is enrolled already, or no store can be used.
    """
    record = read_record(state_dir)
    if isinstance(record, Identity):
        raise OperatorError(
            Exit.ALREADY_ENROLLED,
            f"This agent is enrolled already: {record.name} of site {record.site} at {record.api_url}.",
            "Use another --state-dir for a second agent. To start over, have an admin lock it and empty this one.",
        )
    if isinstance(record, MovedIdentity):
        raise gone(record)
    if record is not None and record.api_url == api_url:
        return record, load_key(record, state_dir, environ), f"the {record.key_store} store, from an earlier try"
    try:
        store = choose_store(wish, state_dir, environ)
        key, name = AgentKey.generate(), f"agent-{secrets.token_hex(6)}"
        store.put(name, key.private_der())
    except StoreUnreachableError as error:
        raise OperatorError(
            Exit.KEY_STORE,
            f"The agent's key can't be kept: {error}.",
            "Make the key store usable for this user, or choose the other with --key-store.",
        ) from error
    pending = PendingIdentity(api_url=api_url, key_name=name, key_store=store.kind, keyring_backend=_backend(store))
    write_record(state_dir, pending)
    reach("enrol.key-kept")
    return pending, key, store.description


async def finish(
    http: Sender,
    pending: PendingIdentity,
    key: AgentKey,
    token: EnrolmentToken | None,
    state_dir: Path,
    *,
    name: str,
    version: str,
    clock: ServerClock,
) -> Identity:
    """Register the key and record the identity.

    Raises:
        OperatorError: the API can't be reached, or refuses the token.
    """
    try:
        # First who is there at all: a token is sent to nobody but a Leasehold API.
        metadata = await discover(http)
        answer = await register(http, key, token, name=name, version=version, clock=clock)
    except LinkError as error:
        raise explain(error, pending.api_url, token, key.thumbprint) from error
    identity = Identity(
        api_url=pending.api_url,
        issuer=metadata.issuer,
        client_id=answer.client_id,
        name=answer.client_name,
        site=answer.site,
        team=answer.team,
        key_name=pending.key_name,
        key_store=pending.key_store,
        keyring_backend=pending.keyring_backend,
        key_since=time.time(),
    )
    reach("enrol.registered")
    write_record(state_dir, identity)
    return identity


def explain(error: LinkError, api_url: str, token: EnrolmentToken | None, thumbprint: str) -> OperatorError:
    """Return what to tell the operator when enrolling failed."""
    if isinstance(error, UnavailableError):
        return OperatorError(Exit.UNREACHABLE, f"{api_url} can't be used: {error}.", _CURES[error.trouble])
    if isinstance(error, LockedError):
        return OperatorError(
            Exit.LOCKED, f"This agent is locked: {str(error).rstrip('.')}.", "An admin of its team can unlock it."
        )
    if isinstance(error, RefusedError) and error.code in _OUR_FAULT:
        return OperatorError(
            Exit.REFUSED, f"The API refused the registration: {error}.", "Check --name, and this machine's clock."
        )
    detail = error.detail if isinstance(error, RefusedError) and error.detail else str(error)
    if token is None:
        kind = KeyUnknownError if isinstance(error, RefusedError) and error.code == _KEY_UNKNOWN else OperatorError
        return kind(
            Exit.TOKEN_REFUSED,
            f"The API did not let this agent's key in: {detail.rstrip('.')}.",
            f"An operator registers it: leasehold agents preregister {thumbprint} --site SITE. Or use a token: "
            "--token-file FILE",
        )
    return OperatorError(
        Exit.TOKEN_REFUSED,
        f"The enrolment token {token.public_id} was refused: {detail.rstrip('.')}.",
        "A token is good once, for one site, for a limited time. Get a new one: leasehold tokens issue SITE",
    )


def _backend(store: KeyStore) -> str | None:
    return getattr(store, "backend_name", None)


_CURES = {
    Trouble.REFUSED_CONNECTION: "Nothing listens there: check host and port, and that leasehold-api runs.",
    Trouble.DNS: "Check the host name, and this machine's DNS.",
    Trouble.TLS: "If the API's certificate is from an authority of your own, name its PEM file with --ca-file.",
    Trouble.TLS_TIME: "Correct this machine's clock: chrony, or timedatectl set-ntp true. If it is right, the API's "
    "certificate has to be renewed.",
    Trouble.PROXY: "If it asks for a password: HTTPS_PROXY=http://NAME:PASSWORD@host:port. To ask the API directly, "
    "add its name to NO_PROXY.",
    Trouble.OWN_DISK: "Make room on it, or name another --state-dir.",
    Trouble.TIMEOUT: "Check that a firewall or proxy lets this machine reach it.",
    Trouble.BROKEN: "Check that this address speaks HTTP, or HTTPS as given, and try again.",
    Trouble.BUSY: "Try again in a while.",
    Trouble.SERVER_ERROR: "Try again in a while; the API's own log says more.",
    Trouble.NOT_THE_API: "Check the URL: the API's public address, without a path. A proxy's page answers so too.",
    Trouble.TOKEN: "Check this machine's clock, and try again.",
}
