"""Reads credentials off a request and finds out who it is. Status is read from the database on every call.

What a signature proves is remembered by the token's hash; whether the agent is locked, its tokens were ended or an API
token was revoked never is: with several API processes only the database knows.
"""

from __future__ import annotations

from fastapi import Request

from leasehold_api import clock
from leasehold_api.callers import AgentCaller, Membership, PersonCaller, PersonKind, TaskCaller, TeamCaller
from leasehold_api.errors import ApiError, NotFoundError, UnauthenticatedError
from leasehold_api.fleet.standing import AgentStanding, Callers
from leasehold_api.http.credentials import credential
from leasehold_api.http.handing_nonces import hand_out_nonce
from leasehold_api.http.persons import Persons
from leasehold_api.oauth.possession.nonces import RENEWED_AFTER_S, Nonces
from leasehold_api.oauth.possession.proofs import NonceWantedError, Proof, ProofError, ReplayedProofError, read_proof
from leasehold_api.oauth.possession.replays import UsedProofs
from leasehold_api.oauth.tokens.access_tokens import AccessTokens
from leasehold_api.oauth.tokens.keys import SignatureError
from leasehold_api.oauth.tokens.people_tokens import PeopleTokens
from leasehold_api.oauth.tokens.task_tokens import TaskTokens
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.problems import ProblemCode

_CHALLENGE = {"WWW-Authenticate": 'DPoP algs="ES256"'}
_NONCE_CHALLENGE = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce", algs="ES256"'}


