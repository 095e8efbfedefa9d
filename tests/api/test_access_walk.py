"""Every route by every kind of caller; the rows in ``tests/support/callers`` say what is right in each cell."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from leasehold_api.http.access import ACCESS, Kind
from tests.support.api_server import open_api
from tests.support.caller_kinds import KINDS, OTHERS, PEOPLE, PROGRAMS, TASKS
from tests.support.callers.answers import FOREIGN_FORM, LET_IN, SIGN_IN_FIRST, Told
from tests.support.callers.cast import CallerKind, Cast, assemble
from tests.support.databases import fresh_postgresql


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def cast(fresh_state: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cast]:
    """One API for a part of the walk, and everybody who is needed in it."""
    state = shutil.copytree(fresh_state, tmp_path_factory.mktemp("walk") / "state")
    with ExitStack() as stack:
        url = None
        if os.environ.get("LEASEHOLD_TEST_STORE") == "postgresql":
            url = stack.enter_context(fresh_postgresql())
            state = state.with_name("fresh")
        async with open_api(state, database_url=url) as api:
            yield await assemble(api)


def _path(route: str) -> str:
    path = route.replace("{team}", "default").replace("{sha256}", "0" * 64).replace("{site}", "nowhere")
    path = path.replace("{task}", "extract")  # a task may read what it wrote itself
    return re.sub(r"\{\w+(:path)?\}", "no-such-thing", path)


async def walk(cast: Cast, kind: CallerKind) -> list[str]:
    """Call every route; return what was not answered as the table says."""
    call = await kind.make(cast)
    wrong: list[str] = []
    for (method, route), needed in ACCESS.items():
        answer = await call(method, _path(route))
        right = kind.row.right(needed, method)
        if not _fits(answer, right, needed.kind):
            wrong.append(f"{method} {route}: {answer.status_code} {answer.text[:200]}, not {right or 'let in'}")
    return wrong


class Walk:
    """Inherited once per part: each has an API of its own, and may be tried beside the others."""

    @pytest.mark.asyncio(loop_scope="class")
    async def test_every_route_answers_each_kind_of_caller_as_the_table_says(
        self, cast: Cast, kind: CallerKind
    ) -> None:
        assert await walk(cast, kind) == []


@pytest.mark.parametrize("kind", PEOPLE, ids=str)
class TestPeople(Walk):
    """People, with a browser or a command line."""


@pytest.mark.parametrize("kind", PROGRAMS, ids=str)
class TestPrograms(Walk):
    """Programs that people let in, and agents."""


@pytest.mark.parametrize("kind", TASKS, ids=str)
class TestTasks(Walk):
    """Tasks."""


@pytest.mark.parametrize("kind", OTHERS, ids=str)
class TestOthers(Walk):
    """Browsers, and what is nobody."""


def _fits(answer: httpx.Response, right: Told | None, kind: Kind) -> bool:
    if answer.status_code >= 500:
        return False
    if kind is Kind.OPEN:
        return True
    if kind in {Kind.PAGE, Kind.SIGNED_IN}:
        return _page_fits(answer, right, kind)
    if answer.request.method == "HEAD" and right is not LET_IN:
        return answer.status_code == right.status
    if right is not LET_IN:
        # What the body lacks may be said before what the lease lacks; nothing was done or told either way.
        is_body = right.code == "lease_lost" and answer.status_code in {400, 422}
        return is_body or (answer.status_code, answer.json()["code"]) == (right.status, right.code)
    return _is_let_in(answer)


def _page_fits(answer: httpx.Response, right: Told | None, kind: Kind) -> bool:
    # Who signs out is sent there, too, but with the cookie taken away.
    is_sent_to_sign_in = (
        answer.headers.get("location", "").startswith("/sign-in") and "set-cookie" not in answer.headers
    )
    is_form_refused = answer.status_code == 403 and re.search("this browser|another site", answer.text, re.IGNORECASE)
    if right == SIGN_IN_FIRST:
        return answer.status_code == 303 and is_sent_to_sign_in
    if right == FOREIGN_FORM:
        return is_form_refused
    if right is not LET_IN:
        return answer.status_code == right.status
    return not is_form_refused and not (kind is Kind.SIGNED_IN and is_sent_to_sign_in)


def _is_let_in(answer: httpx.Response) -> bool:
    if answer.status_code == 403:  # let in, and then told that the task declared, or the agent holds, nothing of it
        return answer.json()["code"] in {"not_declared", "not_granted"} or "holds no lease" in answer.json()["detail"]
    return answer.status_code != 401 and "is not for it" not in answer.text


def test_no_two_kinds_have_the_same_name() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
