"""Waiting without a slot: what a task waits for and what came of it; what it keeps meanwhile."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Json, Key, Message, Name, Seconds, Text

VALUE_BYTES = 16 * 1024
"""The longest JSON text of an event's value or of an answer: it travels with the next lease."""

EventName = Key
"""Names an event within a team."""


class WaitKind(StrEnum):
    """What a task may wait for without a slot."""

    TIME = "time"
    RUN = "run"  # another run of the team, until it has ended
    EVENT = "event"
    QUESTION = "question"  # people


class Question(Message):
    """What a task asks people. They choose among ``options``, fill in ``params``, or both."""

    question: Annotated[Text, Field(min_length=1, max_length=1000)]
    body: Annotated[Text, Field(max_length=16_000)] = ""
    """Markdown."""
    options: Annotated[list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(max_length=100)] = Field(
        default_factory=list[str]
    )
    multiple: bool = False
    """Any number of the options may be chosen, not just one."""
    params: dict[Name, Json] = Field(default_factory=dict[str, Json])
    """JSON Schema properties (2020-12). One without a ``default`` has to be filled in."""
    assigned_to: Annotated[list[Annotated[Text, Field(max_length=200)]], Field(max_length=100)] = Field(
        default_factory=list[str]
    )
    """Names of the users who may answer; empty: everybody who may answer at all."""


class Answer(Message):
    """What people answered, or the default that the author gave."""

    chosen: list[str] = Field(default_factory=list[str])
    params: dict[str, Json] = Field(default_factory=dict[str, Json])


class Wait(Message):
    """With the ending ``deferred``: what has to happen before the task is started again."""

    key: Key
    """Names the wait within its task instance: what came of it is found under this key."""
    kind: WaitKind
    after_s: Seconds | None = None
    at: Instant | None = None
    """With ``time``: one of the two."""
    run: Annotated[Text, Field(max_length=200)] | None = None
    states: list[Name] = Field(default_factory=list[str])
    """With ``run``: how it has to end; empty: anyhow."""
    event: EventName | None = None
    question: Question | None = None
    default: Answer | None = None
    """With ``question``: what counts as the answer when the time is up."""
    timeout_s: Seconds | None = None
    since_start_s: Seconds | None = None
    """How long after the start of its process the task began to wait, by the site's clock; set by the host."""


class WaitVerdict(StrEnum):
    """What came of a wait."""

    CAME = "came"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"  # it can never come: `message` says why


class SettledWait(Message):
    """One wait of a task instance that is over."""

    key: Key
    verdict: WaitVerdict
    value: Json = None
    """Of a run ``{"run", "state"}``, of an event its value, of a question an ``Answer``."""
    message: str | None = None
    by: str | None = None
    """Who sent the event or answered; none: the default counted."""
    at: Instant


class Earlier(Message):
    """What came before this attempt of its task instance."""

    rescheduled: int = 0
    """How often it was rescheduled."""
    first_started_at: Instant | None = None
    """When its first attempt was leased, by the API's clock; none: this is the first."""
    first_started_ago_s: Seconds = 0.0
    """How long that was before this lease."""
    resumed: Literal["reschedule", "defer", "input"] | None = None
    """What this attempt goes on from; none: from nothing."""
    waits: list[SettledWait] = Field(default_factory=list[SettledWait])
    state_keys: int = 0
    """How many keys its task state has."""


class StateChange(Message):
    """One write to a task's state, as it travels to the API."""

    key: Key | None = None
    """None: everything before it is forgotten."""
    value: Json = None
    removed: bool = False
    """The key goes; with no key all of them."""
    expires_after_s: Seconds | None = None
    age_s: Seconds = 0.0
    """How long before this was sent it was written, by the site's clock."""


class StateChanges(Message):
    """``PUT /v1/attempts/{id}/state``: writes in their order; the same again changes nothing."""

    changes: Annotated[list[StateChange], Field(max_length=1000)]
