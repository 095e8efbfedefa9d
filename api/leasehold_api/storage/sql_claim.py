"""The hottest statements: handing queued task instances to an agent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text

from leasehold_api.callers import AgentCaller
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.fault_points import reach
from leasehold_api.fleet.orders import most_slots
from leasehold_api.leases.claimed import Claimed
from leasehold_api.leases.restored import epoch_floor, first_new_run, may_lease
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_asset_arrivals import events_of
from leasehold_api.storage.sql_assets import start_problems
from leasehold_api.storage.sql_ceilings import room_at
from leasehold_api.storage.sql_earlier import earlier_than
from leasehold_api.storage.sql_items import Items
from leasehold_api.storage.sql_offered import CAN_RUN, OFFERED
from leasehold_api.storage.sql_orders import orders_at
from leasehold_api.storage.sql_policies import NOT_REFUSED, refuses_something
from leasehold_api.storage.sql_previous import may_name_previous, previous_success
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import Input, PreviousSuccess, RunFacts

INLINE_INPUT_BYTES = 64 * 1024
"""How much of its inputs travels with one lease; the rest is read when the task asks."""
TRUSTED_INPUT_BYTES = 1024 * 1024
"""The same at a trusted site: nothing shall have to be asked for."""

_TAKE = """
    UPDATE task_instances
       SET state = 'running', agent_id = :agent, site_id = :site, reason = NULL, due_at = NULL,
           placement_id = COALESCE(usual_placement_id, placement_id), usual_placement_id = NULL, spread_at = NULL,
           epoch = CASE WHEN run_id < :first_new_run AND epoch < :epoch_floor THEN :epoch_floor + 1 ELSE epoch + 1 END,
           expires_at = :now + lease_length_s, started_at = COALESCE(started_at, :now)
     WHERE state = 'queued' AND id IN ({picked})
    RETURNING id, run_id, task, map_index, epoch, tries, dag_version_id, lease_length_s, priority, queued_at,
              started_at, rescheduled, resumed
"""

_ORDER = "ORDER BY priority DESC, queued_at, id"

# LATERAL: one short index walk per placement, however long the queues are. SKIP LOCKED: API processes that claim
# at the same moment take different rows instead of waiting for each other.
_TAKE_POSTGRESQL = _TAKE.format(
    picked=f"""
        SELECT c.id FROM site_placements sp CROSS JOIN LATERAL (
            SELECT id, priority, queued_at FROM task_instances t
             WHERE t.placement_id = sp.placement_id AND t.state = 'queued' AND t.blocked_on IS NULL{{also}}
             {_ORDER} LIMIT {{most}} FOR UPDATE SKIP LOCKED) c
         WHERE sp.site_id = :site AND {CAN_RUN}
         {_ORDER} LIMIT {{most}}"""
)

_HELD = text("SELECT count(*) FROM task_instances WHERE agent_id = :agent AND state = 'running'")

# An agent that was locked after it asked gets nothing. FOR SHARE: a lock and a claim that meet wait for each other.
_MOST_SLOTS = """
    SELECT s.max_slots, s.trusted, a.orders, a.policy_fingerprint,
           s.max_running AS site_most, t.max_running AS team_most, t.restored_at, t.leases_from
      FROM agents a JOIN sites s ON s.id = a.site_id JOIN teams t ON t.id = a.team_id
     WHERE a.id = :agent AND a.locked_at IS NULL AND s.locked_at IS NULL {lock}
"""

_ATTEMPT = text("""
    INSERT INTO attempts (task_instance_id, epoch, try_number, agent_id, site_id, leased_at)
    VALUES (:id, :epoch, :try_number, :agent, :site, :now)
""")

_RUNS = text("""
    SELECT id, dag_id, params, logical_date, data_interval_start, data_interval_end, "trigger", started_at FROM runs
     WHERE id IN :runs
