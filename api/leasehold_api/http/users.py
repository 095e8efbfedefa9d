"""Users, for platform admins. A sign-in link is in exactly one answer, the one that makes it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.callers import PersonCaller
from leasehold_api.errors import ConflictError
from leasehold_api.http.access import platform_admin
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part
from leasehold_api.opaque_tokens import OpaqueToken, mint
from leasehold_api.people.links import INVITE_LASTS_S, RESET_LASTS_S, address_of_link
from leasehold_protocol.v1.people import PlatformAdminWrite, SignInLink, User, UserInvite, UserList, UserLock, UserName

router = APIRouter(prefix="/v1/users", tags=["people"])

PlatformAdmin = Annotated[PersonCaller, Depends(platform_admin)]
Named = Annotated[UserName, Path()]


@router.get("", response_model=UserList, dependencies=[Depends(platform_admin)])
async def list_users(request: Request, part: Part) -> Response:
    """List the people who may sign in."""
    return answer(await house(request).people.users.list(part))


@router.get("/{user}", response_model=User, dependencies=[Depends(platform_admin)])
async def get_user(request: Request, user: Named) -> Response:
    """Return one user."""
    return answer(await house(request).people.users.get(user))


@router.post("", response_model=SignInLink, status_code=201)
async def invite_user(request: Request, caller: PlatformAdmin, body: UserInvite) -> Response:
    """Make a user, and a one-time link with which they choose their password."""
    _check_local_sign_in(request)
    link, by = mint("lnk"), _by(caller)
    user_id = clock.new_id("usr")
    await house(request).people.users.invite(body, user_id=user_id, link=link, lasts_s=INVITE_LASTS_S, by=by)
    return _handed_over(request, body.name, link, expires_at=by.at + INVITE_LASTS_S)


@router.post("/{user}/reset", response_model=SignInLink, status_code=201)
async def reset_user(request: Request, caller: PlatformAdmin, user: Named) -> Response:
    """Make a one-time link with which a user chooses a new password; the old one is good until then."""
    _check_local_sign_in(request)
    link, by = mint("lnk"), _by(caller)
    await house(request).people.users.reset(user, link=link, lasts_s=RESET_LASTS_S, by=by)
    return _handed_over(request, user, link, expires_at=by.at + RESET_LASTS_S)


@router.post("/{user}/lock", response_model=User)
async def lock_user(request: Request, caller: PlatformAdmin, user: Named, body: UserLock) -> Response:
    """Lock a user: their sessions and tokens end at once."""
    return answer(await house(request).people.users.lock(user, because=body.reason, by=_by(caller)))


@router.post("/{user}/unlock", response_model=User)
async def unlock_user(request: Request, caller: PlatformAdmin, user: Named) -> Response:
    """Let a user sign in again."""
    return answer(await house(request).people.users.unlock(user, by=_by(caller)))


@router.put("/{user}/platform-admin", response_model=User)
async def set_platform_admin(
    request: Request, caller: PlatformAdmin, user: Named, body: PlatformAdminWrite
) -> Response:
    """Make somebody a platform admin, or no longer one."""
    users = house(request).people.users
    return answer(await users.set_platform_admin(user, wanted=body.is_platform_admin, by=_by(caller)))


@router.delete("/{user}", status_code=204)
async def delete_user(request: Request, caller: PlatformAdmin, user: Named) -> Response:
    """Remove a user, with their sessions, tokens and roles."""
    await house(request).people.users.delete(user, by=_by(caller))
    return Response(status_code=204)


def _check_local_sign_in(request: Request) -> None:
    if not house(request).settings.local_sign_in:
        raise ConflictError("local_sign_in is off: people sign in at the OIDC provider, and are known from then on")


def _handed_over(request: Request, user: str, link: OpaqueToken, *, expires_at: float) -> Response:
    address = address_of_link(house(request).settings.issuer(), link)
    made = SignInLink(user=user, link=address, expires_at=clock.instant(expires_at))
    return answer(made, status=201, headers={"Cache-Control": "no-store"})


def _by(caller: PersonCaller) -> By:
    return By(actor=caller.actor, at=clock.now(), address=caller.address)
