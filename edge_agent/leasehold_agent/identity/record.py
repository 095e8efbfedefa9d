"""``<state>/identity.json``: who this agent is, and where its key is. No secret is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

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


class _File(BaseModel):
    root: Identity | PendingIdentity


def read_record(state_dir: Path) -> Identity | PendingIdentity | None:
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


def enrolled(state_dir: Path) -> Identity:
    """Return the recorded identity.

    Raises:
        OperatorError: this agent is not enrolled.
    """
    record = read_record(state_dir)
    if isinstance(record, Identity):
        return record
    began = "an enrolment began here but did not finish" if record else f"there is no identity in {state_dir}"
    raise OperatorError(
        Exit.NOT_ENROLLED,
        f"This agent is not enrolled: {began}.",
        "Run: edge-agent enroll URL --token-file FILE (with the same --state-dir)",
    )


def write_record(state_dir: Path, record: Identity | PendingIdentity) -> None:
    """Record durably who this agent is."""
    write_durably(state_dir / _FILE, record.model_dump_json(indent=2).encode() + b"\n")
