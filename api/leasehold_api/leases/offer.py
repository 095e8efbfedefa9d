"""A claimed task instance as the lease that travels to its agent, task token included."""

from __future__ import annotations

from leasehold_api.callers import AgentCaller
from leasehold_api.leases.claimed import Claimed
from leasehold_api.oauth.tokens.task_tokens import TaskTokens, scopes_for
from leasehold_protocol.v1.leases import Lease


class Offers:
    """Makes leases and their task tokens."""

    def __init__(self, tokens: TaskTokens, *, most_file_bytes: int | None = None) -> None:
        self._tokens = tokens
        self._most_file_bytes = most_file_bytes

    def lease(self, holder: AgentCaller, claimed: Claimed, *, now: float) -> Lease:
        """Return the message that hands ``claimed`` to ``holder``."""
        token, expires_in_s = self.task_token(holder, claimed, now=now)
        return Lease(
            attempt=claimed.attempt,
            task_instance=claimed.task_instance,
            epoch=claimed.epoch,
            map_index=claimed.map_index,
            item=claimed.item,
            try_number=claimed.try_number,
            length_s=claimed.length_s,
            run=claimed.run,
            task=claimed.entry,
            bundle=claimed.bundle,
            signed=claimed.signed,
            inputs=claimed.inputs,
            task_token=token,
            task_token_expires_in_s=expires_in_s,
            earlier=claimed.earlier,
            downstream=claimed.downstream,
            most_file_bytes=self._most_file_bytes,
            inactive_assets=claimed.inactive_assets,
        )

    def task_token(self, holder: AgentCaller, claimed: Claimed, *, now: float) -> tuple[str, float]:
        """Return a task token for a live lease, and for how many seconds it is good."""
        return self._tokens.issue(
            agent_id=holder.agent_id,
            site_id=holder.site_id,
            team_id=holder.team_id,
            team=holder.team,
            jkt=holder.jkt,
            attempt=claimed.attempt,
            task_instance=claimed.task_instance,
            epoch=claimed.epoch,
            run=claimed.run.run,
            dag=claimed.run.dag,
            task=claimed.entry.id,
            # The site was granted every connection the task declared: placement saw to that, and reading checks again.
            scopes=scopes_for(claimed.entry, claimed.entry.needs.connections),
            lease_left_s=claimed.length_s,
            now=now,
        )
