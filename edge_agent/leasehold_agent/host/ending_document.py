"""``ending.json``: how an attempt ended and how far its files reach, with no secret in what people will read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from leasehold.runtime.rules.endings import Ending, shortened
from leasehold.runtime.rules.masking import Secrets
from leasehold_agent.host import instants
from leasehold_agent.host.checks import Object
from leasehold_agent.host.spool import Spool


def ending_document(ending: Ending, spool: Spool, secrets: Secrets, *, beside: Mapping[str, object]) -> Object:
    """Return the document; ``beside`` are fields that others know. What is None is left out."""
    reach = spool.written
    written: Object = {
        "kind": ending.kind,
        "message": shortened(None if ending.message is None else secrets.mask(ending.message)),
        "exit_code": ending.exit_code,
        "signal": ending.signal,
        "retry_after_s": ending.retry_after_s,
        "refusal": ending.refusal,
        **_again(ending, secrets),
        **beside,
        "ended_at": instants.now(),
        "log_size": reach.log,
        "log_sha256": spool.log.sha256,
        "metric_seq": reach.metric_seq,
        "xcom_seq": reach.xcom_seq,
        "state_seq": reach.state_seq,
    }
    return {name: value for name, value in written.items() if value is not None}


def _again(ending: Ending, secrets: Secrets) -> Object:
    """Return when it is started again, and what people are asked meanwhile."""
    again = dict(ending.again or {})
    wait = again.get("wait")
    if isinstance(wait, dict) and "question" in wait:
        asked = cast("Object", wait)
        again["wait"] = {**asked, "question": secrets.mask_json(asked["question"])}
    return again
