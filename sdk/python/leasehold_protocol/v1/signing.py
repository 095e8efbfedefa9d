"""Signed DAGs: what a signer says of one, what of it travels with a lease, and what people are shown of it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from leasehold_protocol.v1.message import Instant, Message, Name, Sha256

STATEMENT_VERSION: Final = 1

Signature = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
"""A JWS in its compact form (RFC 7515) over a ``DagStatement``: ``leasehold_protocol.signed.envelope``."""


class DagStatement(Message):
    """What a signer says of one version of a DAG: everything that decides what its tasks do, by hash."""

    statement_version: Literal[1] = STATEMENT_VERSION
    team: Name
    dag: Name
    bundle: Sha256 | None = None
    environment: Sha256
    """Of what the tasks' environment is made from: ``requires_python`` and ``dependencies``."""
    manifest: Sha256
    """Of the manifest without its tasks, in canonical form."""
    tasks: Annotated[int, Field(ge=1, le=20_000)]
    tasks_root: Sha256
    """The root of the Merkle tree over the tasks in their order (RFC 9162, 2.1)."""
    signed_at: Instant
    not_after: Instant | None = None
    """The signer wants nothing of it to start after this."""


class SignedTask(Message):
    """With a lease: the DAG version's signature, and the proof that this very task is what was signed."""

    signature: Signature
    index: Annotated[int, Field(ge=0, lt=20_000)]
    """Which of the tasks it is."""
    path: Annotated[list[Sha256], Field(max_length=15)] = Field(default_factory=list[Sha256])
    """The hashes beside its way to the root (RFC 9162, 2.1.3): fifteen are enough for 20,000 tasks."""


class SignatureFacts(Message):
    """What people are shown of a signature. The API checked that it fits; whose key it is, sites decide."""

    key: str
    """``ed25519:`` and the public key."""
    signed_at: Instant
    not_after: Instant | None = None