""").bindparams(bindparam("runs", expanding=True))

_BEGIN_RUN = text("UPDATE runs SET started_at = :now WHERE id = :run AND started_at IS NULL")

_INPUTS = text("""
    SELECT t.run_id, t.task, x.key, x.size, x.value
      FROM task_instances t JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch
     WHERE t.run_id IN :runs AND t.task IN :tasks AND t.map_index = -1
""").bindparams(bindparam("runs", expanding=True), bindparam("tasks", expanding=True))


def claim(tx: Transaction, plans: Plans, holder: AgentCaller, *, most: int, now: float) -> list[Claimed]:
    """Lease up to ``most`` task instances to ``holder``, no more than its site's ceiling in all."""
    held = tx.run(_HELD, {"agent": holder.agent_id}).scalar_one()
    terms = tx.run(_terms(tx.dialect), {"agent": holder.agent_id}).first()
    if terms is None or not may_lease(terms.leases_from, now=now):
        return []
    # What is ordered of the agent counts here too: it may not have heard of it yet.
    most = min(most, most_slots(terms.max_slots, orders_at(terms.orders, now=now)) - held)
    most = min(most, room_at(tx, holder, site_most=terms.site_most, team_most=terms.team_most))
    rows = _take(tx, holder, terms, most=most, now=now) if most > 0 else []
    if not rows:
        return []
    tx.run(
        _ATTEMPT,
        [
            {
                "id": row.id,
                "epoch": row.epoch,
                "try_number": row.tries + 1,
                "agent": holder.agent_id,
                "site": holder.site_id,
                "now": now,
            }
            for row in rows
        ],
    )
    reach("api.claim.applied.before-commit")
    return _describe(tx, plans, holder, rows, is_trusted=bool(terms.trusted), now=now)


def _take(tx: Transaction, holder: AgentCaller, terms: Row[Any], *, most: int, now: float) -> list[Row[Any]]:
    parameters: dict[str, Any] = {"agent": holder.agent_id, "site": holder.site_id, "now": now}
    parameters |= {
        "first_new_run": first_new_run(terms.restored_at),
        "epoch_floor": epoch_floor(terms.restored_at),
    }
    policy, also = terms.policy_fingerprint, ""
    if refuses_something(tx, holder.site_id, policy, now=now):
        also = f" AND {NOT_REFUSED}"
        parameters["policy"] = policy
    if tx.dialect == "postgresql":
        statement = _take_postgresql(_step(most), also)
    else:
        placements = tx.run(OFFERED, {"site": holder.site_id, "agent": holder.agent_id}).scalars().all()
        if not placements:
            return []
        statement = _take_sqlite(len(placements), _step(most), also)
        parameters |= {f"p{index}": placement for index, placement in enumerate(placements)}
    # RETURNING keeps no order.
    return sorted(tx.run(statement, parameters).all(), key=lambda row: (-row.priority, row.queued_at, row.id))


def _step(most: int) -> int:
    """Round down to a power of two: few different statements, so that PostgreSQL plans each of them once."""
    return 1 << (most.bit_length() - 1)


@cache
def _terms(dialect: str) -> TextClause:
    return text(_MOST_SLOTS.format(lock="FOR SHARE OF a" if dialect == "postgresql" else ""))


@cache
def _take_postgresql(most: int, also: str) -> TextClause:
    return text(_TAKE_POSTGRESQL.format(most=most, also=also))


@cache
def _take_sqlite(placements: int, most: int, also: str) -> TextClause:
    walks = " UNION ALL ".join(
        f"SELECT * FROM (SELECT id, priority, queued_at FROM task_instances t"
        f" WHERE placement_id = :p{index} AND state = 'queued' AND blocked_on IS NULL{also} {_ORDER} LIMIT {most})"
        for index in range(placements)
    )
    return text(_TAKE.format(picked=f"SELECT id FROM ({walks}) {_ORDER} LIMIT {most}"))


