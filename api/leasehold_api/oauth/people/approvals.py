"""A person lets an application, a device or an agent in, or doesn't. Who did is in the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from leasehold_api.fleet.roles import includes
from leasehold_api.fleet.standing import UserStanding
from leasehold_api.oauth.kept.people_store import AuthorizationCode, DeviceRequest, DeviceState
from leasehold_api.oauth.kept.store import AuditEntry, AuthorityStorage, AuthorityStore
from leasehold_api.oauth.parts.public_clients import AGENT
from leasehold_api.oauth.parts.scopes import granted
from leasehold_api.oauth.people.authorization import AuthorizationRequest
from leasehold_api.oauth.people.code_grant import CODE_LIFETIME_S
from leasehold_api.opaque_tokens import OpaqueToken, mint
from leasehold_protocol.v1.fleet import Role


class Decision(Enum):
    """What became of a person's decision about a device."""

    DONE = auto()
    TOO_LATE = auto()  # it ended, or somebody decided already
    NOT_ALLOWED = auto()  # the site is not there, or the person is no operator of its team


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """The person who decides, from where and when."""

    user_id: str
    address: str | None
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSite:
    """Where a new agent belongs."""

    team: str
    team_id: str
    site: str


class Approvals:
    """Keeps what people decide on the pages."""

    def __init__(self, storage: AuthorityStorage) -> None:
        self._storage = storage

    async def grant(self, request: AuthorizationRequest, by: Approver) -> str | None:
        """Return a code for the application; none when the person may not sign in any more."""
        code = mint("lha")
        return await self._storage.transact(lambda store: _granted(store, request, by, code))

    async def refuse(self, request: AuthorizationRequest, by: Approver) -> None:
        """Record that the person said no."""

        def operation(store: AuthorityStore) -> None:
            user = store.people.user(by.user_id)
            if user is not None:
                _record(store, user, by, "oauth.refused", request.client.id, {}, result="refused")

        await self._storage.transact(operation)

    async def device(self, user_code: str, *, now: float) -> DeviceRequest | None:
        """Return the request with this code, while it waits for a decision."""
        found = await self._storage.transact(lambda store: store.people.device_with_code(user_code))
        is_open = found is not None and found.state is DeviceState.PENDING and now < found.expires_at
        return found if is_open else None

    async def decide(self, user_code: str, *, is_approved: bool, site: ChosenSite | None, by: Approver) -> Decision:
        """Keep the decision about a device."""
        return await self._storage.transact(
            lambda store: _decided(store, user_code, is_approved=is_approved, site=site, by=by)
        )


def _granted(store: AuthorityStore, request: AuthorizationRequest, by: Approver, code: OpaqueToken) -> str | None:
    user = store.people.user(by.user_id)
    if user is None or user.locked_because is not None:
        return None
    scope = scope_of(user, request.scope)
    store.people.add_code(
        AuthorizationCode(
            sha256=code.sha256,
            client_id=request.client.id,
            user_id=user.id,
            user_epoch=user.token_epoch,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            jkt=request.jkt,
            scope=scope,
            expires_at=by.now + CODE_LIFETIME_S,
        ),
        now=by.now,
    )
    _record(store, user, by, "oauth.approved", request.client.id, {"scope": scope})
    return code.text


def _decided(
    store: AuthorityStore, user_code: str, *, is_approved: bool, site: ChosenSite | None, by: Approver
) -> Decision:
    user, device = store.people.user(by.user_id), store.people.device_with_code(user_code)
    if user is None or user.locked_because is not None:
        return Decision.NOT_ALLOWED
    if device is None or device.state is not DeviceState.PENDING or by.now >= device.expires_at:
        return Decision.TOO_LATE
    site_id, team_id = None, None
    if is_approved and device.client_id == AGENT.id:
        site_id = None if site is None else _site_of_operator(store, user, site)
        if site is None or site_id is None:
            return Decision.NOT_ALLOWED
        team_id = site.team_id
    elif is_approved:
        device = replace(device, scope=scope_of(user, device.scope))
    state = DeviceState.APPROVED if is_approved else DeviceState.DENIED
    if not store.people.decide_device(device, state, user=user, site_id=site_id, now=by.now):
        return Decision.TOO_LATE
    action = "device.approved" if is_approved else "device.denied"
    detail: dict[str, Any] = {"client": device.client_id, "asked_from": device.address, "name": device.name}
    detail |= {"key": device.jkt} if device.jkt else {}
    detail |= {"site": site.site} if site_id and site else {}
    _record(store, user, by, action, device.client_id, detail, team_id=team_id)
    return Decision.DONE


def scope_of(user: UserStanding, asked: str) -> str:
    """Return the scope that a person gives away."""
    roles = [membership.role for membership in user.memberships.values()]
    return granted(asked, roles=roles, is_platform_admin=user.is_platform_admin)


def _site_of_operator(store: AuthorityStore, user: UserStanding, site: ChosenSite) -> str | None:
    membership = user.memberships.get(site.team)
    is_operator = membership is not None and includes(membership.role, Role.OPERATOR)
    if not user.is_platform_admin and not (is_operator and membership and membership.team_id == site.team_id):
        return None
    return store.people.site_in(site.team_id, site.site)


def _record(
    store: AuthorityStore,
    user: UserStanding,
    by: Approver,
    action: str,
    object_id: str,
    detail: dict[str, Any],
    *,
    team_id: str | None = None,
    result: str = "done",
) -> None:
    entry = AuditEntry(
        at=by.now,
        actor=f"user:{user.name}",
        action=action,
        object=object_id,
        result=result,
        team_id=team_id,
        address=by.address,
        detail=detail,
    )
    store.audit(entry)
