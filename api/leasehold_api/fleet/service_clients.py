"""Service clients as their team's admins see and set them: the promise of the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.service_clients import ServiceClient, ServiceClientList


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServiceClient:
    """A service client that is made: with a secret or with a key."""

    id: str
    name: str
    role: Role
    secret_sha256: str | None = field(repr=False)
    public_jwk: dict[str, str] | None
    expires_at: float | None


class ServiceClientStore(Protocol):
    """Service clients of a team, named by their id or name."""

    async def list(self, team: Team, part: Slice) -> ServiceClientList:
        """Return the team's service clients by id."""
        ...

    async def create(self, team: Team, client: NewServiceClient, *, by: By) -> ServiceClient:
        """Add a service client.

        Raises:
            ConflictError: already_exists, by its name.
        """
        ...

    async def lock(self, team: Team, client_id: str, *, because: str, by: By) -> ServiceClient:
        """Keep a service client out, from its very next request on; nothing happens when it is locked already.

        Raises:
            NotFoundError: if the team has none of that id or name.
        """
        ...

    async def unlock(self, team: Team, client_id: str, *, by: By) -> ServiceClient:
        """Let a service client in again; it needs a new access token.

        Raises:
            NotFoundError: if the team has none of that id or name.
        """
        ...

    async def rotate(self, team: Team, client_id: str, *, secret_sha256: str, by: By) -> ServiceClient:
        """Replace the secret; the old one and its access tokens end at once.

        Raises:
            NotFoundError: if the team has none of that id or name.
            ConflictError: if it has a key instead.
        """
        ...

    async def remove(self, team: Team, client_id: str, *, by: By) -> None:
        """Remove a service client with its access tokens.

        Raises:
            NotFoundError: if the team has none of that id or name.
        """
        ...