class Authentication:
    """Finds out who calls."""

    def __init__(
        self,
        callers: Callers,
        *,
        public_url: str,
        access_tokens: AccessTokens,
        people_tokens: PeopleTokens,
        task_tokens: TaskTokens,
        used_proofs: UsedProofs,
        nonces: Nonces,
    ) -> None:
        """Take what is needed; proofs must name ``public_url`` (the issuer, no slash at its end), never ``Host``."""
        self._callers = callers
        self._public_url = public_url
        self._access_tokens = access_tokens
        self._task_tokens = task_tokens
        self._used_proofs = used_proofs
        self._nonces = nonces
        self._persons = Persons(callers, people_tokens, check_proof=self._check_proof)

    def proof(self, request: Request, *, access_token: str | None, now: float, needs_nonce: bool = False) -> Proof:
        """Return the request's proof of possession, and count it as used.

        Where its nonce is missing or getting old, the answer will have a fresh one.

        Raises:
            NonceWantedError: if its nonce is not good, or is missing and needed.
            ProofError: if there is none, or it does not hold.
        """
        headers = request.headers.getlist("dpop")
        if len(headers) != 1:
            raise ProofError("send exactly one DPoP header with a proof of possession (RFC 9449)")
        try:
            proof = self._read(headers[0], request, access_token=access_token, now=now, needs_nonce=needs_nonce)
        except ProofError:
            hand_out_nonce(request, self._nonces)
            raise
        if proof.nonce_age_s is None or proof.nonce_age_s > RENEWED_AFTER_S:
            hand_out_nonce(request, self._nonces)
        return proof

    def proof_of_next_key(self, text: str, request: Request, *, now: float) -> Proof:
        """Return the proof, made with another key than the request's own, that an agent has the key it proposes.

        It is a DPoP proof for the same request and access token, so nobody else's proof can be brought along.

        Raises:
            ProofError: if it does not hold.
        """
        return self._read(text, request, access_token=_bound_token(request), now=now, needs_nonce=False)

    def _read(self, text: str, request: Request, *, access_token: str | None, now: float, needs_nonce: bool) -> Proof:
        proof = read_proof(
            text,
            method=request.method,
            url=self._public_url + request.scope["path"],
            now=now,
            access_token=access_token,
            nonces=self._nonces,
            needs_nonce=needs_nonce,
        )
        self._used_proofs.use(proof, now=now)
        return proof

    async def agent(self, request: Request, *, while_finishing: bool) -> AgentCaller:
        """Return the agent that calls; one that is locked and ends what it holds only ``while_finishing``.

        Raises:
            UnauthenticatedError: unauthenticated, token_expired, dpop_required, dpop_invalid or dpop_replayed.
            ApiError: agent_locked.
        """
        now = clock.now()
        token = _bound_token(request)
        try:
            claims = self._access_tokens.claims_of(token)
        except SignatureError as error:
            raise _unauthenticated(f"{error}; get an access token at /oauth/token") from error
        self._check(request, token, jkt=claims.jkt, expires_at=claims.expires_at, now=now)
        standing = await self._standing(claims.agent_id, claims.jti, while_finishing=while_finishing)
        if claims.epoch != standing.token_epoch or claims.jkt != standing.jkt:
            raise _unauthenticated("this access token was ended; get a new one at /oauth/token")
        return AgentCaller(
            agent_id=standing.agent_id,
            agent_name=standing.agent_name,
            site_id=standing.site_id,
            site=standing.site,
            team_id=standing.team_id,
            team=standing.team,
            jkt=standing.jkt,
            is_finishing=standing.is_finishing,
            policy=standing.policy,
            token_id=claims.jti,
            token_expires_at=claims.expires_at,
            token_epoch=claims.epoch,
        )

    async def still_lets_in(self, caller: AgentCaller) -> bool:
        """Say whether an agent that was let in would still be: not locked, not removed, its token and key not ended.

        When its token expires is not looked at.
        """
        standing = await self._callers.agent(caller.agent_id, jti=caller.token_id)
        return (
            standing is not None
            and standing.locked_because is None
            and not standing.is_token_revoked
            and (standing.token_epoch, standing.jkt) == (caller.token_epoch, caller.jkt)
        )

    async def task(self, request: Request) -> TaskCaller:
        """Return the task that calls. Whether its lease still runs is checked where it reads or writes.

        Raises:
            UnauthenticatedError: as ``agent`` does.
            ApiError: agent_locked.
        """
        now = clock.now()
        token = _bound_token(request)
        try:
            claims = self._task_tokens.claims_of(token)
        except SignatureError as error:
            raise _unauthenticated(f"{error}; use the task token that came with the lease") from error
        self._check(request, token, jkt=claims.jkt, expires_at=claims.expires_at, now=now)
        # A task that its agent may finish needs what it declared.
        standing = await self._standing(claims.agent_id, claims.jti, while_finishing=True)
        if claims.jkt != standing.jkt:
            raise _unauthenticated("the agent's key was rotated: get a new task token at /oauth/token")
        return TaskCaller(
            agent_id=claims.agent_id,
            site_id=claims.site_id,
            team_id=claims.team_id,
            team=claims.team,
            task_instance=claims.task_instance,
            epoch=claims.epoch,
            attempt=claims.attempt,
            task=claims.task,
            run=claims.run,
            dag=claims.dag,
            scopes=claims.scopes,
            address=request.client.host if request.client else None,
        )

    async def person(self, request: Request) -> PersonCaller:
        """Return the person or program that calls.

        Raises:
            UnauthenticatedError: if there is no valid API token or access token.
        """
        return await self._persons.person(request)

    async def in_team(self, request: Request, team: str) -> TeamCaller:
        """Return the caller in the team it names.

        Raises:
            UnauthenticatedError: if there is no valid API token.
            NotFoundError: if there is no such team, or it is not the caller's: the two look the same.
        """
        person = await self.person(request)
        membership = await self._membership(person, team)
        if membership is None:
            raise NotFoundError(f"there is no team {team}, or {_yours(person)} is not for it")
        request.state.team_id = membership.team_id
        return TeamCaller(person=person, team_id=membership.team_id, team=team, role=membership.role)

    async def team_id(self, name: str) -> str | None:
        """Return the id of a team, for pages that let people choose among theirs."""
        return await self._callers.team_id(name)

    async def _membership(self, person: PersonCaller, team: str) -> Membership | None:
        if not person.is_platform_admin:
            return person.memberships.get(team)
        team_id = await self._callers.team_id(team)
        return None if team_id is None else Membership(team_id=team_id, team=team, role=Role.ADMIN)

    def _check(self, request: Request, token: str, *, jkt: str, expires_at: float, now: float) -> None:
        self._check_proof(request, token, jkt=jkt, now=now)
        if now >= expires_at:
            raise UnauthenticatedError(
                "the token has expired; get a new one", code=ProblemCode.TOKEN_EXPIRED, headers=_CHALLENGE
            )

    def _check_proof(self, request: Request, token: str, *, jkt: str, now: float) -> None:
        try:
            proof = self.proof(request, access_token=token, now=now)
        except ReplayedProofError as error:
            raise UnauthenticatedError(str(error), code=ProblemCode.DPOP_REPLAYED, headers=_CHALLENGE) from error
        except NonceWantedError as error:
            raise UnauthenticatedError(str(error), code=ProblemCode.USE_DPOP_NONCE, headers=_NONCE_CHALLENGE) from error
        except ProofError as error:
            code = ProblemCode.DPOP_INVALID if "dpop" in request.headers else ProblemCode.DPOP_REQUIRED
            raise UnauthenticatedError(str(error), code=code, headers=_CHALLENGE) from error
        if proof.jkt != jkt:
            raise UnauthenticatedError(
                "the proof was made with another key than the token is bound to",
                code=ProblemCode.DPOP_INVALID,
                headers=_CHALLENGE,
            )

    async def _standing(self, agent_id: str, jti: str, *, while_finishing: bool) -> AgentStanding:
        standing = await self._callers.agent(agent_id, jti=jti)
        if standing is None:
            raise _unauthenticated("this agent was removed; enrol it again with a new enrolment token")
        if standing.locked_because is not None and not (while_finishing and standing.is_finishing):
            raise ApiError(
                f"agent {standing.agent_name} is locked: {standing.locked_because}. "
                "An operator of the team can unlock it.",
                code=ProblemCode.AGENT_LOCKED,
            )
        if standing.is_token_revoked:
            raise _unauthenticated("this token was revoked; get a new one at /oauth/token")
        return standing


def _bound_token(request: Request) -> str:
    scheme, token = credential(request)
    match scheme:
        case "dpop" if token:
            return token
        case "bearer":
            raise UnauthenticatedError(
                "this route takes no bearer token: send 'Authorization: DPoP <token>' with a DPoP proof (RFC 9449)",
                code=ProblemCode.DPOP_REQUIRED,
                headers=_CHALLENGE,
            )
        case _:
            raise _unauthenticated("send 'Authorization: DPoP <token>' with a DPoP proof (RFC 9449)")


def _yours(person: PersonCaller) -> str:
    match person.kind:
        case PersonKind.API_TOKEN:
            return "your API token"
        case PersonKind.CLIENT:
            return "your service client"
        case PersonKind.USER:
            return "your account"


def _unauthenticated(detail: str) -> UnauthenticatedError:
    return UnauthenticatedError(detail, headers=_CHALLENGE)
