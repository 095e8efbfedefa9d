"""What the authorization server keeps of people and service clients, as it sees it inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from leasehold_api.fleet.standing import UserStanding
from leasehold_api.oauth.kept.refreshing import RefreshToken
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_protocol.v1.fleet import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """An application that works for a person, until it ends."""

    id: str
    user_id: str
    user_epoch: int
    """The person's ``token_epoch`` when they agreed; a lower one than theirs has been ended."""
    client_id: str
    scope: str
    jkt: str | None
    """The key that its refresh tokens are bound to."""
    expires_at: float
    ended_because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInApplication:
    """A sign-in that goes on, as its person sees it."""

    id: str
    client_id: str
    scope: str
    created_at: float
    created_from: str | None
    last_used_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode:
    """A code that a browser carries to an application."""

    sha256: str
    client_id: str
    user_id: str
    user_epoch: int
    redirect_uri: str
    challenge: str
    jkt: str | None
    scope: str
    expires_at: float
    used_at: float | None = None
    sign_in_id: str | None = None


class DeviceState(StrEnum):
    """Where a device's request is in its life."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    USED = "used"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """A device, or a command line, that waits for somebody to let it in."""

    sha256: str
    user_code: str = field(repr=False)
    client_id: str
    scope: str
    jkt: str | None
    name: str | None
    """What it says it is called; nobody checked."""
    address: str | None
    created_at: float
    expires_at: float
    interval_s: int
    polled_at: float | None = None
    state: DeviceState = DeviceState.PENDING
    user_id: str | None = None
    user_epoch: int | None = None
    decided_by: str | None = None
    site_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A service client as it stands."""

    id: str
    team_id: str
    team: str
    name: str
    role: Role
    secret_sha256: str | None = field(repr=False)
    public_jwk: dict[str, str] | None
    token_epoch: int
    expires_at: float | None
    locked_because: str | None

    def is_open(self, *, now: float) -> bool:
        """Say whether it is neither locked nor expired."""
        return self.locked_because is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokenFacts:
    """An API token, for introspection and revocation."""

    id: str
    name: str
    team_id: str | None
    role: Role
    secret_sha256: str = field(repr=False)
    created_at: float
    expires_at: float | None
    is_revoked: bool


class PeopleStore(Protocol):
    """One transaction, as far as people and service clients are concerned."""

    def user(self, user_id: str) -> UserStanding | None:
        """Return a person as they stand."""
        ...

    def add_code(self, code: AuthorizationCode, *, now: float) -> None:
        """Keep a code; those that ended long ago are forgotten."""
        ...

    def code(self, sha256: str) -> AuthorizationCode | None:
        """Return a code."""
        ...

    def use_code(self, sha256: str, *, sign_in_id: str, now: float) -> bool:
        """Use a code for a sign-in, if nobody did before; say whether that happened."""
        ...

    def add_device(self, device: DeviceRequest) -> bool:
        """Keep a device's request; false when another has its user code."""
        ...

    def device(self, sha256: str) -> DeviceRequest | None:
        """Return a device's request."""
        ...

    def device_with_code(self, user_code: str) -> DeviceRequest | None:
        """Return the request that has this user code, whatever its state."""
        ...

    def polled(self, sha256: str, *, interval_s: int, now: float) -> None:
        """Remember that a device asked, and how long it must wait."""
        ...

    def decide_device(
        self, device: DeviceRequest, state: DeviceState, *, user: UserStanding, site_id: str | None, now: float
    ) -> bool:
        """Approve or deny a request that is pending; say whether that happened."""
        ...

    def use_device(self, sha256: str, *, now: float) -> bool:
        """Use an approved request, if nobody did before; say whether that happened."""
        ...

    def add_sign_in(self, sign_in: SignIn, *, address: str | None, now: float) -> None:
        """Begin a sign-in."""
        ...

    def sign_in(self, sign_in_id: str) -> SignIn | None:
        """Return a sign-in, held against changes by others until the transaction ends."""
        ...

    def applications(self, user_id: str, *, now: float) -> Sequence[SignedInApplication]:
        """Return a person's sign-ins that go on, the one that was used last first; at most 100."""
        ...

    def renew_sign_in(self, sign_in_id: str, *, expires_at: float, jkt: str | None, now: float) -> None:
        """Remember that a sign-in was used, until when it is good, and the key it is bound to."""
        ...

    def end_sign_in(self, sign_in_id: str, *, because: str, now: float) -> bool:
        """End a sign-in with all its tokens; say whether it had not ended before."""
        ...

    def add_refresh_token(self, token: OpaqueToken, *, sign_in_id: str, expires_at: float, now: float) -> None:
        """Keep a refresh token's hash."""
        ...

    def refresh_token(self, token_id: str) -> RefreshToken | None:
        """Return a refresh token."""
        ...

    def use_refresh_token(self, token: RefreshToken, *, successor_id: str, now: float) -> None:
        """Remember that it was used, and what was given for it; what was given before is void."""
        ...

    def service_account(self, client_id: str) -> ServiceAccount | None:
        """Return a service client."""
        ...

    def service_account_used(self, client_id: str, *, now: float) -> None:
        """Remember when it last signed in."""
        ...

    def revoke_jti(self, jti: str, *, expires_at: float, now: float) -> None:
        """End one token before its time."""
        ...

    def is_revoked(self, jti: str) -> bool:
        """Say whether a token was ended before its time."""
        ...

    def api_token(self, token_id: str) -> ApiTokenFacts | None:
        """Return an API token."""
        ...

    def revoke_api_token(self, token_id: str, *, now: float) -> bool:
        """End an API token; say whether it had not ended before."""
        ...

    def team_of_site(self, site_id: str) -> str | None:
        """Return the id of a site's team; none when the site is not there any more."""
        ...

    def site_in(self, team_id: str, name: str) -> str | None:
        """Return the id of a team's site."""
        ...
