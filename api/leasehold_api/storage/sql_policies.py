"""What sites' own policies refused: remembered, passed over by claims, and shown to who waits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, text

from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import Refusal

LONGEST_S = 86400.0
"""No refusal is remembered for longer."""

NOT_REFUSED = """NOT EXISTS (
    SELECT 1 FROM policy_refusals r
     WHERE r.site_id = :site AND r.fingerprint = :policy AND r.expires_at > :now
       AND r.subject IN (t.id, t.dag_version_id || ' ' || t.task))"""
"""A condition on the task instance ``t``: the policy of who asks has not refused it lately."""

_ANY = text("""
    SELECT 1 FROM policy_refusals WHERE site_id = :site AND fingerprint = :policy AND expires_at > :now LIMIT 1
""")
_FORGET = text("DELETE FROM policy_refusals WHERE site_id = :site AND expires_at <= :now")
_REMEMBER = text("""
    INSERT INTO policy_refusals (site_id, fingerprint, subject, message, expires_at)
    VALUES (:site, :policy, :subject, :message, :expires_at)
        ON CONFLICT (site_id, fingerprint, subject)
        DO UPDATE SET message = excluded.message, expires_at = excluded.expires_at
""")

# Only policies that are in force somewhere: what an older one refused says nothing any more.
_WAITING = text("""
    SELECT t.id, s.name AS site, r.message
      FROM task_instances t
      JOIN site_placements sp ON sp.placement_id = t.placement_id
      JOIN policy_refusals r ON r.site_id = sp.site_id AND r.subject IN (t.id, t.dag_version_id || ' ' || t.task)
      JOIN sites s ON s.id = sp.site_id
     WHERE t.run_id = :run AND t.state = 'queued'
       AND EXISTS (SELECT 1 FROM agents a WHERE a.site_id = r.site_id AND a.policy_fingerprint = r.fingerprint)
     ORDER BY s.name
""")


def refuses_something(tx: Transaction, site_id: str, policy: str | None, *, now: float) -> bool:
    """Say whether a claim must look for what this policy refused."""
    parameters = {"site": site_id, "policy": policy, "now": now}
    return policy is not None and tx.run(_ANY, parameters).first() is not None


def remember(tx: Transaction, standing: Row[Any], refusal: Refusal, message: str, *, now: float) -> None:
    """Keep a refusal by the agent that ``standing`` names: no agent with its policy is asked this again for a while."""
    subject = standing.id if refusal.concerns == "instance" else f"{standing.dag_version_id} {standing.task}"
    tx.run(_FORGET, {"site": standing.site_id, "now": now})
    tx.run(
        _REMEMBER,
        {
            "site": standing.site_id,
            "policy": refusal.policy,
            "subject": subject,
            "message": message,
            "expires_at": now + min(refusal.again_after_s, LONGEST_S),
        },
    )
    tx.signal(Signal(Topic.RUN, standing.run_id))


def reasons_of(connection: Connection, run: str) -> dict[str, str]:
    """Return task instance → what the policies of which sites say to it, for those that wait."""
    found: dict[str, dict[str, None]] = {}
    for row in connection.execute(_WAITING, {"run": run}):
        found.setdefault(row.id, {})[f"site {row.site}: {row.message}"] = None
    return {instance: "; ".join(said) for instance, said in found.items()}
