"""The applications that work for a person: which they are, and ending one. Each stands on a sign-in."""

from __future__ import annotations

from collections.abc import Sequence

from leasehold_api.oauth.kept.people_store import SignedInApplication
from leasehold_api.oauth.kept.store import AuditEntry, AuthorityStorage, AuthorityStore
from leasehold_api.oauth.people.approvals import Approver


class Applications:
    """What a person's start page shows of applications, and does to them."""

    def __init__(self, storage: AuthorityStorage) -> None:
        self._storage = storage

    async def list(self, user_id: str, *, now: float) -> Sequence[SignedInApplication]:
        """Return the applications that work for a person, the one that was used last first."""
        return await self._storage.transact(lambda store: store.people.applications(user_id, now=now))

    async def end(self, sign_in_id: str, by: Approver) -> bool:
        """End one of a person's own sign-ins with all its tokens; say whether it was one that had not ended."""
        return await self._storage.transact(lambda store: _ended(store, sign_in_id, by))


def _ended(store: AuthorityStore, sign_in_id: str, by: Approver) -> bool:
    user, sign_in = store.people.user(by.user_id), store.people.sign_in(sign_in_id)
    if user is None or sign_in is None or sign_in.user_id != user.id:
        return False
    because = f"{user.name} ended it on the start page"
    if not store.people.end_sign_in(sign_in.id, because=because, now=by.now):
        return False
    entry = AuditEntry(
        at=by.now,
        actor=f"user:{user.name}",
        action="oauth.ended",
        object=sign_in.id,
        result="done",
        address=by.address,
        detail={"client": sign_in.client_id, "because": because},
    )
    store.audit(entry)
    return True
