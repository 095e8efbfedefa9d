"""The memory of proofs that were used: each counts once for as long as it is good."""

from __future__ import annotations

from leasehold_api.oauth.possession.proofs import Proof, ReplayedProofError

MOST_REMEMBERED = 200_000


class UsedProofs:
    """Bounded, in this process, used from the event loop's thread.

    A second API process has a memory of its own: while a stolen proof is good it could be used once more there,
    against the same address, method and token. What changes state by it is guarded again in the database (epochs,
    one-time jtis).
    """

    def __init__(self, *, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._until: dict[tuple[str, str], float] = {}  # in the order of their use

    def use(self, proof: Proof, *, now: float) -> None:
        """Count ``proof`` as used.

        Raises:
            ReplayedProofError: if it was used before.
        """
        self._forget(now)
        name = (proof.jkt, proof.jti)
        if name in self._until:
            raise ReplayedProofError("the proof was used before: make a new one for every request")
        self._until[name] = proof.good_until

    def _forget(self, now: float) -> None:
        while self._until:
            name = next(iter(self._until))
            # Full: the oldest goes first, it is the nearest to its end anyway.
            if self._until[name] > now and len(self._until) < self._most:
                return
            del self._until[name]
