"""Enrolment: RFC 7591 registration of one public key, proved by DPoP, let in by a token or known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from leasehold_api.oauth.kept.store import AuditEntry, AuthorityStore, EnrolledAgent, NewAgent, StoredEnrolmentToken
from leasehold_api.oauth.parts.authlib_parts import ClientRegistrationEndpoint
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.possession.proofs import ProofError, thumbprint_of
from leasehold_api.oauth.programs.clients import AUTH_METHOD
from leasehold_api.oauth.programs.known_keys import let_in_by_key
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_protocol.v1.agents import AgentRegistration, RegisteredAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One request to enrol, as far as it was checked outside the transaction."""

    token: OpaqueToken | None
    """None: the key alone lets it in."""
    jkt: str
    """Thumbprint of the key that the DPoP proof was made with."""
    metadata: dict[str, Any] = field(repr=False)
    agent_id: str
    """The id that the agent gets, if it is new."""
    address: str | None
    now: float


class EnrolmentEndpoint(ClientRegistrationEndpoint):  # type: ignore[misc]  # Authlib has no type information
    """Registers agents. No client secrets, no ``jwks_uri``, no symmetric or private keys."""

    def authenticate_token(self, request: Any) -> StoredEnrolmentToken | EnrolledAgent:
        """Return what lets the request in: an enrolment, or the agent that the key belongs to already."""
        enrolment, store = _parts(self, request)
        if enrolment.token is None:
            known = let_in_by_key(store, jkt=enrolment.jkt, now=enrolment.now)
            if isinstance(known, StoredEnrolmentToken):
                _check_is_open(known, enrolment, what="the registration of this key")
            return known
        stored = store.enrolment_token(enrolment.token.id)
        if stored is None or stored.secret_sha256 is None or not enrolment.token.has_digest(stored.secret_sha256):
            raise _token_refused(
                "the enrolment token is not known here: check that it was copied whole and is for this server"
            )
        if stored.bound_jkt not in (None, enrolment.jkt):
            self._refuse_foreign_key(stored, enrolment, store)
        if stored.used_jkt is not None and stored.used_jkt != enrolment.jkt:
            self._refuse_second_key(stored, enrolment, store)
        _check_is_open(stored, enrolment, what="the enrolment token")
        return stored

    def extract_client_metadata(self, request: Any) -> dict[str, Any]:
        """Return the checked metadata; what RFC 7591 knows beyond it is not taken over."""
        enrolment, _ = _parts(self, request)
        registration = _registration(enrolment.metadata)
        try:
            jkt = thumbprint_of(registration.jwks["keys"][0])
        except ProofError as error:
            raise _metadata_refused(str(error)) from error
        if jkt != enrolment.jkt:
            raise _metadata_refused("jwks must have the key that the DPoP proof was made with")
        return {"registration": registration}

    def generate_client_info(self, request: Any) -> dict[str, Any]:  # noqa: ARG002 - Authlib's signature
        """Agents get an id (in ``save_client``) and never a secret."""
        return {}

    def save_client(
        self,
        client_info: object,  # noqa: ARG002 - Authlib's signature
        client_metadata: dict[str, Any],
        request: Any,
    ) -> EnrolledAgent:
        """Enrol the agent, or find the one that this very key enrolled with this token before."""
        enrolment, store = _parts(self, request)
        let_in_by = cast("StoredEnrolmentToken | EnrolledAgent", request.credential)
        registration = cast("AgentRegistration", client_metadata["registration"])
        if isinstance(let_in_by, EnrolledAgent):
            return store.take_over(
                let_in_by.id,
                jkt=enrolment.jkt,
                public_jwk=_public(registration),
                address=enrolment.address,
                now=enrolment.now,
            )
        return self._agent_of(let_in_by, registration, enrolment, store)

    def _agent_of(
        self,
        stored: StoredEnrolmentToken,
        registration: AgentRegistration,
        enrolment: Enrolment,
        store: AuthorityStore,
    ) -> EnrolledAgent:
        known = store.agent_with_key(enrolment.jkt)
        if known is not None and known.id != stored.used_by:
            raise _metadata_refused(f"this key is enrolled already, as agent {known.id}: use it, or make a new key")
        if known is None:
            self._enrol(stored, registration, enrolment, store)
        agent = store.agent_with_key(enrolment.jkt)
        if agent is None:
            raise _token_refused(
                f"it enrolled agent {stored.used_by} before, whose key was replaced since: enrol anew with another"
            )
        return agent

    def generate_client_registration_info(self, client: EnrolledAgent, request: Any) -> dict[str, Any]:
        """Return the whole answer."""
        answer = RegisteredAgent(
            client_id=client.id,
            client_name=client.name,
            site=client.site,
            team=client.team,
            jwks={"keys": [client.public_jwk]},
            grant_types=["client_credentials"],
        )
        body = answer.model_dump(mode="json")
        request.answer = body
        return body

    def create_registration_response(self, request: Any) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Return the answer without the checks' intermediate values."""
        status, _, headers = super().create_registration_response(request)
        return status, request.answer, headers

    def _enrol(
        self,
        stored: StoredEnrolmentToken,
        registration: AgentRegistration,
        enrolment: Enrolment,
        store: AuthorityStore,
    ) -> None:
        if not store.use_enrolment_token(
            stored.id, jkt=enrolment.jkt, agent_id=enrolment.agent_id, address=enrolment.address, now=enrolment.now
        ):
            # Somebody else was faster, in another process.
            again = cast("StoredEnrolmentToken", store.enrolment_token(stored.id))
            if again.used_jkt != enrolment.jkt:
                self._refuse_second_key(again, enrolment, store)
            return
        agent = NewAgent(
            id=enrolment.agent_id,
            name=registration.client_name,
            jkt=enrolment.jkt,
            public_jwk=_public(registration),
            site_id=stored.site_id,
            team_id=stored.team_id,
            version=registration.software_version,
            address=enrolment.address,
        )
        store.add_agent(agent, now=enrolment.now)
        store.audit(_entry("agent.enrolled", "done", stored, enrolment, {"agent": agent.id, "key": enrolment.jkt}))

    def _refuse_second_key(self, stored: StoredEnrolmentToken, enrolment: Enrolment, store: AuthorityStore) -> None:
        store.audit(_entry("enrolment_token.used_twice", "alarm", stored, enrolment, {"key": enrolment.jkt}))
        raise _token_refused(
            "the enrolment token was used before, by another key: ask for a new one; if nobody you know used it, "
            "lock the agent that did"
        )

    def _refuse_foreign_key(self, stored: StoredEnrolmentToken, enrolment: Enrolment, store: AuthorityStore) -> None:
        store.audit(_entry("enrolment_token.wrong_key", "alarm", stored, enrolment, {"key": enrolment.jkt}))
        raise _token_refused(
            "the enrolment token is for another key: use it on the machine that it was approved for; if it was not "
            "tried there, somebody else has it: revoke it"
        )


