"""What two API processes do to the same rows at the same moment, on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from leasehold_api.context.sealing import Sealer
from leasehold_api.oauth.kept.generations import Generation, Verdict, judge
from leasehold_api.oauth.kept.store import AuthorityStore, NewAgent
from leasehold_api.oauth.tokens.keys import KeyState, SigningKeys
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_keys import SqlSigningKeys
from leasehold_api.storage.sql_oauth import SqlAuthorityStorage
from leasehold_api.storage.tables import enrolment_tokens, metadata, sites, teams
from leasehold_api.storage.writer import Transaction
from tests.support.databases import FRESH

TOKEN = "enr_0123456789ab"


@pytest.fixture(params=["sqlite", "postgresql"])
def processes(request: pytest.FixtureRequest) -> Iterator[list[Database]]:
    """Return two databases with writers of their own, as two processes have them, on the same rows."""
    with FRESH[request.param]() as url:
        databases = [Database(make_engine(url), publish=lambda _signals: None) for _ in range(2)]
        metadata.create_all(databases[0].engine)
        try:
            yield databases
        finally:
            for database in databases:
                database.close()


@pytest.fixture
async def storages(processes: list[Database]) -> list[SqlAuthorityStorage]:
    """Return the authorization server's storage in each process, with a site and an unused enrolment token."""

    def furnish(tx: Transaction) -> None:
        tx.run(insert(teams), {"id": "t", "name": "default", "created_at": 0.0})
        site = {"id": "s", "team_id": "t", "name": "n", "labels": "{}", "max_slots": 1, "description": ""}
        tx.run(insert(sites), {**site, "created_at": 0.0})
        token = {"id": TOKEN, "team_id": "t", "site_id": "s", "secret_sha256": "", "note": "", "created_by": "test"}
        tx.run(insert(enrolment_tokens), {**token, "created_at": 0.0, "expires_at": 9.0})

    await processes[0].write(furnish)
    return [SqlAuthorityStorage(database, Plans()) for database in processes]


async def test_a_token_is_used_once_whichever_process_is_asked(storages: list[SqlAuthorityStorage]) -> None:
    async def use(number: int) -> bool:
        return await storages[number % 2].transact(
            lambda store: store.use_enrolment_token(
                TOKEN, jkt=f"key{number}", agent_id=f"a{number}", address=None, now=1.0
            )
        )

    won = await asyncio.gather(*(use(number) for number in range(50)))

    assert sorted(won) == [False] * 49 + [True]


async def test_an_assertion_counts_once_whichever_process_is_asked(storages: list[SqlAuthorityStorage]) -> None:
    async def remember(number: int) -> bool:
        return await storages[number % 2].transact(
            lambda store: store.remember_jti("agent:jti", expires_at=9.0, now=1.0)
        )

    counted = await asyncio.gather(*(remember(number) for number in range(20)))

    assert sorted(counted) == [False] * 19 + [True]


async def test_a_generation_is_fresh_once_whichever_process_is_asked(storages: list[SqlAuthorityStorage]) -> None:
    agent = NewAgent(id="a", name="n", jkt="k", public_jwk={}, site_id="s", team_id="t", version=None, address=None)
    await storages[0].transact(lambda store: store.add_agent(agent, now=1.0))

    async def show(number: int) -> Verdict:
        def operation(store: AuthorityStore) -> Verdict:
            known = store.agent("a")
            assert known is not None
            shown = Generation(number=7, jti=f"jti{number}", issued_at=1.0)
            verdict = judge(known.generation, shown)
            if verdict is Verdict.FRESH:
                store.set_generation("a", shown)
            return verdict

        return await storages[number % 2].transact(operation)

    verdicts = await asyncio.gather(*(show(number) for number in range(20)))

    assert verdicts.count(Verdict.FRESH) == 1
    assert verdicts.count(Verdict.CLONED) == 19


async def test_processes_that_start_together_sign_with_the_same_key(processes: list[Database]) -> None:
    sealer = Sealer({"1": b"k" * 32}, active="1")

    both = await asyncio.gather(
        *(SigningKeys.load(SqlSigningKeys(database), sealer, now=1.0) for database in processes)
    )

    token = both[0].sign({"typ": "test"}, {"sub": "x"})
    assert both[1].verified(token, typ="test") == {"sub": "x"}
    stored = await SqlSigningKeys(processes[0]).all()
    assert [key.state for key in stored] == [KeyState.ACTIVE]
