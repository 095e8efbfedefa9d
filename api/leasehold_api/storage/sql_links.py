"""One-time sign-in links, within transactions that do more. Only hashes are kept."""

from __future__ import annotations

from sqlalchemy import delete, insert

from leasehold_api.acting import By
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.storage.tables import sign_in_links
from leasehold_api.storage.writer import Transaction


def keep_link(tx: Transaction, link: OpaqueToken, *, user_id: str, purpose: str, lasts_s: float, by: By) -> None:
    """Keep a link's hash; earlier links of the same user end."""
    end_links(tx, user_id)
    row = {
        "id": link.id,
        "secret_sha256": link.sha256,
        "user_id": user_id,
        "purpose": purpose,
        "created_at": by.at,
        "created_by": by.actor,
        "expires_at": by.at + lasts_s,
    }
    tx.run(insert(sign_in_links), row)


def end_links(tx: Transaction, user_id: str) -> None:
    """End the links of a user that were not used."""
    tx.run(delete(sign_in_links).where(sign_in_links.c.user_id == user_id, sign_in_links.c.used_at.is_(None)))