def _describe(
    tx: Transaction, plans: Plans, holder: AgentCaller, rows: Sequence[Row[Any]], *, is_trusted: bool, now: float
) -> list[Claimed]:
    """Add what the agent must know to run them."""
    runs = {row.id: row for row in tx.run(_RUNS, {"runs": sorted({row.run_id for row in rows})}).all()}
    for run in runs.values():
        tx.signal(Signal(Topic.RUN, run.id))
        if run.started_at is None:
            tx.run(_BEGIN_RUN, {"run": run.id, "now": now})
    tx.signal(Signal(Topic.TIMER, str(now + min(row.lease_length_s for row in rows))))
    events = {run.id: events_of(tx, run.id) if run.trigger == "asset" else [] for run in runs.values()}
    items = Items(tx)
    successes: dict[str, PreviousSuccess | None] = {}
    budget = TRUSTED_INPUT_BYTES if is_trusted else INLINE_INPUT_BYTES
    inputs = _inputs(tx, plans, rows, items, budget=budget)
    leased = [plans.get(tx.connection, row.dag_version_id) for row in rows]
    parts = items.parts(rows, leased)
    entries = [plan.leased[row.task] for row, plan in zip(rows, leased, strict=True)]
    problems = start_problems(tx, holder.team_id, entries)
    claimed: list[Claimed] = []
    for row, entry, problem in zip(rows, entries, problems, strict=True):
        plan, run = plans.get(tx.connection, row.dag_version_id), runs[row.run_id]
        if run.id not in successes:
            is_named = plan.names_previous or may_name_previous(run.params)
            successes[run.id] = previous_success(tx, run) if is_named else None
        claimed.append(
            Claimed(
                task_instance=row.id,
                epoch=row.epoch,
                map_index=row.map_index,
                item=parts.get(row.id),
                try_number=row.tries + 1,
                length_s=row.lease_length_s,
                run=RunFacts(
                    run=row.run_id,
                    dag=plan.dag,
                    dag_version=plan.version,
                    team=holder.team,
                    params=json.loads(run.params),
                    logical_date=instant(run.logical_date),
                    trigger=run.trigger,
                    data_interval_start=instant_or_none(run.data_interval_start),
                    data_interval_end=instant_or_none(run.data_interval_end),
                    triggering_events=events[row.run_id],
                    previous_success=successes[run.id],
                ),
                entry=entry,
                bundle=plan.manifest.bundle,
                signed=plan.signed(row.task),
                inputs=inputs.get(row.id, []),
                earlier=earlier_than(tx, row, now=now),
                downstream=plan.downstream.get(row.task, []),
                is_trusted=is_trusted,
                inactive_assets=problem,
            )
        )
    return claimed


def _inputs(
    tx: Transaction, plans: Plans, rows: Sequence[Row[Any]], items: Items, *, budget: int
) -> dict[str, list[Input]]:
    wanted = {row.id: plans.get(tx.connection, row.dag_version_id).inputs[row.task] for row in rows}
    tasks = sorted({task for pairs in wanted.values() for task, _ in pairs})
    found: defaultdict[str, dict[tuple[str, str], Any]] = defaultdict(dict)
    for stored in (
        [] if not tasks else tx.run(_INPUTS, {"runs": sorted({row.run_id for row in rows}), "tasks": tasks}).all()
    ):
        found[stored.run_id][stored.task, stored.key] = stored
    inputs: dict[str, list[Input]] = {}
    for row in rows:
        left = budget
        inputs[row.id] = []
        for pair in wanted[row.id]:
            if (value := found[row.run_id].get(pair)) is None:
                continue
            text_ = value.value if value.size <= left else None
            left -= 0 if text_ is None else value.size
            inputs[row.id].append(
                Input(
                    task=pair[0],
                    key=pair[1],
                    size=value.size,
                    inline=text_ is not None,
                    value=None if text_ is None else json.loads(text_),
                )
            )
        for task, key in plans.get(tx.connection, row.dag_version_id).mapped_inputs[row.task]:
            several = items.list_of(row.run_id, task, key, budget=left)
            left -= several.size if several.inline else 0
            inputs[row.id].append(several)
    return inputs
