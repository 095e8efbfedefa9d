"""Enrolment without a secret: the key is known here beforehand, and the proof of having it is enough.

It is known because an operator registered its thumbprint, or because an agent handed its identity over to it.
"""

from __future__ import annotations

from leasehold_api.oauth.kept.store import AuthorityStore, EnrolledAgent, StoredEnrolmentToken
from leasehold_api.oauth.parts.refusals import RefusalError
from leasehold_api.oauth.programs.assertions import agent_locked


def let_in_by_key(store: AuthorityStore, *, jkt: str, now: float) -> StoredEnrolmentToken | EnrolledAgent:
    """Return what lets the key ``jkt`` in: an enrolment, or the agent that it belongs to or takes over.

    Raises:
        RefusalError: if nothing does.
    """
    agent = store.agent_with_key(jkt)
    if agent is None:
        return _preregistered(store, jkt=jkt, now=now)
    if agent.is_handed_over and agent.locked_because is not None:
        raise agent_locked(agent.name, agent.locked_because)
    if agent.jkt != jkt and not agent.is_handed_over:
        raise RefusalError("invalid_token", f"this key is the next one of agent {agent.id} already", status=401)
    return agent


def _preregistered(store: AuthorityStore, *, jkt: str, now: float) -> StoredEnrolmentToken:
    stored = store.enrolment_for_key(jkt, now=now)
    if stored is None:
        raise RefusalError(
            "invalid_token",
            f"the key {jkt} is not known here: an operator of a team can register it with leasehold agents preregister "
            f"{jkt} --site SITE, or send an enrolment token",
            status=401,
            code="key_unknown",
        )
    return stored
