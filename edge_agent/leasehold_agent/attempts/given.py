"""What a lease to a trusted site brought along, as answers that the host can give without asking."""

from __future__ import annotations

from urllib.parse import quote

from leasehold.runtime.rules.secret_answers import secrets_in
from leasehold_agent.attempts.roster import Answers
from leasehold_protocol.v1.context import Given
from leasehold_protocol.v1.message import Message


def answers_of(given: Given | None) -> Answers:
    """Return an answer per path of the task protocol, each with the secrets in it."""
    if given is None:
        return {}
    found = [(f"/v1/connections/{quote(one.id, safe='')}", one) for one in given.connections]
    values = [(f"/v1/variables/{quote(one.key, safe='')}", one) for one in given.variables]
    return {path: _answer(path, message) for path, message in [*found, *values]}


def _answer(path: str, message: Message) -> dict[str, object]:
    body = message.model_dump(mode="json", by_alias=True)
    return {"status": 200, "body": body, "secrets": secrets_in(path, body)}
