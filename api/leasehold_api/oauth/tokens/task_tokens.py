"""Task tokens: RFC 9068 JWTs that open one lease's resources and nothing else (RFC 8693 section 4.1 for ``act``)."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from leasehold_api.assets.asking import alias_scope, asset_scope
from leasehold_api.oauth.tokens.access_tokens import ACCESS_TOKEN_TYPE, check_issuer_and_audience
from leasehold_api.oauth.tokens.keys import SignatureError, SigningKeys
from leasehold_api.oauth.tokens.verified import VerifiedTokens
from leasehold_protocol.v1.manifest import TaskEntry

LONGEST_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClaims:
    """What a verified task token says."""

    agent_id: str
    jti: str
    site_id: str
    team_id: str
    team: str
    jkt: str
    task_instance: str
    epoch: int
    attempt: str
    task: str
    run: str
    dag: str
    scopes: frozenset[str]
    expires_at: float


def scopes_for(task_entry: TaskEntry, granted_connections: Collection[str]) -> list[str]:
    """Return the exact scopes of a task: what it declared, and of connections what its site was granted as well."""
    connections = [name for name in task_entry.needs.connections if name in granted_connections]
    return [
        *(connection_scope(name) for name in sorted(set(connections))),
        *(variable_scope(key, action) for key in sorted(set(task_entry.variables)) for action in ("read", "write")),
        *(id_token_scope(audience) for audience in sorted(set(task_entry.id_tokens))),
        *(f"xcom:{task}:read" for task in sorted(set(task_entry.upstream))),
        *(dag_scope(dag, "read") for dag in sorted({*task_entry.dags, *task_entry.triggers})),
        *(dag_scope(dag, "trigger") for dag in sorted(set(task_entry.triggers))),
        *_asset_scopes(task_entry),
    ]


def _asset_scopes(task_entry: TaskEntry) -> list[str]:
    outlets = {asset.name for asset in task_entry.outlets}
    readable = outlets | {asset.name for asset in task_entry.inlets}
    aliases = {*task_entry.inlet_aliases, *task_entry.outlet_aliases}
    return [
        *(asset_scope(name, "read") for name in sorted(readable)),
        *(asset_scope(name, "write") for name in sorted(outlets)),
        *(alias_scope(alias) for alias in sorted(aliases)),
    ]


def connection_scope(name: str) -> str:
    """Return the scope that lets a task read a connection."""
    return f"connection:{name}:read"


def variable_scope(key: str, action: str) -> str:
    """Return the scope that lets a task ``read`` or ``write`` a variable."""
    return f"variable:{key}:{action}"


def id_token_scope(audience: str) -> str:
    """Return the scope that lets a task prove to ``audience`` which task it is."""
    return f"id_token:{audience}:issue"


def dag_scope(dag: str, action: str) -> str:
    """Return the scope that lets a task ``read`` of a DAG's runs, or ``trigger`` one."""
    return f"dag:{dag}:{action}"


class TaskTokens:
    """Issues and reads task tokens."""

    def __init__(self, *, issuer: str, keys: SigningKeys) -> None:
        self._issuer = issuer
        self._audience = f"{issuer}/task"
        self._keys = keys
        self._verified = VerifiedTokens(self._verify)

    def issue(
        self,
        *,
        agent_id: str,
        site_id: str,
        team_id: str,
        team: str,
        jkt: str,
        attempt: str,
        task_instance: str,
        epoch: int,
        run: str,
        dag: str,
        task: str,
        scopes: Collection[str],
        lease_left_s: float,
        now: float,
    ) -> tuple[str, float]:
        """Return a token and the seconds it is good for: five minutes, or what is left of the lease."""
        expires_in = max(0.0, min(LONGEST_S, lease_left_s))
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": attempt,
            "client_id": agent_id,
            "act": {"sub": agent_id},
            "cnf": {"jkt": jkt},
            "iat": int(now),
            "exp": now + expires_in,
            "jti": secrets.token_urlsafe(12),
            "scope": " ".join(scopes),
            "lease": attempt,
            "task_instance": task_instance,
            "epoch": epoch,
            "task": task,
            "run": run,
            "dag": dag,
            "team": team,
            "team_id": team_id,
            "site_id": site_id,
        }
        return self._keys.sign({"typ": ACCESS_TOKEN_TYPE}, claims), expires_in

    def claims_of(self, token: str) -> TaskClaims:
        """Return what ``token`` says. Whether its time is over is for the caller to compare.

        Raises:
            SignatureError: if it is not a task token of this server.
        """
        return self._verified.claims_of(token)

    def _verify(self, token: str) -> TaskClaims:
        claims = self._keys.verified(token, typ=ACCESS_TOKEN_TYPE)
        check_issuer_and_audience(claims, issuer=self._issuer, audience=self._audience)
        try:
            return TaskClaims(
                agent_id=str(claims["act"]["sub"]),
                jti=str(claims["jti"]),
                site_id=str(claims["site_id"]),
                team_id=str(claims["team_id"]),
                team=str(claims["team"]),
                jkt=str(claims["cnf"]["jkt"]),
                task_instance=str(claims["task_instance"]),
                epoch=int(claims["epoch"]),
                attempt=str(claims["lease"]),
                task=str(claims["task"]),
                run=str(claims["run"]),
                dag=str(claims["dag"]),
                scopes=frozenset(str(claims["scope"]).split()),
                expires_at=float(claims["exp"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SignatureError("the token lacks a claim") from error
