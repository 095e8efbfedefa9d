"""What people say to tasks that wait: answers to their questions, and events."""

from __future__ import annotations

from enum import StrEnum

from leasehold_protocol.v1.message import Identifier, Instant, Json, Message, Name, Page
from leasehold_protocol.v1.waiting import Answer, EventName, Question


class SendEvent(Message):
    """``POST /v1/teams/{team}/events``."""

    name: EventName
    value: Json = None


class SentEvent(Message):
    """An event that was sent."""

    event: Identifier
    name: EventName
    sent_at: Instant
    resumed: int
    """How many tasks waited for it."""


class AskedState(StrEnum):
    """How a question stands."""

    OPEN = "open"
    ANSWERED = "answered"
    TIMED_OUT = "timed_out"  # nobody answered in time
    CLOSED = "closed"  # its run was cancelled


class AskedQuestion(Message):
    """``GET /v1/teams/{team}/inputs/{input}``: what a task asks people, and what became of it."""

    input: Identifier
    state: AskedState
    run: Identifier
    dag: Name
    task: Name
    map_index: int = -1
    question: Question
    default: Answer | None = None
    asked_at: Instant
    until: Instant | None = None
    """When the default counts, or the task gives up waiting."""
    answer: Answer | None = None
    answered_by: str | None = None
    answered_at: Instant | None = None


class AskedQuestionList(Page):
    """``GET /v1/teams/{team}/inputs``: oldest first."""

    items: list[AskedQuestion]