def _check_is_open(stored: StoredEnrolmentToken, enrolment: Enrolment, *, what: str) -> None:
    if stored.revoked_at is not None:
        raise _token_refused(f"{what} was revoked: ask for a new one")
    if stored.used_jkt is None and enrolment.now >= stored.expires_at:
        raise _token_refused(f"{what} has expired: ask for a new one")
    if stored.site_is_locked:
        raise _token_refused(f"site {stored.site} is locked: enrol when an operator of the team has unlocked it")


def _public(registration: AgentRegistration) -> dict[str, str]:
    key = registration.jwks["keys"][0]
    return {name: key[name] for name in ("kty", "crv", "x", "y")}


def _parts(endpoint: Any, request: Any) -> tuple[Enrolment, AuthorityStore]:
    return cast("Enrolment", request.enrolment), cast("AuthorityStore", endpoint.server.store)


def _registration(metadata: dict[str, Any]) -> AgentRegistration:
    for forbidden in ("jwks_uri", "software_statement", "client_secret"):
        if forbidden in metadata:
            raise _metadata_refused(f"{forbidden} is not taken here: send one public key in jwks")
    try:
        registration = AgentRegistration.model_validate(metadata)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise _metadata_refused(f"{where}: {first['msg']}") from error
    if len(registration.jwks.get("keys", [])) != 1:
        raise _metadata_refused("jwks must have exactly one key")
    if registration.token_endpoint_auth_method != AUTH_METHOD:
        raise _metadata_refused("token_endpoint_auth_method must be private_key_jwt")
    if registration.grant_types != ["client_credentials"]:
        raise _metadata_refused("grant_types must be [client_credentials]")
    return registration


def _entry(
    action: str, result: str, stored: StoredEnrolmentToken, enrolment: Enrolment, detail: dict[str, Any]
) -> AuditEntry:
    return AuditEntry(
        at=enrolment.now,
        actor=f"enrolment:{stored.id}",
        action=action,
        object=stored.id,
        result=result,
        team_id=stored.team_id,
        address=enrolment.address,
        detail={**detail, "site": stored.site},
    )


def _token_refused(description: str) -> RefusalError:
    return RefusalError("invalid_token", description, status=401)


def _metadata_refused(description: str) -> RefusalError:
    return RefusalError("invalid_client_metadata", description)
