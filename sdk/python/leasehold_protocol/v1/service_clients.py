"""Service clients: programs of a team that sign in by themselves, as admins see and set them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Identifier, Instant, Json, Message, Name, Page, Seconds, Text


class ServiceClientWrite(Message):
    """``POST /v1/teams/{team}/service-clients``: a program that signs in with a secret, or with a key of its own."""

    name: Name
    role: Role = Role.AUTHOR
    public_key: dict[str, Json] | None = None
    """A public JWK (RFC 7517): P-256 or RSA. Without one the client gets a secret."""
    expires_in_s: Annotated[Seconds, Field(gt=0)] | None = None


class ServiceClient(Message):
    """A service client, without its secret."""

    id: Identifier
    """The OAuth ``client_id``."""
    name: Name
    team: Name
    role: Role
    has_secret: bool
    key_thumbprint: str | None = None
    """RFC 7638, SHA-256, of the key that it signs in with."""
    created_by: str
    created_at: Instant
    expires_at: Instant | None = None
    last_used_at: Instant | None = None
    locked_because: str | None = None


class IssuedServiceClient(ServiceClient):
    """The one answer that has the secret; none for a client with a key of its own."""

    secret: str | None = Field(default=None, repr=False)


class ServiceClientLock(Message):
    """``POST /v1/teams/{team}/service-clients/{client}/lock``."""

    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    """Told to whoever uses the client."""


class ServiceClientList(Page):
    """``GET /v1/teams/{team}/service-clients``."""

    items: list[ServiceClient]
