"""``<state>/identity.json``: who this agent is, and where its key is. No secret is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leasehold_agent.durable import write_durably
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.key_store import StoreKind

_FILE = "identity.json"


class PendingIdentity(BaseModel):
    """An enrolment that began: the key is stored, the API's answer is not here yet. The same key tries again."""

    model_config = ConfigDict(frozen=True)

    state: Literal["pending"] = "pending"
    api_url: str
    key_name: str
    key_store: StoreKind
    keyring_backend: str | None = None


class Identity(BaseModel):
    """An enrolled agent."""

    model_config = ConfigDict(frozen=True)

    state: Literal["enrolled"] = "enrolled"
    api_url: str
    issuer: str
    """The ``aud`` of client assertions: the API's public address, as its metadata says (RFC 8414)."""
    client_id: str
    name: str
    site: str
    team: str
    key_name: str
    key_store: StoreKind
    keyring_backend: str | None = None
    key_since: float = 0.0
    """Seconds since 1970 when the key was made; an agent that enrolled before this was recorded is due at once."""
    next_key_name: str | None = None
    """A rotation began: the key under this name, if the store has it, may be the one that the API takes now."""
    retired_key_name: str | None = None
    """A key that was replaced and is still to be deleted from the store."""
    rotate_key_every_s: float = 30 * 86400.0
    """What the API said last."""
    moving_to: str | None = None
    """It is, or may be, handed over to this key on another machine: it never starts here again."""


class MovedIdentity(BaseModel):
    """An agent that goes on on another machine."""

    model_config = ConfigDict(frozen=True)

    state: Literal["moved"] = "moved"
    api_url: str
    client_id: str
    name: str
    site: str
    team: str
    moved_to: str
    """Thumbprint of the key that it was handed over to."""
    moved_at: float
    """Seconds since 1970."""
    key_store: StoreKind
    keyring_backend: str | None = None
    keys_left: list[str]
    """Names of its keys in the store that are still to be deleted."""


Record = Identity | PendingIdentity | MovedIdentity


class _File(BaseModel):
    root: Record = Field(discriminator="state")


def read_record(state_dir: Path) -> Record | None:
    """Return what is recorded, or none when this agent never began to enrol.

    Raises:
        OperatorError: the file can't be read or is damaged.
    """
    path = state_dir / _FILE
    try:
        return _File.model_validate_json(b'{"root":' + path.read_bytes() + b"}").root
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperatorError(
            Exit.KEY_STORE, f"{path} can't be read: {error.strerror}.", "Run as the user that enrolled this agent."
        ) from error
    except ValidationError as error:
        raise OperatorError(
            Exit.KEY_STORE, f"{path} is damaged.", "Restore it from a backup, or remove it and enrol this agent again."
        ) from error


def enrolled(state_dir: Path, *, even_moving: bool = False) -> Identity:
    """Return the recorded identity; one that is about to move only where that is asked for.

    Raises:
        OperatorError: this agent is not enrolled, or goes on elsewhere.
    """
    record = read_record(state_dir)
    if isinstance(record, Identity):
        if record.moving_to is not None and not even_moving:
            raise OperatorError(
                Exit.NOT_ENROLLED,
                "This agent is being moved to another machine.",
                f"Finish that: edge-agent identity move --to {record.moving_to}",
            )
        return record
    if isinstance(record, MovedIdentity):
        raise gone(record)
    began = "an enrolment began here but did not finish" if record else f"there is no identity in {state_dir}"
    raise OperatorError(
        Exit.NOT_ENROLLED,
        f"This agent is not enrolled: {began}.",
        "Run: edge-agent enroll URL --token-file FILE (with the same --state-dir)",
    )


def gone(record: MovedIdentity) -> OperatorError:
    """Return what to tell where an agent was before it moved."""
    return OperatorError(
        Exit.NOT_ENROLLED,
        f"This agent, {record.name} of site {record.site}, was moved to another machine.",
        "It goes on there. For a new agent on this machine use another --state-dir, or empty this one.",
    )


def write_record(state_dir: Path, record: Record) -> None:
    """Record durably who this agent is."""
    write_durably(state_dir / _FILE, record.model_dump_json(indent=2).encode() + b"\n")
