"""Whose signature a task's DAG needs, and whether the one that came with its lease will do. Pure, but for Ed25519."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leasehold_agent.host.patterns import matches
from leasehold_agent.policy.model import Signers
from leasehold_agent.policy.quantities import shown
from leasehold_protocol.signed.envelope import Envelope, EnvelopeError, opened
from leasehold_protocol.signed.statement import misfits
from leasehold_protocol.v1.leases import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBy:
    """A signature that fits what was leased. By whom is proved only for keys that the site knows."""

    key: str
    signed_at: datetime
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A signature that does not fit, and why."""

    reason: str


Signed = SignedBy | Misfit | None
"""What there is of a signature; none: the DAG's version is not signed."""


def signed(lease: Lease, keys: Sequence[str]) -> Signed:
    """Return what a lease's signature is worth, with the ``keys`` that the site knows."""
    if (proof := lease.signed) is None:
        return None
    try:
        envelope = opened(proof.signature)
    except EnvelopeError as error:
        return Misfit(f"it can't be read: {error}")
    said = envelope.statement
    by = SignedBy(key=envelope.key, signed_at=said.signed_at, not_after=said.not_after)
    if envelope.key not in keys:
        return by  # Refused for that alone: what a stranger signed need not fit.
    if not _was_made_by_its_key(envelope):
        return Misfit("the key that it names did not make it")
    wrong = misfits(said, proof, lease.task, team=lease.run.team, dag=lease.run.dag, bundle=lease.bundle)
    if wrong:
        words = " and ".join(wrong)
        return Misfit(f"{words} {'was' if len(wrong) == 1 else 'were'} changed after signing")
    return by


def concerns(signers: Signers, *, team: str, dag: str) -> bool:
    """Say whether the signers' rules are about this DAG of this team."""
    return any(matches(one, team) for one in signers.teams) and any(matches(one, dag) for one in signers.dags)


def signature_refusal(signers: Signers, found: Signed, now: datetime) -> str | None:
    """Return why a task may not run for its signature, or for the lack of one; none when it may."""
    match found:
        case None:
            cure = "deploy it with leasehold deploy --sign KEYFILE"
            return f"it is not signed, and this site asks for signatures: {cure}" if signers.required else None
        case Misfit(reason=reason):
            return f"its signature does not fit: {reason}"
        case SignedBy(key=key) if key not in signers.keys:
            return f"it is signed by the key {key}, which this site does not know"
        case SignedBy():
            return _too_old(signers, found, now)


def _too_old(signers: Signers, found: SignedBy, now: datetime) -> str | None:
    again = "deploy it again with --sign"
    if found.not_after is not None and now > found.not_after:
        return f"its signer wanted nothing of it to start after {_date(found.not_after)}: {again}"
    if signers.max_age is not None and now - found.signed_at > timedelta(seconds=signers.max_age):
        oldest = shown(signers.max_age)
        return f"its signature is too old: of {_date(found.signed_at)}, and this site takes {oldest} at most; {again}"
    return None


def _was_made_by_its_key(envelope: Envelope) -> bool:
    # Late: an agent whose policy names no signers never loads it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    def verify(key: bytes, signature: bytes, data: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    return envelope.fits(verify)


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M %Z")
