"""What a store of enrolments promises inside a transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest

from leasehold_api.oauth.kept.store import AuthorityStore, NewEnrolment
from leasehold_api.opaque_tokens import OpaqueToken, mint
from tests.support.agent_key import AgentKey
from tests.support.api_server import Api


class RefusedError(Exception):
    """Ends a transaction in the middle."""


class EnrolmentContract(ABC):
    """Enrolments that others issue in a transaction of theirs, bound to one key."""

    async def new(self, api: Api, *, key: AgentKey, token: OpaqueToken | None, lasts_s: float = 600) -> NewEnrolment:
        """Return an enrolment for the site north."""
        await api.make_site("north")
        now = await self.now()
        site_id, team_id = await self.place(api)
        return NewEnrolment(
            id=token.id if token else mint("enr").id,
            secret_sha256=token.sha256 if token else None,
            bound_jkt=key.jkt,
            site_id=site_id,
            team_id=team_id,
            created_by="token:operator-1",
            created_at=now,
            expires_at=now + lasts_s,
            address="192.0.2.7",
        )

    @abstractmethod
    async def now(self) -> float:
        """Return the time of the API."""

    @abstractmethod
    async def place(self, api: Api) -> tuple[str, str]:
        """Return the ids of the site and its team."""

    @abstractmethod
    async def transact(self, api: Api, enrolment: NewEnrolment, *, fails: bool = False) -> None:
        """Issue an enrolment in a transaction, which may fail afterwards."""

    async def test_a_token_for_one_key_lets_that_key_in(self, api: Api) -> None:
        key, token = AgentKey(), mint("enr")
        await self.transact(api, await self.new(api, key=key, token=token))

        answer = await api.ask_enrolment(key, token.text)

        assert answer.status_code == 201
        [row] = await api.audited("enrolment_token.issued")
        assert (row.actor, row.address, row.object) == ("token:operator-1", "192.0.2.7", token.id)
        assert key.jkt in row.detail

    async def test_another_key_is_refused_and_raises_an_alarm_and_the_token_stays_good(self, api: Api) -> None:
        key, token = AgentKey(), mint("enr")
        await self.transact(api, await self.new(api, key=key, token=token))

        thief = await api.ask_enrolment(AgentKey(), token.text)

        assert thief.status_code == 401
        assert "for another key" in thief.json()["error_description"]
        [alarm] = await api.audited("enrolment_token.wrong_key")
        assert (alarm.result, alarm.object) == ("alarm", token.id)
        assert (await api.ask_enrolment(key, token.text)).status_code == 201

    async def test_the_key_alone_is_not_enough_where_there_is_a_secret(self, api: Api) -> None:
        key = AgentKey()
        await self.transact(api, await self.new(api, key=key, token=mint("enr")))

        headers = {"DPoP": key.proof("POST", "http://127.0.0.1:8420/oauth/register", nonce=api.nonce)}
        body = {"client_name": "north-1", "jwks": {"keys": [key.public_jwk]}}
        answer = await api.client.post("/oauth/register", headers=headers, json=body)

        assert answer.json()["code"] == "key_unknown"

    async def test_a_transaction_that_fails_issues_nothing(self, api: Api) -> None:
        key, token = AgentKey(), mint("enr")
        with pytest.raises(RefusedError):
            await self.transact(api, await self.new(api, key=key, token=token), fails=True)

        answer = await api.ask_enrolment(key, token.text)

        assert "not known here" in answer.json()["error_description"]
        assert await api.audited("enrolment_token.issued") == []


def issuing(enrolment: NewEnrolment, *, fails: bool) -> object:
    """Return the operation of a transaction that issues an enrolment."""

    def operation(store: AuthorityStore) -> None:
        store.issue_enrolment(enrolment)
        if fails:
            raise RefusedError

    return operation
