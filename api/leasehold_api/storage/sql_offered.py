"""Which placements an agent is asked for: those of its site, but for what its own machine can't run."""

from __future__ import annotations

from sqlalchemy import text

CAN_RUN = """NOT EXISTS (
    SELECT 1 FROM agent_lacks l WHERE l.agent_id = :agent AND l.placement_id = sp.placement_id)"""
"""A condition on the row ``sp`` of ``site_placements``."""

OFFERED = text(f"SELECT sp.placement_id FROM site_placements sp WHERE sp.site_id = :site AND {CAN_RUN}")
