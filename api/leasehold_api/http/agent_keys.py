"""An agent's own key: ``/v1/agent/key`` replaces it, ``/v1/agent/handover`` moves the agent to another machine."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leasehold_api import clock
from leasehold_api.callers import AgentCaller
from leasehold_api.errors import InvalidRequestError
from leasehold_api.http.access import agent_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.refusals import address_of
from leasehold_api.oauth.possession.proofs import ProofError, key_shown
from leasehold_protocol.v1.agents import AgentKeys, HandOver, KeyProposal

router = APIRouter(prefix="/v1/agent", tags=["agents"])

Caller = Annotated[AgentCaller, Depends(agent_caller)]


@router.put("/key", response_model=AgentKeys)
async def propose_key(request: Request, caller: Caller, body: KeyProposal) -> Response:
    """Propose the agent's next key. Both keys work until the first use of the new one retires the other."""
    now = clock.now()
    try:
        proof = house(request).authentication.proof_of_next_key(body.proof, request, now=now)
        public_jwk = key_shown(body.proof)
    except ProofError as error:
        raise InvalidRequestError(f"proof: {error}") from error
    keys = await house(request).registry.agent_keys.propose(caller, jkt=proof.jkt, public_jwk=public_jwk, now=now)
    return answer(keys)


@router.post("/handover", response_model=AgentKeys)
async def hand_over(request: Request, caller: Caller, body: HandOver) -> Response:
    """Hand this agent over to a key on another machine. It takes over by registering with a proof of that key."""
    keys = await house(request).registry.agent_keys.hand_over(
        caller, jkt=body.thumbprint, address=address_of(request), now=clock.now()
    )
    return answer(keys)
