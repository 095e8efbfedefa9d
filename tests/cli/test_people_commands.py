"""Users and members: what is asked of the API, and what is shown."""

from __future__ import annotations

import json

import respx

from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import (
    Member,
    MemberList,
    MemberOrigin,
    MemberWrite,
    PlatformAdminWrite,
    SignInBy,
    SignInLink,
    User,
    UserInvite,
    UserList,
    UserLock,
)
from leasehold_protocol.v1.problems import ProblemCode
from tests.cli.answers import NOON, refused, said
from tests.cli.conftest import Leasehold

CHIEF = User(
    id="usr_1",
    name="chief-1",
    signs_in_by=SignInBy.PASSWORD,
    is_platform_admin=True,
    roles={"default": Role.ADMIN},
    created_at=NOON,
    created_by="leasehold",
)
LINK = SignInLink(user="author-1", link="https://l.example/welcome#lnk_0123456789ab.AAAA", expires_at=NOON)


def test_an_invitation_names_roles_and_prints_the_link_once(author: Leasehold, api: respx.Router) -> None:
    post = api.post("/v1/users").mock(return_value=said(LINK, 201))

    ended = author("users", "invite", "Author-1", "--role", "default=author", "--role", "metering=viewer")

    assert ended.code == 0
    assert UserInvite.model_validate_json(post.calls.last.request.content) == UserInvite(
        name="author-1", roles={"default": Role.AUTHOR, "metering": Role.VIEWER}
    )
    assert ended.out.count(LINK.link) == 1
    assert "works once" in ended.out


def test_a_role_or_a_name_that_can_not_be_is_a_mistake_of_typing(author: Leasehold) -> None:
    assert "emperor" in author("users", "invite", "author-1", "--role", "default=emperor").err
    assert author("users", "invite", "author-1", "--role", "default").code == 2
    assert "can't be a user's name" in author("users", "invite", "a/b").err


def test_users_are_listed_for_people_and_for_programs(author: Leasehold, api: respx.Router) -> None:
    locked = CHIEF.model_copy(update={"name": "author-1", "is_platform_admin": False, "locked_because": "left"})
    api.get("/v1/users").mock(return_value=said(UserList(items=[CHIEF, locked])))

    shown = author("users", "list").out
    assert "platform admin, default=admin" in shown
    assert "locked" in shown
    assert [user["name"] for user in json.loads(author("users", "list", "--json").out)] == ["chief-1", "author-1"]


def test_a_user_is_shown_locked_unlocked_reset_made_admin_and_removed(author: Leasehold, api: respx.Router) -> None:
    path = "/v1/users/a%40b.example"
    api.get(path).mock(return_value=said(CHIEF))
    lock = api.post(f"{path}/lock").mock(return_value=said(CHIEF))
    api.post(f"{path}/unlock").mock(return_value=said(CHIEF))
    api.post(f"{path}/reset").mock(return_value=said(LINK, 201))
    admin = api.put(f"{path}/platform-admin").mock(return_value=said(CHIEF))
    api.delete(path).mock(return_value=said(CHIEF))

    assert "chief-1" in author("users", "show", "a@b.example").out
    assert "unlock a@b.example" in author("users", "lock", "a@b.example", "--reason", "left").out
    assert UserLock.model_validate_json(lock.calls.last.request.content).reason == "left"
    assert author("users", "unlock", "a@b.example").code == 0
    assert json.loads(author("users", "reset", "a@b.example", "--json").out)["link"] == LINK.link
    assert "a platform admin" in author("users", "platform-admin", "a@b.example").out
    assert PlatformAdminWrite.model_validate_json(admin.calls.last.request.content).is_platform_admin
    assert "removed" in author("users", "remove", "a@b.example").out


def test_what_the_api_refuses_is_said(author: Leasehold, api: respx.Router) -> None:
    api.delete("/v1/users/chief-1").mock(
        return_value=refused(409, ProblemCode.CONFLICT, "chief-1 is the last platform admin: make somebody else one")
    )

    ended = author("users", "remove", "chief-1")

    assert ended.code == 5
    assert "last platform admin" in ended.err


def test_members_are_listed_set_and_removed(author: Leasehold, api: respx.Router) -> None:
    member = Member(user="author-1", role=Role.AUTHOR, origin=MemberOrigin.GROUPS, locked=True)
    api.get("/v1/teams/default/members").mock(return_value=said(MemberList(items=[member])))
    put = api.put("/v1/teams/default/members/author-1").mock(return_value=said(member))
    api.delete("/v1/teams/default/members/author-1").mock(return_value=said(member))

    assert "groups at the provider" in author("members", "list").out
    assert json.loads(author("members", "list", "--json").out)[0]["role"] == "author"
    assert "role author" in author("members", "set", "author-1", "--role", "author").out
    assert MemberWrite.model_validate_json(put.calls.last.request.content).role is Role.AUTHOR
    assert author("members", "remove", "author-1").code == 0
